// SPDX-License-Identifier: Apache-2.0
// Eight bytes a step, by eight tables ("slicing-by-8"): images have hundreds of megabytes.
#include "image/crc32.h"

namespace redoubt::image {

namespace {

constexpr std::uint32_t kPolynomial = 0xedb8'8320; // bits reversed

// tables[k][b]: what byte b, followed by k zero bytes, does to the remainder.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
    Tables out{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit)
            value = value >> 1 ^ (value & 1 ? kPolynomial : 0);
        out[0][byte] = value;
    }
    for (std::size_t k = 1; k < out.size(); ++k)
        for (std::size_t byte = 0; byte < 256; ++byte)
            out[k][byte] = out[k - 1][byte] >> 8 ^ out[0][out[k - 1][byte] & 0xff];
    return out;
}

constexpr Tables kTables = make_tables();

} // namespace

std::uint32_t crc32(ByteView data, std::uint32_t before) noexcept {
    std::uint32_t crc = ~before;
    while (data.size() >= 8) {
        const std::uint32_t low = crc ^ (data[0] | std::uint32_t{data[1]} << 8 |
                                         std::uint32_t{data[2]} << 16 | std::uint32_t{data[3]} << 24);
        crc = kTables[7][low & 0xff] ^ kTables[6][low >> 8 & 0xff] ^ kTables[5][low >> 16 & 0xff] ^
              kTables[4][low >> 24] ^ kTables[3][data[4]] ^ kTables[2][data[5]] ^ kTables[1][data[6]] ^
              kTables[0][data[7]];
        data = data.subspan(8);
    }
    for (const std::uint8_t byte : data)
        crc = crc >> 8 ^ kTables[0][(crc ^ byte) & 0xff];
    return ~crc;
}

} // namespace redoubt::image
