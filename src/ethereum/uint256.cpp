// SPDX-License-Identifier: Apache-2.0
#include "ethereum/uint256.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace redoubt::ethereum {

namespace {

__extension__ typedef unsigned __int128 Uint128;

constexpr std::uint64_t kTenTo19 = 10'000'000'000'000'000'000u; // the largest power of ten in a limb
constexpr std::size_t kDigitsPerChunk = 19;
constexpr std::size_t kMostDecimalDigits = 78; // of 2^256 − 1

// value = value · factor + addend. What does not fit is returned.
std::uint64_t multiply_add(Uint256& value, std::uint64_t factor, std::uint64_t addend) noexcept {
    std::uint64_t carry = addend;
    for (auto& limb : value.limbs) {
        const Uint128 product = Uint128{limb} * factor + carry;
        limb = static_cast<std::uint64_t>(product);
        carry = static_cast<std::uint64_t>(product >> 64);
    }
    return carry;
}

// value = value / divisor. The remainder is returned.
std::uint64_t divide(Uint256& value, std::uint64_t divisor) noexcept {
    std::uint64_t remainder = 0;
    for (std::size_t i = value.limbs.size(); i-- > 0;) {
        const Uint128 part = Uint128{remainder} << 64 | value.limbs[i];
        value.limbs[i] = static_cast<std::uint64_t>(part / divisor);
        remainder = static_cast<std::uint64_t>(part % divisor);
    }
    return remainder;
}

} // namespace

std::strong_ordering Uint256::operator<=>(const Uint256& other) const noexcept {
    for (std::size_t i = limbs.size(); i-- > 0;)
        if (limbs[i] != other.limbs[i])
            return limbs[i] <=> other.limbs[i];
    return std::strong_ordering::equal;
}

std::optional<Uint256> add(const Uint256& a, const Uint256& b) noexcept {
    Uint256 out;
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const Uint128 sum = Uint128{a.limbs[i]} + b.limbs[i] + carry;
        out.limbs[i] = static_cast<std::uint64_t>(sum);
        carry = static_cast<std::uint64_t>(sum >> 64);
    }
    if (carry != 0)
        return std::nullopt;
    return out;
}

Uint256 negated(const Uint256& value) noexcept {
    Uint256 inverted;
    for (std::size_t i = 0; i < value.limbs.size(); ++i)
        inverted.limbs[i] = ~value.limbs[i];
    return add(inverted, 1).value_or(Uint256()); // overflows for 0 alone
}

std::optional<Uint256> multiply(const Uint256& a, const Uint256& b) noexcept {
    Uint256 out;
    for (std::size_t i = 0; i < 4; ++i) {
        if (a.limbs[i] == 0)
            continue;
        std::uint64_t carry = 0;
        for (std::size_t j = 0; i + j < 4; ++j) {
            const Uint128 sum = Uint128{a.limbs[i]} * b.limbs[j] + out.limbs[i + j] + carry;
            out.limbs[i + j] = static_cast<std::uint64_t>(sum);
            carry = static_cast<std::uint64_t>(sum >> 64);
        }
        if (carry != 0)
            return std::nullopt;
        for (std::size_t j = 4 - i; j < 4; ++j)
            if (b.limbs[j] != 0)
                return std::nullopt;
    }
    return out;
}

ByteArray<32> to_big_endian(const Uint256& value) noexcept {
    static_assert(std::endian::native == std::endian::little);
    ByteArray<32> out;
    for (std::size_t i = 0; i < 4; ++i) {
        const std::uint64_t limb = std::byteswap(value.limbs[3 - i]);
        std::memcpy(out.data() + 8 * i, &limb, 8);
    }
    return out;
}

std::optional<Uint256> from_big_endian(ByteView bytes) noexcept {
    if (bytes.size() > 32)
        return std::nullopt;
    Uint256 out;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        out.limbs[i / 8] |= std::uint64_t{bytes[bytes.size() - 1 - i]} << (8 * (i % 8));
    return out;
}

Bytes to_minimal_big_endian(const Uint256& value) {
    const auto bytes = to_big_endian(value);
    const auto first = std::find_if(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte != 0; });
    return Bytes(first, bytes.end());
}

std::string to_decimal(const Uint256& value) {
    if (value.fits_u64())
        return std::to_string(value.limbs[0]);
    std::string reversed;
    Uint256 rest = value;
    while (!rest.is_zero()) {
        std::uint64_t chunk = divide(rest, kTenTo19);
        // Zeros inside the number count; those before its first digit do not.
        for (std::size_t i = 0; i < kDigitsPerChunk && (chunk != 0 || !rest.is_zero()); ++i) {
            reversed.push_back(static_cast<char>('0' + chunk % 10));
            chunk /= 10;
        }
    }
    return {reversed.rbegin(), reversed.rend()};
}

QuantityText quantity(const Uint256& value) noexcept {
    std::size_t top = value.limbs.size() - 1;
    while (top > 0 && value.limbs[top] == 0)
        --top;
    QuantityText out;
    char* const digits = out.text.data() + 2;
    for (std::size_t i = 0; i <= top; ++i) {
        const auto bytes = std::bit_cast<ByteArray<8>>(std::byteswap(value.limbs[i]));
        write_hex(bytes, digits + 16 * (top - i));
    }
    // "0x" goes before the first digit that is written, over the zeros that are not.
    out.begin = std::min<std::size_t>(static_cast<std::size_t>(std::countl_zero(value.limbs[top])) / 4, 15);
    out.end = 2 + 16 * (top + 1);
    out.text[out.begin] = '0';
    out.text[out.begin + 1] = 'x';
    return out;
}

std::string to_quantity(const Uint256& value) {
    return std::string(std::string_view(quantity(value)));
}

std::optional<Uint256> from_decimal(std::string_view digits) noexcept {
    if (digits.empty() || digits.size() > kMostDecimalDigits || (digits.size() > 1 && digits[0] == '0'))
        return std::nullopt;
    Uint256 out;
    while (!digits.empty()) {
        const std::string_view chunk = digits.substr(0, kDigitsPerChunk);
        digits.remove_prefix(chunk.size());
        std::uint64_t value = 0, scale = 1;
        for (const char c : chunk) {
            if (c < '0' || c > '9')
                return std::nullopt;
            value = value * 10 + static_cast<std::uint64_t>(c - '0');
            scale *= 10;
        }
        if (out.is_zero()) // the first digits, of most numbers all
            out.limbs[0] = value;
        else if (multiply_add(out, scale, value) != 0)
            return std::nullopt;
    }
    return out;
}

std::optional<Uint256> from_quantity(std::string_view text) noexcept {
    if (!text.starts_with("0x"))
        return std::nullopt;
    text.remove_prefix(2);
    if (text.empty() || text.size() > 64 || (text.size() > 1 && text[0] == '0'))
        return std::nullopt;
    Uint256 out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[text.size() - 1 - i];
        std::uint64_t digit = 0;
        if (c >= '0' && c <= '9')
            digit = static_cast<std::uint64_t>(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = static_cast<std::uint64_t>(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            digit = static_cast<std::uint64_t>(c - 'A' + 10);
        else
            return std::nullopt;
        out.limbs[i / 16] |= digit << (4 * (i % 16));
    }
    return out;
}

} // namespace redoubt::ethereum
