// SPDX-License-Identifier: Apache-2.0
// The texts of /v1/transactions: queries, bodies, and transactions as clients see them. Pure functions.
#pragma once

#include "ethereum/transaction.h"
#include "gateway/sender.h"
#include "store/transaction_journal.h"

namespace redoubt::gateway {

struct TransactionListing {
    store::JournalFilter filter;
    bool queued = false; // those that have no nonce yet; they are in no journal
    std::optional<store::JournalPosition> before;
    std::size_t limit = 100; // 1 … 1,000
};
// "chain_id=N", "from=ADDRESS", "state=NAME", "limit=N" and "after=PLACE" as the page before gave it, each at
// most once. Errors: UnknownField, InvalidField.
Result<TransactionListing> parse_transaction_listing(std::string_view query);

// {"transaction":{…},"chain_id"?: N}. The transaction's text, and the chain if one is named. Errors: BadJson,
// UnknownField, MissingField, InvalidField.
struct SendBody {
    std::string transaction;
    std::optional<std::uint64_t> chain_id;
};
Result<SendBody> parse_send_body(std::string_view body);
// {"transaction"?: {…}} or nothing: what shall take a transaction's place; empty: the same with higher fees.
Result<std::string> parse_replace_body(std::string_view body);
// What an Idempotency-Key of a caller is in the journal. Error: InvalidField (1 … 255 visible characters).
Result<Hash32> idempotency_of(std::string_view caller, std::string_view key);

// The object with `from`, `chainId` and `nonce` where it does not say them itself. Error: BadJson,
// InvalidField (it says others).
Result<std::string> with_place(std::string_view object, const ethereum::Address& from, std::uint64_t chain_id,
                               std::uint64_t nonce);

std::string transaction_view(const store::JournalEntry& entry);
std::string listing_view(const store::JournalPage& page);
net::HttpResponse refusal_view(const Sender::Refused& refused);

} // namespace redoubt::gateway
