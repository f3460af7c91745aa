// SPDX-License-Identifier: Apache-2.0
#include "wallet/keystore.h"

#include <gtest/gtest.h>

namespace redoubt::wallet {
namespace {

constexpr SecretAccess kCompare("compare it in a test");

Secret secret(std::string_view text) {
    return Secret::copy_of(as_bytes(text));
}

std::string key_of(const Result<KeystoreKey>& opened) {
    return opened ? to_hex(opened->key.view(kCompare)) : opened.error().describe();
}

// `text` with its only `from` replaced.
std::string with(std::string text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    EXPECT_EQ(text.find(from, at + 1), std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// The two examples of the Web3 Secret Storage definition: password "testpassword".
constexpr std::string_view kPublishedSecret =
    "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

const std::string kPbkdf2 =
    R"({"version":3,"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","crypto":{)"
    R"("kdf":"pbkdf2","kdfparams":{"prf":"hmac-sha256","c":262144,"dklen":32,"salt":)"
    R"("ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},)"
    R"("cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},)"
    R"("ciphertext":)"
    R"("5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",)"
    R"("mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"}})";

const std::string kScrypt =
    R"({"version":3,"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","crypto":{)"
    R"("kdf":"scrypt","kdfparams":{"n":262144,"r":1,"p":8,"dklen":32,"salt":)"
    R"("ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},)"
    R"("cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},)"
    R"("ciphertext":)"
    R"("d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",)"
    R"("mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"}})";

// Cheap ones, by other hands: ethers 6, the second with what it adds for a mnemonic and with no password; and
// Node.js's OpenSSL, with the counter at its end, so that it wraps around between the two blocks.
const std::string kEthers =
    R"({"address":"2c7536e3605d9c16a7a3d7b1898e529396a65c23","id":"423c0fd3-7606-431a-8da2-0fd4cb2477c5",)"
    R"("version":3,"Crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"7a9d18a08b4a14274a12550ad3f3bab2"},)"
    R"("ciphertext":"515cca303efddd4990d55a0a19a67e47114fe074098cc95142f59b2f284487ea","kdf":"scrypt",)"
    R"("kdfparams":{"salt":"18834964a850f7c52c76c111dbc51baa2d46358138713b2554733484e47af1f1","n":1024,)"
    R"("dklen":32,"p":1,"r":8},"mac":"e67a431254b0a41a304d869e1640c1e05d2b7cfda3764d7a987d572a2ac85a6b"}})";
const std::string kEthersMnemonic =
    R"({"address":"f39fd6e51aad88f6f4ce6ab8827279cfffb92266","id":"9e841326-2cc1-46b8-9d44-39c987a3895b",)"
    R"("version":3,"Crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"b3075887d58d8bcaad31ecee0d4e6748"},)"
    R"("ciphertext":"dd6fcb03e2e596059ffe6987376f7d9823dc1d96266556b78022694c165dc67b","kdf":"scrypt",)"
    R"("kdfparams":{"salt":"ce86546581398327960c73794ed660f762a499ba3cfa74db380fffc659f186b3","n":256,)"
    R"("dklen":32,"p":2,"r":1},"mac":"7f1ff86c64d198da605f86a188d693a9ded1ed3e685f88c38ef11a980ee66010"},)"
    R"("x-ethers":{"client":"ethers/6.17.0","path":"m/44'/60'/0'/0/0","locale":"en",)"
    R"("mnemonicCounter":"d6a1a03e6bacd97df32589c3deb13c46",)"
    R"("mnemonicCiphertext":"e604b59dba6384710f6126f13213af13","version":"0.1"}})";
const std::string kNode =
    R"({"version":3,"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"ffffffffffffffffffffffffffffffff"},)"
    R"("ciphertext":"5e3d66af0b21c6cafc854348a4859a4ebcb10f854b059c5fbe022dc8c38476c5","kdf":"pbkdf2",)"
    R"("kdfparams":{"prf":"hmac-sha256","c":1,"dklen":32,"salt":"00"},)"
    R"("mac":"0fbdd3fbf95320e42d8d15587c412f342c8523a17ecda13fffc3f434b653ddc6"}})";
