// SPDX-License-Identifier: Apache-2.0
// Gas and fees from what a node says, and higher ones for a transaction that waits. The node is not trusted:
// a key's policy bounds what a transaction may cost. Pure functions.
#pragma once

#include "base/result.h"
#include "ethereum/transaction.h"

namespace redoubt::gateway {

struct ChainFees {
    std::optional<ethereum::Uint256> base_fee; // of the next block; nothing: the chain has none (EIP-1559)
    ethereum::Uint256 priority;                // where it has one
    ethereum::Uint256 gas_price;               // where it has none, and for who asks for such a transaction
};

// Where a node knows no eth_maxPriorityFeePerGas: 1 gwei.
inline constexpr std::uint64_t kDefaultPriority = 1'000'000'000;

// A result that is a quantity ("0x…"). Error: NodeRefused.
Result<ethereum::Uint256> read_quantity(std::string_view result);
Result<std::uint64_t> read_count(std::string_view result); // … below 2^63
// The next block's base fee of eth_feeHistory's result. Error: NodeRefused.
Result<std::optional<ethereum::Uint256>> read_base_fee(std::string_view result);

// Twice the base fee, which it can reach in six full blocks, and the priority fee; at most 2^256 − 1.
ethereum::Uint256 fee_cap(const ethereum::Uint256& base_fee, const ethereum::Uint256& priority) noexcept;

// An estimate and a fifth of it, for what changes until the transaction is mined; a plain transfer's stays.
// At most kTransactionGasCap. Error: InvalidField (the estimate is above that).
Result<std::uint64_t> gas_with_margin(const ethereum::Uint256& estimate);

// `value` and `percent` of it, rounded up; at most 2^256 − 1.
ethereum::Uint256 raised(const ethereum::Uint256& value, unsigned percent) noexcept;
// The transaction with each fee risen by `percent`, or to what the chain asks for now if that is more. A fee
// goes no higher than `most`: nothing, if a node would not take what is left for a replacement.
std::optional<ethereum::Transaction> with_higher_fees(ethereum::Transaction transaction, unsigned percent,
                                                      const ChainFees& now,
                                                      const std::optional<ethereum::Uint256>& most);

} // namespace redoubt::gateway
