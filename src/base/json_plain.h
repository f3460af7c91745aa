// SPDX-License-Identifier: Apache-2.0
// The characters of JSON's strings that stand for themselves; internal to its reader and writer.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace redoubt::json {

constexpr bool is_plain(char c) noexcept {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

// How many characters from the text's beginning are plain. Most texts are, or end with a quotation mark, so
// eight are looked at in one.
inline std::size_t plain_length(std::string_view text) noexcept {
    static_assert(std::endian::native == std::endian::little, "the first character is the lowest byte");
    constexpr std::uint64_t kEach = 0x0101010101010101, kTop = 0x80 * kEach;
    // The top bit of each byte that is below `most`, which is at most 0x80, as long as no byte under it is:
    // then the lowest one tells. Bytes from 0x80 on never are.
    constexpr auto below = [](std::uint64_t eight, std::uint64_t most) {
        return (eight - most * kEach) & ~eight & kTop;
    };
    constexpr auto is = [below](std::uint64_t eight, std::uint64_t byte) {
        return below(eight ^ byte * kEach, 1);
    };
    constexpr auto others = [below, is](std::uint64_t eight) {
        return (eight & kTop) | below(eight, 0x20) | is(eight, '"') | is(eight, '\\') | is(eight, 0x7f);
    };
    const auto first = [](std::uint64_t found) {
        return static_cast<std::size_t>(std::countr_zero(found)) / 8;
    };
    std::size_t at = 0;
    std::uint64_t eight = 0;
    for (; at + sizeof eight <= text.size(); at += sizeof eight) {
        std::memcpy(&eight, text.data() + at, sizeof eight);
        if (const std::uint64_t found = others(eight); found != 0)
            return at + first(found);
    }
    if (at == text.size())
        return at;
    if (text.size() >= sizeof eight) { // the last eight: those before `at` are plain
        at = text.size() - sizeof eight;
        std::memcpy(&eight, text.data() + at, sizeof eight);
        const std::uint64_t found = others(eight);
        return found == 0 ? text.size() : at + first(found);
    }
    while (at < text.size() && is_plain(text[at]))
        ++at;
    return at;
}

} // namespace redoubt::json
