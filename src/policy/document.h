// SPDX-License-Identifier: Apache-2.0
// The policy document that a key is bound to by its digest. This version knows one rule, "open", which allows
// every operation, the time from which on it allows nothing, and the list of those whom the key may be
// exported to:
//
//   {"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}],"not_after":1798761600000,
//    "export_recipients":[{"id":"cold-storage","public_key":"0x<64 hex>"}]}
//
// Canonical form (json::canonical); the digest is SHA-256 over it. docs/policy.md.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace redoubt::policy {

inline constexpr std::size_t kMaxDocument = 64 * 1024;
inline constexpr std::size_t kMaxRecipients = 16;

struct ExportRecipient {
    std::string id;             // 1 … 64 of A-Z a-z 0-9 . _ -
    ByteArray<32> public_key{}; // X25519
};

struct Document {
    UnixMs not_after = 0; // from then on the key signs nothing and is not exported; 0: no such time
    std::vector<ExportRecipient> export_recipients;
    std::string canonical;
    Hash32 digest{};
    const ExportRecipient* find_recipient(std::string_view id) const noexcept; // nullptr: none
};

// Any spelling of the JSON; `canonical` is what is stored and digested. Error: InvalidField (what this
// version does not know, duplicates, ranges).
Result<Document> parse_document(std::string_view json);
// A document of the store or the gateway: exactly its canonical form, and of this digest. Error:
// PolicyRequired (one this version does not evaluate), RecordInvalid (another document's digest).
Result<Document> open_document(ByteView stored, const Hash32& digest);

} // namespace redoubt::policy
