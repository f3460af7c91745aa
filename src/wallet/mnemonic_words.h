// SPDX-License-Identifier: Apache-2.0
// BIP-39's English word list.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace redoubt::wallet {

inline constexpr std::size_t kWords = 2048;
inline constexpr std::size_t kMaxWordLength = 8; // letters; the shortest word has 3

// A word as a number: its letters, the first one highest, then spaces, which stand in no word. Words can be
// compared so without a branch for each letter.
using PackedWord = std::uint64_t;

// Of a word's first kMaxWordLength bytes, whatever they are.
constexpr PackedWord pack_word(std::string_view word) noexcept {
    PackedWord out = 0;
    for (std::size_t i = 0; i < kMaxWordLength; ++i)
        out = out << 8 | static_cast<unsigned char>(i < word.size() ? word[i] : ' ');
    return out;
}

// In the list's order, which is the alphabet's.
std::span<const PackedWord, kWords> mnemonic_words() noexcept;

} // namespace redoubt::wallet