constexpr std::string_view kNodePassword{"caf\xc3\xa9\0x", 7};
constexpr std::string_view kCheapSecret = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";

TEST(Keystore, opens_the_published_file_and_refuses_the_one_that_breaks_scrypts_own_rule) {
    EXPECT_EQ(key_of(open_keystore(kPbkdf2, secret("testpassword"))), kPublishedSecret);
    // r = 1 with n = 2^18: RFC 7914 demands n < 2^(16 r), and OpenSSL with it.
    const auto refused = open_keystore(kScrypt, secret("testpassword"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::InvalidField);
    EXPECT_NE(refused.error().text.view().find("2^(16 r)"), std::string_view::npos);
}

TEST(Keystore, opens_what_others_write) {
    const auto ethers = open_keystore(kEthers, secret("correct horse"));
    EXPECT_EQ(key_of(ethers), kCheapSecret);
    ASSERT_TRUE(ethers && ethers->address);
    EXPECT_EQ(to_hex(*ethers->address), "2c7536e3605d9c16a7a3d7b1898e529396a65c23");
    EXPECT_EQ(key_of(open_keystore(kEthersMnemonic, Secret())),
              "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    const auto node = open_keystore(kNode, secret(kNodePassword));
    EXPECT_EQ(key_of(node), kCheapSecret);
    ASSERT_TRUE(node);
    EXPECT_FALSE(node->address);
}

TEST(Keystore, a_wrong_password_is_told_from_a_malformed_file) {
    for (const std::string_view wrong :
         {std::string_view(), std::string_view("caf\xc3\xa9"), std::string_view("caf\xc3\xa9\0X", 7),
          std::string_view("cafe\xcc\x81\0x", 8)}) {
        const auto opened = open_keystore(kNode, secret(wrong));
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, Code::Unauthorized);
    }
    const auto malformed =
        open_keystore(with(kNode, R"("salt":"00")", R"("salt":"0")"), secret(kNodePassword));
    ASSERT_FALSE(malformed);
    EXPECT_EQ(malformed.error().code, Code::InvalidField);
}

TEST(Keystore, any_other_bit_of_what_the_mac_covers_is_noticed) {
    const auto good = parse_keystore(kNode);
    ASSERT_TRUE(good);
    for (std::size_t bit = 0; bit < 256; ++bit) {
        Keystore other = *good;
        other.ciphertext[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        EXPECT_FALSE(decrypt_keystore(other, secret(kNodePassword))) << bit;
        other = *good;
        other.mac[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        EXPECT_FALSE(decrypt_keystore(other, secret(kNodePassword))) << bit;
    }
    Keystore other = *good;
    other.salt.push_back(0);
    EXPECT_FALSE(decrypt_keystore(other, secret(kNodePassword)));
}

// The format's own limit: the counter block is not authenticated, and another one gives another key.
TEST(Keystore, the_address_tells_what_the_mac_does_not_cover) {
    auto other = parse_keystore(kEthers);
    ASSERT_TRUE(other);
    other->iv[15] ^= 1;
    const auto opened = decrypt_keystore(*other, secret("correct horse"));
    ASSERT_TRUE(opened);
    EXPECT_NE(key_of(opened), kCheapSecret);
}

TEST(Keystore, passwords_are_bounded) {
    const std::string longest(kMaxKeystorePassword, 'x');
    const auto wrong = open_keystore(kNode, secret(longest));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, Code::Unauthorized);
    const auto refused = open_keystore(kNode, secret(longest + "x"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::InvalidField);
}

TEST(Keystore, reads_every_spelling_of_the_same_file_alike) {
    const auto plain = parse_keystore(kEthers);
    ASSERT_TRUE(plain);
    EXPECT_EQ(std::get<ScryptCost>(plain->kdf), (ScryptCost{1024, 8, 1}));
    for (const std::string& same :
         {with(kEthers, "Crypto", "crypto"), with(kEthers, R"("2c7536e3605d)", R"("0x2C7536E3605D)"),
          with(kEthers, R"("7a9d18a0)", R"("0x7A9D18a0)"), with(kEthers, R"("515cca30)", R"("0x515CCA30)"),
          with(kEthers, R"("18834964a850)", R"("0x18834964A850)"), with(kEthers, R"("e67a)", R"("0xE67A)"),
          with(kEthers, R"("id":"423c0fd3-7606-431a-8da2-0fd4cb2477c5",)", ""),
          with(kEthers, R"("version")", R"("name":"mine","meta":"{}","x":{"crypto":[null,1.5]},"version")"),
          with(kEthers, R"("version":3,)", "\r\n\"\\u0076ersion\"\t: 3 ,")}) {
        const auto other = parse_keystore(same);
        ASSERT_TRUE(other) << same << other.error().describe();
        EXPECT_EQ(*other, *plain) << same;
    }
    EXPECT_EQ(std::get<Pbkdf2Cost>(parse_keystore(kPbkdf2)->kdf), Pbkdf2Cost{262144});
}

TEST(Keystore, takes_parameters_up_to_their_bounds) {
    const auto scrypt_file = [](std::string_view n, std::string_view r, std::string_view p) {
        std::string text = with(kScrypt, "262144", n);
        text = with(text, R"("r":1)", R"("r":)" + std::string(r));
        return with(text, R"("p":8)", R"("p":)" + std::string(p));
    };
    EXPECT_TRUE(parse_keystore(scrypt_file("2", "1", "1")));
    EXPECT_TRUE(parse_keystore(scrypt_file("1048576", "8", "16")));
    EXPECT_TRUE(parse_keystore(scrypt_file("262144", "32", "1")));
    for (const auto& bad :
         {scrypt_file("1", "1", "1"), scrypt_file("0", "1", "1"), scrypt_file("262143", "1", "1"),
          scrypt_file("2097152", "1", "1"), scrypt_file("4294967298", "1", "1"), scrypt_file("2", "0", "1"),
          scrypt_file("2", "33", "1"), scrypt_file("2", "1", "0"), scrypt_file("2", "1", "17"),
          scrypt_file("1048576", "9", "1"), scrypt_file("65536", "1", "1")})
        EXPECT_FALSE(parse_keystore(bad)) << bad;

    EXPECT_TRUE(parse_keystore(with(kPbkdf2, "262144", "10000000")));
    EXPECT_TRUE(parse_keystore(with(kPbkdf2, "262144", "1")));
    const auto salted = [](std::size_t bytes) {
        return with(kNode, R"("salt":"00")", R"("salt":")" + std::string(2 * bytes, 'f') + '"');
    };
    EXPECT_TRUE(parse_keystore(salted(kMaxKeystoreSalt)));
    EXPECT_FALSE(parse_keystore(salted(kMaxKeystoreSalt + 1)));
    EXPECT_FALSE(parse_keystore(salted(0)));

    const std::string fill(kMaxKeystore - kNode.size(), ' ');
    EXPECT_TRUE(parse_keystore(kNode + fill));
    EXPECT_FALSE(parse_keystore(kNode + fill + " "));
}

TEST(Keystore, everything_else_is_refused_and_the_sentence_names_it) {
    const std::string_view address = R"("address":"2c7536e3605d9c16a7a3d7b1898e529396a65c23")";
    const struct {
        std::string text;
        std::string_view named; // in the sentence
    } bad[] = {
        {"", "JSON"},
        {"null", "JSON"},
        {"[" + kEthers + "]", "JSON"},
        {kEthers + "x", "JSON"},
        {kEthers + kEthers, "JSON"},
        {kEthers.substr(0, kEthers.size() - 1), "JSON"},
        {"\xef\xbb\xbf" + kEthers, "JSON"},
        {with(kEthers, R"("version":3)", R"("version":3,"version":3)"), "JSON"},
        {with(kEthers, R"("n":1024)", R"("n":1024,"n":1024)"), "JSON"},
        {"{}", "version"},
        {with(kEthers, R"("version":3,)", ""), "version"},
        {with(kEthers, R"("version":3)", R"("version":1)"), "version"},
        {with(kEthers, R"("version":3)", R"("version":4)"), "version"},
        {with(kEthers, R"("version":3)", R"("version":"3")"), "version"},
        {with(kEthers, R"("version":3)", R"("version":3.0)"), "version"},
        {with(kEthers, R"("version":3)", R"("version":03)"), "JSON"},
        {with(kEthers, R"("version":3)", R"("version":4294967299)"), "version"},
        {with(kEthers, R"("version":3)", R"("version":3,"Version":3)"), "lower case"},
        {with(kEthers, R"("address")", R"("Address")"), "lower case"},
        {with(kEthers, R"("address")", R"("address":"2c7536e3605d9c16a7a3d7b1898e529396a65c23","ADDRESS")"),
         "lower case"},
        {with(kEthers, "Crypto", "CRYPTO"), "lower case"},
        {with(kEthers, R"("Crypto")", R"("crypto":{},"Crypto")"), "crypto and Crypto"},
        {with(kEthers, R"("Crypto")", R"("encrypted")"), "crypto is missing"},
        {R"({"version":3,"crypto":null})", "crypto must"},
        {R"({"version":3,"crypto":[]})", "crypto must"},
        {R"({"version":3,"crypto":{}})", "cipher"},
        {with(kEthers, R"("kdf":)", R"("comment":"","kdf":)"), "crypto must"},
        {with(kEthers, "aes-128-ctr", "aes-128-cbc"), "cipher"},
        {with(kEthers, "aes-128-ctr", "AES-128-CTR"), "cipher"},
        {with(kEthers, R"("cipher":"aes-128-ctr",)", ""), "cipher"},
        {with(kEthers, R"({"iv":"7a9d18a08b4a14274a12550ad3f3bab2"})", "{}"), "cipherparams"},
        {with(kEthers, R"({"iv":"7a9d18a08b4a14274a12550ad3f3bab2"})", "null"), "cipherparams"},
        {with(kEthers, R"("cipherparams":{"iv":"7a9d18a08b4a14274a12550ad3f3bab2"},)", ""), "cipherparams"},
        {with(kEthers, R"({"iv")", R"({"counter":0,"iv")"), "cipherparams"},
        {with(kEthers, "7a9d18a0", "7a9d18"), "iv"},
        {with(kEthers, "7a9d18a0", "7a9d18a000"), "iv"},
        {with(kEthers, "7a9d18a0", "7a9d18g0"), "iv"},
        {with(kEthers, R"("7a9d18a08b4a14274a12550ad3f3bab2")", "7"), "iv"},
        {with(kEthers, "7a9d18a0", "0X7a9d18a0"), "iv"},
        {with(kEthers, "7a9d18a0", "0x0x7a9d18a0"), "iv"},
        {with(kEthers, "515cca30", ""), "ciphertext"},
        {with(kEthers, "515cca30", "515cca30515cca30"), "ciphertext"},
        {with(kEthers, "515cca30", "515cca3"), "ciphertext"},
        {with(kEthers, "515cca30", " 515cca3"), "ciphertext"},
        {with(kEthers, "ciphertext", "ciphertexts"), "crypto must"},
        {with(kEthers, R"("mac":"e67a)", R"("mac":"e6)"), "mac"},
        {with(kEthers, R"("mac":"e67a)", R"("mac":"e6 a)"), "mac"},
        {with(kEthers, R"("kdf":"scrypt",)", ""), "kdf"},
        {with(kEthers, R"("kdf":"scrypt")", R"("kdf":"argon2id")"), "kdf"},
        {with(kEthers, R"("kdf":"scrypt")", R"("kdf":["scrypt"])"), "kdf"},
        {with(kEthers, R"("kdf":"scrypt")", R"("kdf":"pbkdf2")"), "kdfparams of pbkdf2"},
        {with(kPbkdf2, R"("kdf":"pbkdf2")", R"("kdf":"scrypt")"), "kdfparams of scrypt"},
        {with(kEthers, R"("kdfparams")", R"("kdfParams")"), "crypto must"},
        {with(kEthers, R"("p":1)", R"("p":1,"c":1)"), "kdfparams of scrypt"},
        {with(kEthers, R"("p":1,)", ""), "scrypt takes"},
        {with(kEthers, R"("n":1024)", R"("n":"1024")"), "scrypt takes"},
        {with(kEthers, R"("n":1024)", R"("n":1024.0)"), "scrypt takes"},
        {with(kEthers, R"("n":1024)", R"("n":1.024e3)"), "scrypt takes"},
        {with(kEthers, R"("n":1024)", R"("n":-1024)"), "scrypt takes"},
        {with(kEthers, R"("dklen":32)", R"("dklen":64)"), "dklen"},
        {with(kEthers, R"("dklen":32)", R"("dklen":"32")"), "dklen"},
        {with(kEthers, R"("dklen":32,)", ""), "dklen"},
        {with(kEthers, "18834964a850", "18834964a85"), "salt"},
        {with(kEthers, "18834964a850", "18834964a85z"), "salt"},
        {with(kNode, R"("salt":"00")", R"("salt":"0x")"), "salt"},
        {with(kNode, R"("salt":"00")", R"("salt":0)"), "salt"},
        {with(kNode, R"(,"salt":"00")", ""), "salt"},
        {with(kNode, "hmac-sha256", "hmac-sha512"), "prf"},
        {with(kNode, R"("prf":"hmac-sha256",)", ""), "prf"},
        {with(kNode, R"("c":1)", R"("c":0)"), "kdfparams.c"},
        {with(kNode, R"("c":1)", R"("c":10000001)"), "kdfparams.c"},
        {with(kNode, R"("c":1)", R"("c":4294967297)"), "kdfparams.c"},
        {with(kNode, R"("c":1,)", ""), "kdfparams.c"},
        {with(kEthers, address, R"("address":null)"), "address"},
        {with(kEthers, address, R"("address":"")"), "address"},
        {with(kEthers, address, R"("address":"0x")"), "address"},
        {with(kEthers, "2c7536e3", "2c7536e"), "address"},
        {with(kEthers, "2c7536e3", "2c7536e3ff"), "address"},
        {with(kEthers, "2c7536e3", "2c7536x3"), "address"},
    };
    for (const auto& [text, named] : bad) {
        const auto keystore = parse_keystore(text);
        ASSERT_FALSE(keystore) << text;
        EXPECT_EQ(keystore.error().code, Code::InvalidField) << text;
        EXPECT_NE(keystore.error().text.view().find(named), std::string_view::npos)
            << text << "\n"
            << keystore.error().describe();
    }
}

TEST(Keystore, nesting_beside_what_is_read_is_bounded) {
    const auto nested = [](std::size_t depth) {
        return with(kNode, R"("version":3)",
                    R"("version":3,"x":)" + std::string(depth, '[') + std::string(depth, ']'));
    };
    EXPECT_TRUE(parse_keystore(nested(15)));
    EXPECT_FALSE(parse_keystore(nested(16)));
}

TEST(Keystore, an_error_has_nothing_of_the_file_or_the_password) {
    const auto wrong = open_keystore(kEthers, secret("wrong password"));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().context, "");
    const auto cut = parse_keystore(kEthers.substr(0, 300));
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().describe().find("515cca"), std::string::npos);
}

} // namespace
} // namespace redoubt::wallet
