// SPDX-License-Identifier: Apache-2.0
// Trezor's mnemonics, which BIP-39 names as its test vectors, and ethers'.
#include "support.h"
#include "wallet/mnemonic.h"

namespace redoubt::crypto {
namespace {

Secret secret_of(std::string_view text) {
    return Secret::copy_of(as_bytes(text));
}

std::string words_of(const Result<Secret>& mnemonic) {
    return mnemonic ? std::string(mnemonic->text(SecretAccess("compare it in a test")))
                    : mnemonic.error().describe();
}

TEST(Bip39Vectors, every_english_mnemonic_of_trezor_is_reproduced) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "bip39/trezor-python-mnemonic/vectors.json");
    std::size_t english = 0;
    std::size_t refused = 0;
    for (const json::Value language : file.root()) {
        for (const json::Value test : language) {
            std::vector<std::string> fields; // entropy, mnemonic, seed, root key
            for (const json::Value field : test)
                fields.emplace_back(field.text());
            ASSERT_EQ(fields.size(), 4u);
            if (language.name() != "english") {
                // Other word lists are not supported, and none of their mnemonics is taken for an English
                // one.
                EXPECT_FALSE(wallet::mnemonic_entropy(secret_of(fields[1]))) << fields[1];
                ++refused;
                continue;
            }
            EXPECT_EQ(words_of(wallet::mnemonic_of_entropy(secret_of_hex(fields[0]))), fields[1]);
            EXPECT_EQ(hex_of(wallet::mnemonic_entropy(secret_of(fields[1]))), fields[0]);
            const auto seed = wallet::mnemonic_seed(secret_of(fields[1]), secret_of("TREZOR"));
            ASSERT_TRUE(seed) << seed.error().describe();
            EXPECT_EQ(hex_of(seed->clone()), fields[2]);
            EXPECT_EQ(xprv_of(derive_extended_key(curve(), *seed, {})), fields[3]);
            ++english;
        }
    }
    EXPECT_EQ(english, 24u);
    EXPECT_EQ(refused, 264u);
    std::cout << "bip39 (Trezor): " << english << " English mnemonics, seeds and root keys; " << refused
              << " in 11 other languages refused\n";
}

TEST(Bip39Vectors, every_mnemonic_and_node_of_ethers_is_reproduced) {
    REDOUBT_NEED_VECTORS(vectors);
    const VectorFile file(vectors / "ethereum/ethers/mnemonics.json.gz");
    std::size_t english = 0;
    std::size_t refused = 0;
    std::size_t seeds = 0;
    std::size_t nodes = 0;
    for (const json::Value test : file.root()) {
        const Bytes phrase = bytes_of(text_of(test, "phrase"));
        const Bytes password = bytes_of(text_of(test, "password"));
        const std::string seed_hex = text_of(test, "seed").substr(2);
        if (text_of(test, "locale") == "en") {
            EXPECT_EQ(hex_of(wallet::mnemonic_entropy(Secret::copy_of(phrase))),
                      text_of(test, "entropy").substr(2));
            EXPECT_EQ(words_of(wallet::mnemonic_of_entropy(secret_of_hex(text_of(test, "entropy")))),
                      as_text(phrase));
            EXPECT_EQ(hex_of(wallet::mnemonic_seed(Secret::copy_of(phrase), Secret::copy_of(password))),
                      seed_hex);
            ++english;
        } else {
            EXPECT_FALSE(wallet::mnemonic_entropy(Secret::copy_of(phrase))) << as_text(phrase);
            ++refused;
        }
        // The seed of any phrase that is written in NFKD, by PBKDF2 alone: ten of the file's are not.
        Bytes salt = to_bytes("mnemonic");
        append(salt, password);
        if (hex_of(pbkdf2_sha512(phrase, salt, 2048, 64)) == seed_hex)
            ++seeds;

        const Secret seed = secret_of_hex(seed_hex);
        const auto list = test.get("nodes");
        ASSERT_TRUE(list);
        for (const json::Value node : *list) {
            const auto path = parse_hd_path(text_of(node, "path"));
            ASSERT_TRUE(path) << text_of(node, "path");
            EXPECT_EQ(hd_path_text(*path), text_of(node, "path"));
            EXPECT_EQ("0x" + hex_of(derive_hd_key(curve(), seed, *path)), text_of(node, "privateKey"));
            const auto extended = derive_extended_key(curve(), seed, *path);
            EXPECT_EQ(xprv_of(extended), text_of(node, "xpriv"));
            EXPECT_EQ(xpub_of(extended), text_of(node, "xpub"));
            ++nodes;
        }
    }
    EXPECT_EQ(english, 10u);
    EXPECT_EQ(refused, 90u);
    EXPECT_EQ(seeds, 90u);
    EXPECT_EQ(nodes, 600u);
    std::cout << "ethers mnemonics: " << english << " English ones; " << refused
              << " in 9 other word lists refused; " << seeds << " seeds by PBKDF2; " << nodes
              << " nodes with key, xprv and xpub\n";
}

} // namespace
} // namespace redoubt::crypto
