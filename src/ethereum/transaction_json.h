// SPDX-License-Identifier: Apache-2.0
// Transactions from and to JSON. Two dialects:
//  - `transaction_from_json`: JSON-RPC names and units (wei): type, chainId, nonce, gas|gasLimit, gasPrice,
//    maxFeePerGas, maxPriorityFeePerGas, to, value, data|input, accessList, from, maxFeePerBlobGas,
//    blobVersionedHashes, authorizationList. Integers are 0x-quantities,
//    decimal strings or exact JSON integers. Both of a pair present and different: refused. Unknown members:
//    refused. The type is taken from `type`, or inferred: authorizationList is type 4, members of blobs type
//    3, maxFee… else type 2, gasPrice type 1 with an accessList (an empty one, too) and legacy without;
//    gasPrice with maxFee… and accessList with type 0: refused. A member that is null counts as absent, but a
//    legacy transaction without chainId is one only when the object says "chainId": null. Missing value is 0,
//    missing data empty; missing `to` is a creation and needs data.
//  - `transaction_from_reference_json`: the AWS sample's `transaction_payload` (eth-account 0.5.9): `value`
//    mandatory, in ETH, JSON number or string, read as an exact decimal × 10^18 (finer than a wei:
//    PrecisionLost); numbers are JSON integers or 0x-hex; data is hex with or without 0x; `to` empty, null or
//    missing is a creation; legacy without chainId gives v = 27/28; typed without chainId refused; storage
//    keys may be numbers. No gasLimit, no input.
#pragma once

#include "base/json.h"
#include "ethereum/transaction.h"

namespace redoubt::ethereum {

struct ParsedTransaction {
    Transaction transaction;
    std::optional<Address> from; // to be compared with the key's address by the caller
};

// Errors: MissingField, UnknownField, InvalidField, AmbiguousField, BadTransaction, UnsupportedType,
// PrecisionLost.
Result<ParsedTransaction> transaction_from_json(const json::Value& object);
Result<ParsedTransaction> transaction_from_reference_json(const json::Value& object);

// The decoded transaction as JSON-RPC shows it (quantities in hex, checksummed addresses, type, and `from` of
// the signer).
void write_transaction_json(json::Writer& writer, const Transaction& transaction, const Address& from);

} // namespace redoubt::ethereum
