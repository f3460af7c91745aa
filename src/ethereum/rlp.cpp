// SPDX-License-Identifier: Apache-2.0
#include "ethereum/rlp.h"

#include <bit>

namespace redoubt::ethereum::rlp {

namespace {

// First bytes: below kString a byte that stands for itself; up to kString + 55 a string of that many bytes;
// then a string whose length follows in 1 to 8 bytes; from kList on the same for lists.
constexpr std::uint8_t kString = 0x80;
constexpr std::uint8_t kList = 0xc0;
constexpr std::size_t kMostShort = 55;

ByteView without_leading_zeros(ByteView bytes) noexcept {
    std::size_t zeros = 0;
    while (zeros < bytes.size() && bytes[zeros] == 0)
        ++zeros;
    return bytes.subspan(zeros);
}

std::size_t bytes_of(std::uint64_t value) noexcept {
    return (static_cast<std::size_t>(std::bit_width(value)) + 7) / 8;
}

// Bytes of the integer's string in all.
std::size_t size_of(std::uint64_t value) noexcept {
    return value < kString ? 1 : 1 + bytes_of(value);
}

ByteArray<8> big_endian(std::uint64_t value) noexcept {
    static_assert(std::endian::native == std::endian::little);
    return std::bit_cast<ByteArray<8>>(std::byteswap(value));
}

} // namespace

ByteView Reader::payload(bool list) noexcept {
    if (in_.empty() || next_is_list() != list) {
        fail();
        return {};
    }
    const std::uint8_t first = in_.rest()[0];
    if (first < kString)
        return in_.take(1);
    const std::size_t length = static_cast<std::size_t>(first) - (list ? kList : kString);
    in_.take(1);
    if (length <= kMostShort) {
        const ByteView out = in_.take(length);
        if (!list && length == 1 && in_.ok() && out[0] < kString) {
            fail();
            return {};
        }
        return out;
    }
    const ByteView digits = in_.take(length - kMostShort);
    std::size_t size = 0;
    for (const auto digit : digits)
        size = size << 8 | digit;
    if (!in_.ok() || digits[0] == 0 || size <= kMostShort) {
        fail();
        return {};
    }
    return in_.take(size);
}

ByteView Reader::string() noexcept {
    return payload(false);
}

Reader Reader::list() noexcept {
    if (depth_ == 0)
        fail();
    Reader out(payload(true), depth_ == 0 ? 0 : depth_ - 1);
    if (!ok())
        out.fail();
    return out;
}

ByteView Reader::integer(std::size_t most) noexcept {
    const ByteView out = string();
    if (out.size() > most || (!out.empty() && out[0] == 0)) {
        fail();
        return {};
    }
    return out;
}

std::uint64_t Reader::u64() noexcept {
    std::uint64_t out = 0;
    for (const auto byte : integer(8))
        out = out << 8 | byte;
    return out;
}

Uint256 Reader::u256() noexcept {
    return from_big_endian(integer(32)).value_or(Uint256());
}

std::size_t size_of_list(std::size_t payload) noexcept {
    return payload <= kMostShort ? 1 + payload : 1 + bytes_of(payload) + payload;
}

void Writer::prefix(std::uint8_t base, std::size_t size) {
    if (size <= kMostShort) {
        out_.push_back(static_cast<std::uint8_t>(base + size));
        return;
    }
    out_.push_back(static_cast<std::uint8_t>(base + kMostShort + bytes_of(size)));
    append(out_, without_leading_zeros(big_endian(size)));
}

void Writer::string(ByteView bytes) {
    if (bytes.size() != 1 || bytes[0] >= kString)
        prefix(kString, bytes.size());
    append(out_, bytes);
}

void Writer::integer(ByteView bytes) {
    string(without_leading_zeros(bytes));
}

void Writer::integer(std::uint64_t value) {
    if (value != 0 && value < kString)
        return out_.push_back(static_cast<std::uint8_t>(value));
    const std::size_t size = bytes_of(value);
    out_.push_back(static_cast<std::uint8_t>(kString + size));
    append(out_, ByteView(big_endian(value)).last(size));
}

void Writer::integer(const Uint256& value) {
    if (value.fits_u64())
        return integer(value.limbs[0]);
    integer(ByteView(to_big_endian(value)));
}

void Sizer::string(ByteView bytes) noexcept {
    // Strings and lists have prefixes of the same sizes.
    size_ += bytes.size() == 1 && bytes[0] < kString ? 1 : size_of_list(bytes.size());
}

void Sizer::integer(ByteView bytes) noexcept {
    string(without_leading_zeros(bytes));
}

void Sizer::integer(std::uint64_t value) noexcept {
    size_ += size_of(value);
}

void Sizer::integer(const Uint256& value) noexcept {
    if (value.fits_u64())
        return integer(value.limbs[0]);
    integer(ByteView(to_big_endian(value)));
}

} // namespace redoubt::ethereum::rlp
