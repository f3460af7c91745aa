// SPDX-License-Identifier: Apache-2.0
// Exact unsigned 256-bit integers: what amounts and fees are. Only what transactions need: text forms,
// comparison, addition and multiplication that report overflow.
#pragma once

#include "base/bytes.h"

#include <array>
#include <compare>

namespace redoubt::ethereum {

struct Uint256 {
    std::array<std::uint64_t, 4> limbs{}; // least significant first

    constexpr Uint256() = default;
    constexpr Uint256(std::uint64_t value) noexcept : limbs{value, 0, 0, 0} {} // NOLINT: an integer is one
    bool is_zero() const noexcept { return (limbs[0] | limbs[1] | limbs[2] | limbs[3]) == 0; }
    bool fits_u64() const noexcept { return (limbs[1] | limbs[2] | limbs[3]) == 0; }
    bool operator==(const Uint256&) const = default;
    std::strong_ordering operator<=>(const Uint256& other) const noexcept;
};

std::optional<Uint256> add(const Uint256& a, const Uint256& b) noexcept; // nullopt: overflow
Uint256 negated(const Uint256& value) noexcept; // 2^256 - value: two's complement; zero stays zero
std::optional<Uint256> multiply(const Uint256& a, const Uint256& b) noexcept;

ByteArray<32> to_big_endian(const Uint256& value) noexcept;
std::optional<Uint256> from_big_endian(ByteView bytes) noexcept; // up to 32 bytes
Bytes to_minimal_big_endian(const Uint256& value);               // zero is empty (RLP)

std::string to_decimal(const Uint256& value);
// "0x1f", zero is "0x0": a view of what it holds.
struct QuantityText {
    std::array<char, 2 + 64> text;
    std::size_t begin = 0, end = 0;
    operator std::string_view() const noexcept { // NOLINT: it is one
        return {text.data() + begin, end - begin};
    }
};
QuantityText quantity(const Uint256& value) noexcept;
std::string to_quantity(const Uint256& value);                         // the same
std::optional<Uint256> from_decimal(std::string_view digits) noexcept; // digits only, no leading zero but "0"
std::optional<Uint256>
from_quantity(std::string_view text) noexcept; // "0x", then hex digits, no leading zero but "0x0"

} // namespace redoubt::ethereum
