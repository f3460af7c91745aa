// SPDX-License-Identifier: Apache-2.0
#include "wallet/mnemonic.h"

#include "base/declassify.h"
#include "crypto/hash.h"
#include "wallet/mnemonic_words.h"

#include <algorithm>

namespace redoubt::wallet {

namespace {

constexpr std::size_t kMinCount = 12, kMaxCount = 24; // words, in steps of 3
constexpr unsigned kIndexBits = 11;                   // of a word: the list has 2^11
constexpr std::uint32_t kRounds = 2048;
constexpr std::string_view kSaltPrefix = "mnemonic";

constexpr bool valid_count(std::size_t words) noexcept {
    return words >= kMinCount && words <= kMaxCount && words % 3 == 0;
}

// Three words carry 33 bits: 32 of entropy, one of checksum.
constexpr std::size_t entropy_size(std::size_t words) noexcept {
    return words / 3 * 4;
}

// Where words begin and end is public here, their letters are not.
bool is_space(char c) noexcept {
    return declassified(c == ' ');
}

// The checksum's bits at the top of a byte: as many as the entropy has groups of 32 (BIP-39).
std::uint8_t checksum(ByteView entropy) {
    Hash32 hash = crypto::sha256(entropy);
    const auto unused = static_cast<unsigned>(8 - entropy.size() / 4);
    const auto out = static_cast<std::uint8_t>(hash[0] >> unused << unused);
    wipe(hash);
    return out;
}

// The index of a word, or kWords. Compares with every word of the list, without a branch.
std::uint32_t index_of(PackedWord word) noexcept {
    std::uint32_t found = kWords;
    std::uint32_t index = 0;
    for (const PackedWord candidate : mnemonic_words()) {
        const PackedWord difference = candidate ^ word;
        // All ones where they are equal: only zero has no bit in x | -x.
        const auto equal = static_cast<std::uint32_t>((difference | (~difference + 1)) >> 63) - 1;
        found = (found & ~equal) | (index & equal);
        ++index;
    }
    return found;
}

// The word of an index, read in a time that does not depend on it.
PackedWord word_of(std::uint32_t wanted) noexcept {
    PackedWord out = 0;
    std::uint32_t index = 0;
    for (const PackedWord candidate : mnemonic_words()) {
        const PackedWord difference = index ^ wanted;
        out |= candidate & (((difference | (~difference + 1)) >> 63) - 1);
        ++index;
    }
    return out;
}

} // namespace

Result<Secret> mnemonic_entropy(const Secret& mnemonic) {
    const SecretAccess why("read a mnemonic's words");
    std::string_view text = mnemonic.text(why);
    std::size_t words = 1;
    for (const char c : text)
        words += static_cast<std::size_t>(is_space(c));
    if (text.empty() || !valid_count(words))
        return fail(
            Code::InvalidField,
            "a mnemonic has 12, 15, 18, 21 or 24 words with one space between two and none around them");
    const std::size_t size = entropy_size(words);
    Secret packed_bits(size + 1); // the entropy, then the checksum's bits at the top of a byte
    const auto bits = packed_bits.mutable_view(why);
    std::size_t at = 0;
    std::uint64_t pending = 0; // its low `count` bits are still to be written
    unsigned count = 0;
    for (std::size_t i = 0; i < words; ++i) {
        std::size_t length = 0;
        while (length < text.size() && !is_space(text[length]))
            ++length;
        const std::string_view word = text.substr(0, length);
        text.remove_prefix(std::min(length + 1, text.size()));
        const std::uint32_t index = index_of(pack_word(word));
        if (word.size() > kMaxWordLength || declassified(index == kWords))
            return fail(
                Code::InvalidField,
                "a word is not in BIP-39's English list, or is not written in lower case with one space "
                "around it",
                "word " + std::to_string(i + 1));
        pending = pending << kIndexBits | index;
        for (count += kIndexBits; count >= 8; count -= 8)
            bits[at++] = static_cast<std::uint8_t>(pending >> (count - 8));
    }
    if (count != 0)
        bits[at] = static_cast<std::uint8_t>(pending << (8 - count));
    Secret entropy = Secret::copy_of(bits.first(size));
    if (!declassified(checksum(entropy.view(why)) == bits[size]))
        return fail(Code::InvalidField,
                    "the mnemonic's checksum does not match: a word is wrong, or words are out of order");
    return entropy;
}

Result<Secret> mnemonic_of_entropy(const Secret& entropy) {
    if (entropy.size() % 4 != 0 || !valid_count(entropy.size() / 4 * 3))
        return fail(Code::InvalidField, "the entropy of a mnemonic has 16, 20, 24, 28 or 32 bytes");
    const SecretAccess why("write entropy as words");
    const ByteView bytes = entropy.view(why);
    const std::size_t words = entropy.size() / 4 * 3;
    Secret longest(words * (kMaxWordLength + 1));
    const auto text = longest.mutable_view(why);
    std::size_t at = 0;
    std::size_t next = 0;
    std::uint64_t pending = 0;
    unsigned count = 0;
    for (std::size_t i = 0; i < words; ++i) {
        for (; count < kIndexBits; count += 8, ++next)
            pending = pending << 8 | (next < bytes.size() ? bytes[next] : checksum(bytes));
        count -= kIndexBits;
        if (i != 0)
            text[at++] = ' ';
        PackedWord word = word_of(static_cast<std::uint32_t>(pending >> count & (kWords - 1)));
        for (std::size_t letter = 0; letter < kMaxWordLength && !is_space(static_cast<char>(word >> 56));
             ++letter) {
            text[at++] = static_cast<std::uint8_t>(word >> 56);
            word <<= 8;
        }
    }
    return Secret::copy_of(text.first(at));
}

Result<Secret> mnemonic_seed(const Secret& mnemonic, const Secret& passphrase) {
    REDOUBT_CHECK(mnemonic_entropy(mnemonic));
    const SecretAccess why("derive a mnemonic's seed");
    const ByteView phrase = passphrase.view(why);
    if (phrase.size() > kMaxPassphrase)
        return fail(Code::InvalidField, "a mnemonic's passphrase has at most 1024 bytes");
    std::uint32_t other = 0; // its top bit: a character was not in 0x20 … 0x7e
    for (const std::uint32_t c : phrase)
        other |= (c - 0x20) | (0x7e - c);
    if (declassified(other >> 31 != 0))
        return fail(
            Code::InvalidField,
            "a mnemonic's passphrase is printable ASCII here: wallets normalise other characters before "
            "they use them, and another seed would come of it");
    Secret salt(kSaltPrefix.size() + phrase.size());
    const auto bytes = salt.mutable_view(why);
    std::ranges::copy(phrase, std::ranges::copy(as_bytes(kSaltPrefix), bytes.begin()).out);
    return crypto::pbkdf2_sha512(mnemonic.view(why), salt.view(why), kRounds, kMnemonicSeed);
}

} // namespace redoubt::wallet
