// SPDX-License-Identifier: Apache-2.0
#include "wallet/mnemonic.h"

#include "crypto/bip32.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "wallet/mnemonic_words.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace redoubt::wallet {
namespace {

Secret secret(std::string_view text) {
    return Secret::copy_of(as_bytes(text));
}

std::string plain(const Secret& value) {
    return std::string(value.text(SecretAccess("compare it in a test")));
}

std::string hex(const Result<Secret>& value) {
    return value ? to_hex(value->view(SecretAccess("compare it in a test"))) : value.error().describe();
}

constexpr std::string_view kZeros =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
constexpr std::string_view kDevelopment = "test test test test test test test test test test test junk";

TEST(MnemonicWords, are_the_list_that_bip_39_publishes) {
    std::string list;
    for (PackedWord word : mnemonic_words()) {
        for (; word >> 56 != ' ' && word != 0; word <<= 8)
            list += static_cast<char>(word >> 56);
        list += '\n';
    }
    // SHA-256 of bip-0039/english.txt.
    EXPECT_EQ(to_hex(crypto::sha256(as_bytes(list))),
              "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
    EXPECT_EQ(mnemonic_words().front(), pack_word("abandon"));
    EXPECT_EQ(mnemonic_words().back(), pack_word("zoo"));
    EXPECT_NE(pack_word("zoo"), pack_word({"zoo\0", 4}));
}

TEST(Mnemonic, gives_the_accounts_of_the_development_mnemonic) {
    const auto seed = mnemonic_seed(secret(kDevelopment), Secret());
    ASSERT_TRUE(seed);
    EXPECT_EQ(seed->size(), kMnemonicSeed);
    const crypto::Secp256k1 curve(Hash32{});
    EXPECT_EQ(hex(crypto::derive_hd_key(curve, *seed, *crypto::parse_hd_path(crypto::kDefaultHdPath))),
              "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
}

TEST(Mnemonic, a_passphrase_makes_another_seed) {
    // The first of the vectors that Trezor published with BIP-39.
    EXPECT_EQ(hex(mnemonic_seed(secret(kZeros), secret("TREZOR"))),
              "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e5349553"
              "1f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04");
    EXPECT_NE(hex(mnemonic_seed(secret(kZeros), Secret())),
              hex(mnemonic_seed(secret(kZeros), secret("trezor"))));
}

TEST(Mnemonic, entropy_of_every_size_reads_back) {
    crypto::SystemRandom random;
    for (const std::size_t size : {16u, 20u, 24u, 28u, 32u})
        for (int i = 0; i < 20; ++i) {
            const Secret entropy = random.secret(size);
            const auto mnemonic = mnemonic_of_entropy(entropy);
            ASSERT_TRUE(mnemonic);
            EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(plain(*mnemonic), ' ')) + 1, size / 4 * 3);
            const auto back = mnemonic_entropy(*mnemonic);
            ASSERT_TRUE(back) << back.error().describe();
            EXPECT_TRUE(equal_secrets(*back, entropy));
        }
    for (const std::size_t size : {0u, 4u, 12u, 15u, 17u, 18u, 31u, 33u, 36u, 64u}) {
        const auto refused = mnemonic_of_entropy(Secret(size));
        ASSERT_FALSE(refused) << size;
        EXPECT_EQ(refused.error().code, Code::InvalidField);
    }
}

TEST(Mnemonic, one_wrong_word_is_refused_as_often_as_the_checksum_allows) {
    // Twelve words have four bits of checksum: of the 2047 other last words, those for 127 carry a right one.
    const std::string head(kZeros.substr(0, kZeros.rfind(' ') + 1));
    int accepted = 0;
    for (PackedWord word : mnemonic_words()) {
        std::string text = head;
        for (; word >> 56 != ' ' && word != 0; word <<= 8)
            text += static_cast<char>(word >> 56);
        const auto entropy = mnemonic_entropy(secret(text));
        if (entropy)
            ++accepted;
        else
            ASSERT_EQ(entropy.error().code, Code::InvalidField);
    }
    EXPECT_EQ(accepted, 128);
}

TEST(Mnemonic, has_one_spelling) {
    const std::string good(kZeros);
    ASSERT_TRUE(mnemonic_entropy(secret(good)));
    const auto with = [&](std::string_view from, std::string_view to) {
        std::string text = good;
        text.replace(text.find(from), from.size(), to);
        return text;
    };
    for (const std::string& bad : {std::string(),
                                   std::string(" "),
                                   std::string(11, ' '),
                                   " " + good,
                                   good + " ",
                                   good + "\n",
                                   good + std::string(1, '\0'),
                                   with("abandon", "abando"),
                                   with("abandon", "Abandon"),
                                   with("abandon", "abandonx"),
                                   with("abandon", "abandonabandon"),
                                   with("abandon ", "abandon  "),
                                   with("abandon ", "abandon\t"),
                                   with("abandon ", ""),
                                   with("about", "abandon"),
                                   with("about", "aboot"),
                                   with("about", std::string_view("about\0", 6)),
                                   with("about", "about   "),
                                   with("abandon", "aband\xc3\xb3n"),
                                   with("about", ""),
                                   good + " " + good}) {
        const auto entropy = mnemonic_entropy(secret(bad));
        ASSERT_FALSE(entropy) << bad;
        EXPECT_EQ(entropy.error().code, Code::InvalidField) << bad;
        EXPECT_FALSE(mnemonic_seed(secret(bad), Secret())) << bad;
    }
}

TEST(Mnemonic, an_error_says_which_word_and_never_the_word) {
    std::string text(kDevelopment);
    text.replace(text.find("test"), 4, "tset");
    const auto error = mnemonic_entropy(secret(text)).error();
    EXPECT_EQ(error.context, "word 1");
    EXPECT_EQ(error.describe().find("tset"), std::string::npos);
}

TEST(Mnemonic, counts_words_as_bip_39_does) {
    for (std::size_t words = 1; words <= 48; ++words) {
        std::string text = "abandon";
        for (std::size_t i = 1; i < words; ++i)
            text += " abandon";
        const auto error = mnemonic_entropy(secret(text)).error();
        const bool counted = words == 12 || words == 15 || words == 18 || words == 21 || words == 24;
        EXPECT_EQ(error.text.view().find("checksum") != std::string_view::npos, counted) << words;
    }
}

TEST(Mnemonic, passphrases_are_printable_ascii_and_bounded) {
    const Secret words = secret(kDevelopment);
    EXPECT_TRUE(mnemonic_seed(words, secret(" ~!\"'\\")));
    EXPECT_TRUE(mnemonic_seed(words, secret(std::string(kMaxPassphrase, 'x'))));
    for (const std::string& bad :
         {std::string("caf\xc3\xa9"), std::string("line\n"), std::string("tab\t"), std::string(1, '\0'),
          std::string("\x7f"), std::string("\xff"), std::string(kMaxPassphrase + 1, 'x')}) {
        const auto seed = mnemonic_seed(words, secret(bad));
        ASSERT_FALSE(seed) << bad;
        EXPECT_EQ(seed.error().code, Code::InvalidField);
    }
}

} // namespace
} // namespace redoubt::wallet
