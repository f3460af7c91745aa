// SPDX-License-Identifier: Apache-2.0
// What Ethereum takes for a signature's numbers.
#pragma once

#include "ethereum/uint256.h"

namespace redoubt::ethereum {

// 0 < r < n and 0 < s ≤ n / 2, n the order of secp256k1 (EIP-2).
bool is_signature(const Uint256& r, const Uint256& s) noexcept;

} // namespace redoubt::ethereum
