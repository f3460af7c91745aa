// SPDX-License-Identifier: Apache-2.0
// Printable ASCII (0x20 … 0x7e), eight characters at a time: headers of requests are long and nearly always
// plain.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace redoubt {

// How many characters at the text's beginning are known to be printable ASCII: all whole blocks of eight, or
// none, where one of those holds anything else. What is left is for the caller to look at.
inline std::size_t printable_blocks(std::string_view text) noexcept {
    constexpr std::uint64_t kEach = 0x0101010101010101, kTop = 0x80 * kEach;
    std::size_t at = 0;
    std::uint64_t suspect = 0; // of each character the top bit: below 0x20, or above 0x7e
    for (; at + 8 <= text.size(); at += 8) {
        std::uint64_t eight = 0;
        std::memcpy(&eight, text.data() + at, 8);
        const std::uint64_t del = eight ^ 0x7f * kEach;
        suspect |= eight | ((eight - 0x20 * kEach) & ~eight) | ((del - kEach) & ~del);
    }
    return (suspect & kTop) == 0 ? at : 0;
}

} // namespace redoubt
