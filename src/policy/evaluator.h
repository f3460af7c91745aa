// SPDX-License-Identifier: Apache-2.0
// Does a policy allow a request? Pure: no clock, no state, no input or output. Deny wins; what no rule allows
// is denied. docs/policy.md says what each condition means, and what an evaluation costs at most.
//
// A condition on something that the request does not have (a deployment has no `transaction.to`) does not
// hold. A condition on something that it has, but that cannot be read (calldata of the rule's function that
// is not the strict encoding of its arguments; a typed-data field that has another type) does not hold in an
// allow rule, and holds in a deny rule: in doubt nothing is signed.
#pragma once

#include "base/json.h"
#include "base/spare.h"
#include "crypto/bip32.h"
#include "ethereum/transaction.h"
#include "policy/document.h"

#include <span>

namespace redoubt::policy {

// A request, decoded. Views live as long as the request.
struct Facts {
    Operation operation = Operation::SignTransaction;
    Asker asker;
    UnixMs now = 0;                          // trusted
    const crypto::HdPath* path = nullptr;    // of an HD key, the one that signs
    std::span<const crypto::HdPath> derived; // Derive: `path` means all (allow rules), or one (deny)
    const ethereum::Transaction* transaction = nullptr;     // SignTransaction
    const ethereum::Authorization* authorization = nullptr; // SignAuthorization
    std::optional<json::Value> typed_data;                  // SignTypedData: as typed_data_digest accepted it
    std::optional<ByteView> message;                        // SignMessage; SignData: the bytes
    const ethereum::Address* validator = nullptr;           // SignMessage by EIP-191 version 0x00
    const Hash32* digest = nullptr;                         // SignHash
    std::string_view recipient;                             // Export
};

// What an allowed request takes from a limit.
struct Charge {
    const Limit* limit = nullptr;
    ByteArray<16> counter{}; // names the counter: of the limit's name, its rule, and where it counts for each
                             // principal of the principal. The same in every version of the policy
    ethereum::Uint256 amount; // 0 for limits of the count
};
ByteArray<16> counter_id(const Limit& limit, const Asker& asker) noexcept;

struct Candidate { // an allow rule all of whose conditions hold
    const Rule* rule = nullptr;
    std::vector<Charge> charges; // the rule's, then the document's; all must have room
};

// Why an allow rule for this operation did not match.
struct Miss {
    const Rule* rule = nullptr;
    enum class Why : std::uint8_t { Principal, Condition, Amount } why = Why::Condition;
    std::string_view field; // Condition: the first that does not hold, as the document writes it
};
inline constexpr std::size_t kMaxMisses = 8;

struct Verdict {
    const Rule* denied_by = nullptr; // then nothing else is of interest
    // In the document's order: the first whose limits have room decides. None: nothing allows the request.
    std::vector<Candidate, SpareAllocator<Candidate>> candidates;
    std::vector<Miss> misses; // where there is no candidate: the first rules of this operation, and why not
    bool allowed() const noexcept { return denied_by == nullptr && !candidates.empty(); }
};

// Values that one evaluation looks at, 64 bytes of a text or of bytes counting as one. Beyond, what a
// condition asks for is unreadable: no allow rule holds any more, and every deny rule does.
inline constexpr std::size_t kMaxWork = 131'072;

Verdict evaluate(const Document& document, const Facts& facts);

} // namespace redoubt::policy
