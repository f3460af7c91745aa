// SPDX-License-Identifier: Apache-2.0
#include "kmstool/secret_base64.h"

namespace redoubt::kmstool {

namespace {

// All ones where v > limit, else zero. Both are below 64.
constexpr std::uint32_t above(std::uint32_t v, std::uint32_t limit) noexcept {
    return 0u - ((limit - v) >> 31);
}

// The digit of a 6-bit value. The alphabet is five runs of characters; going from one run to the next adds
// the gap between them: after 'Z' comes 'a' (+6), after 'z' '0' (−75), after '9' '+' (−15), after '+' '/'
// (+3).
constexpr std::uint8_t digit(std::uint32_t v) noexcept {
    std::uint32_t c = v + 'A';
    c += above(v, 25) & 6u;
    c -= above(v, 51) & 75u;
    c -= above(v, 61) & 15u;
    c += above(v, 62) & 3u;
    return static_cast<std::uint8_t>(c);
}

static_assert(digit(0) == 'A' && digit(25) == 'Z' && digit(26) == 'a' && digit(51) == 'z');
static_assert(digit(52) == '0' && digit(61) == '9' && digit(62) == '+' && digit(63) == '/');

} // namespace

void encode_base64(ByteView bytes, std::span<std::uint8_t> out) noexcept {
    std::size_t at = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t there = bytes.size() - i;
        std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16;
        if (there > 1)
            group |= static_cast<std::uint32_t>(bytes[i + 1]) << 8;
        if (there > 2)
            group |= bytes[i + 2];
        out[at++] = digit(group >> 18);
        out[at++] = digit(group >> 12 & 63);
        out[at++] = there > 1 ? digit(group >> 6 & 63) : std::uint8_t{'='};
        out[at++] = there > 2 ? digit(group & 63) : std::uint8_t{'='};
    }
}

} // namespace redoubt::kmstool
