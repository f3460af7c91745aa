// SPDX-License-Identifier: Apache-2.0
// What the two JSON dialects have in common; internal to transaction_json.cpp and reference_json.cpp.
#pragma once

#include "ethereum/transaction_json.h"

namespace redoubt::ethereum {

enum class Dialect { JsonRpc, Reference };

// The named member; one that is null counts as absent.
std::optional<json::Value> member(const json::Value& object, std::string_view name) noexcept;

// An exact JSON integer, a 0x-quantity or, in JSON-RPC, a string of decimal digits.
std::optional<Uint256> integer(const json::Value& value, Dialect dialect) noexcept;
Result<Uint256> need_u256(const json::Value& object, std::string_view name, Dialect dialect,
                          FixedText missing, FixedText invalid);
Result<std::uint64_t> need_u64(const json::Value& object, std::string_view name, Dialect dialect,
                               FixedText missing, FixedText invalid);

// Hexadecimal bytes; the reference dialect may leave out the "0x".
Result<Bytes> data_bytes(const json::Value& value, Dialect dialect);

// Refuses members that are not `allowed`, and reads type, nonce, chainId, the fees, to, from and accessList:
// what reads alike in both.
Status read_common(const json::Value& object, Dialect dialect,
                   std::initializer_list<std::string_view> allowed, ParsedTransaction& out);

} // namespace redoubt::ethereum
