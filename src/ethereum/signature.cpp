// SPDX-License-Identifier: Apache-2.0
#include "ethereum/signature.h"

namespace redoubt::ethereum {

namespace {

constexpr Uint256 uint256(std::uint64_t l3, std::uint64_t l2, std::uint64_t l1, std::uint64_t l0) noexcept {
    Uint256 out;
    out.limbs = {l0, l1, l2, l3};
    return out;
}

// SEC 2, section 2.4.1: the order of secp256k1, and its half, above which EIP-2 refuses s.
constexpr Uint256 kOrder =
    uint256(0xffffffffffffffff, 0xfffffffffffffffe, 0xbaaedce6af48a03b, 0xbfd25e8cd0364141);
constexpr Uint256 kHalfOrder =
    uint256(0x7fffffffffffffff, 0xffffffffffffffff, 0x5d576e7357a4501d, 0xdfe92f46681b20a0);

} // namespace

bool is_signature(const Uint256& r, const Uint256& s) noexcept {
    return !r.is_zero() && r < kOrder && !s.is_zero() && s <= kHalfOrder;
}

} // namespace redoubt::ethereum
