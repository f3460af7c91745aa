// SPDX-License-Identifier: Apache-2.0
// The policy document that a key is bound to by its digest: who may have what signed. docs/policy.md is the
// language's description, docs/schema/policy.schema.json its schema.
//
// Canonical form (json::canonical); the digest is SHA-256 over it. A Document is read and compiled once, is
// immutable afterwards and may be shared between threads.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "ethereum/uint256.h"
#include "policy/principal.h"

#include <memory>
#include <vector>

namespace redoubt::policy {

inline constexpr std::size_t kMaxDocument = 64 * 1024;
inline constexpr std::size_t kMaxRecipients = 16;
inline constexpr std::size_t kMaxPrincipals = 64, kMaxOwners = 16;
inline constexpr std::size_t kMaxRules = 256, kMaxConditions = 32; // conditions a rule
inline constexpr std::size_t kMaxCounters = 32; // that a document's limits can come to: one for each limit,
                                                // or one for each limit and principal
inline constexpr std::uint64_t kLastTime = 9'007'199'254'740'991; // 2^53 - 1, ms

struct ExportRecipient {
    std::string id;             // 1 … 64 of A-Z a-z 0-9 . _ -
    ByteArray<32> public_key{}; // X25519
};

struct Principal { // of a request, or an owner
    std::string id;
    PublicKey key;
    std::string name; // principal_name() of both
};

// What rules call what is asked. The order is the bits' in Rule::operations, and receipts' numbers.
enum class Operation : std::uint8_t {
    SignTransaction = 0,
    SignMessage = 1,
    SignTypedData = 2,
    SignAuthorization = 3,
    SignHash = 4,
    SignData = 5,
    Derive = 6,
    Export = 7,
    Update = 8,
    Enable = 9,
    Disable = 10,
    ScheduleDeletion = 11,
    CancelDeletion = 12,
    Move = 13,
};
inline constexpr std::size_t kOperations = 14;
std::string_view operation_name(Operation operation) noexcept; // "sign-transaction", …

// A rolling window: at most so many requests, or so much of a field's sum, in any `window_seconds`.
struct Limit {
    std::string name;
    enum class Per : std::uint8_t { Rule, Key, Principal } per = Per::Rule;
    std::uint32_t window_seconds = 0;             // 1 … 31,622,400
    std::optional<std::uint64_t> most_count;      // one of the two
    std::optional<ethereum::Uint256> most_amount; // of amount_of's field
    struct Source;                                // where the amount is read
    std::shared_ptr<const Source> amount_of;      // with most_amount
    std::string rule;                             // the rule that it stands in; empty: the document's
};

struct Condition; // compiled; evaluator.cpp

struct Rule {
    std::string name; // 1 … 64 of A-Z a-z 0-9 . _ -, distinct
    bool allow = false;
    bool anyone = false;            // principals has "anyone"
    bool any_host = false;          // "host": whomever the gateway vouches for
    std::vector<std::string> hosts; // "host:NAME"
    std::uint64_t principals = 0;   // those named by id: bits by their places in Document::principals
    std::uint32_t operations = 0;   // bits by Operation
    std::vector<std::shared_ptr<const Condition>> conditions;
    std::vector<Limit> limits; // of allow rules
};

struct Document {
    bool open = false;         // the one rule "open": everything is allowed to anyone
    std::uint64_t version = 1; // grows with each change of a key's policy
    UnixMs not_after = 0;      // from then on the key signs nothing and is not exported; 0: no such time
    std::vector<Principal> principals;
    std::vector<Principal> owners;       // who may change the policy; none: nobody
    std::uint32_t threshold = 0;         // of them must sign, 1 … owners.size(); 0 without owners
    std::uint32_t time_lock_seconds = 0; // from when a change is accepted until it holds, 0 … 31,622,400
    std::vector<Rule> rules;             // in the document's order
    std::vector<Limit> limits;           // of the whole key, whatever rule allows
    std::vector<ExportRecipient> export_recipients;
    // ABI functions that rules name, each once; conditions refer to them by index.
    struct Functions;
    std::shared_ptr<const Functions> functions;
    std::string canonical;
    Hash32 digest{};

    bool has_limits() const noexcept;
    const ExportRecipient* find_recipient(std::string_view id) const noexcept; // nullptr: none
    const Principal* find_principal(std::string_view id) const noexcept;       // nullptr: none
    const Principal* find_principal(const PublicKey& key) const noexcept;      // nullptr: none
};

// Any spelling of the JSON; `canonical` is what is stored and digested. Error: InvalidField (what this
// version does not know, duplicates, ranges); the context says where, for the host side.
Result<Document> parse_document(std::string_view json);
// A document of the store or the gateway: exactly its canonical form, and of this digest. Error:
// PolicyRequired (one this version does not evaluate), RecordInvalid (another document's digest).
Result<Document> open_document(ByteView stored, const Hash32& digest);

} // namespace redoubt::policy
