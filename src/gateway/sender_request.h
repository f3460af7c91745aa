// SPDX-License-Identifier: Apache-2.0
// From what a client wants sent to a whole transaction: what was given stays as it was given, what is missing
// is known to be missing. Pure functions.
#pragma once

#include "ethereum/transaction_json.h"
#include "gateway/sender_fees.h"
#include "store/transaction_journal.h"

namespace redoubt::gateway {

struct Draft {
    ethereum::Transaction transaction; // what is missing is zero; what the chain's fees leave open is type 2
    ethereum::Address from{};
    bool has_nonce = false, has_gas = false, has_type = false;
    bool has_gas_price = false, has_max_fee = false, has_priority = false;
    Hash32 request{}; // of all that was asked for; equal for equal requests
};

// `object`: a JSON object with JSON-RPC's names; `from` must be there, `chainId` is this chain's or missing,
// members that are null count as missing. Errors: as ethereum::transaction_from_json, and UnsupportedType for
// blob transactions.
Result<Draft> read_draft(std::string_view object, std::uint64_t chain_id);
// The chain that the object names. Error: BadJson, InvalidField.
Result<std::optional<std::uint64_t>> chain_of(std::string_view object);

// The parameters of eth_estimateGas.
std::string estimate_params(const Draft& draft);
// What is missing of the fees, as the chain has them, but no more than `most`. Error: InvalidField (a
// transaction with a base fee's members on a chain without one).
Status fill_fees(Draft& draft, const ChainFees& fees, const std::optional<ethereum::Uint256>& most = {});

// The body of POST /v1/keys/{id}/sign-transaction.
std::string sign_request(const ethereum::Transaction& transaction, const ethereum::Address& from);
// The signed transaction of its reply, if it is `asked`. Error: SigningFailed.
Result<store::SignedVersion> read_signed(std::string_view reply, const ethereum::Transaction& asked,
                                         store::VersionKind kind, UnixMs now);

} // namespace redoubt::gateway
