// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

namespace redoubt::crypto {
namespace {

Bytes hex(std::string_view text) {
    const auto bytes = from_hex(text);
    EXPECT_TRUE(bytes) << text;
    return bytes.value_or(Bytes{});
}

std::string hkdf(ByteView key, ByteView salt, ByteView info, std::size_t size) {
    return to_hex(hkdf_sha256(key, salt, info, size).view(SecretAccess("compare it in a test")));
}

TEST(Sha2, gives_the_answers_of_fips_180) {
    EXPECT_EQ(to_hex(sha256(as_bytes(""))),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(to_hex(sha384(as_bytes("abc"))),
              "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
              "8086072ba1e7cc2358baeca134c825a7");
    EXPECT_EQ(to_hex(sha384(as_bytes(""))), "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
                                            "274edebfe76f65fbd51ad2f14898b95b");
}

TEST(Sha2, of_parts_is_that_of_their_concatenation) {
    EXPECT_EQ(sha256({as_bytes("a"), {}, as_bytes("bc")}), sha256(as_bytes("abc")));
    EXPECT_EQ(sha384({as_bytes("ab"), as_bytes("c"), {}}), sha384(as_bytes("abc")));
    EXPECT_NE(sha256({as_bytes("abc"), as_bytes("c")}), sha256(as_bytes("abc")));
}

TEST(Hmac, gives_the_answers_of_rfc_4231) {
    struct Case {
        Bytes key, data;
        std::string_view mac;
    };
    const Case cases[] = {
        {Bytes(20, 0x0b), to_bytes("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {to_bytes("Jefe"), to_bytes("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {Bytes(20, 0xaa), Bytes(50, 0xdd),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), Bytes(50, 0xcd),
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {Bytes(131, 0xaa), to_bytes("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {Bytes(131, 0xaa),
         to_bytes("This is a test using a larger than block-size key and a larger than block-size data. The "
                  "key needs "
                  "to be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (const auto& [key, data, mac] : cases)
        EXPECT_EQ(to_hex(hmac_sha256(key, data)), mac);
}

TEST(Hmac, with_empty_key_and_data_does_not_reuse_an_earlier_key) {
    (void)hmac_sha256(Bytes(32, 0x77), as_bytes("x"));
    EXPECT_EQ(to_hex(hmac_sha256({}, {})),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hkdf, gives_the_answers_of_rfc_5869) {
    EXPECT_EQ(hkdf(Bytes(22, 0x0b), hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"), 42),
              "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    Bytes key(80), salt(80), info(80);
    for (std::size_t i = 0; i < 80; ++i) {
        key[i] = static_cast<std::uint8_t>(i);
        salt[i] = static_cast<std::uint8_t>(0x60 + i);
        info[i] = static_cast<std::uint8_t>(0xb0 + i);
    }
    EXPECT_EQ(hkdf(key, salt, info, 82), "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c590"
                                         "45a99cac7827271cb41c65e590e09da3275600c2f"
                                         "09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
    EXPECT_EQ(hkdf(Bytes(22, 0x0b), {}, {}, 42),
              "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hkdf, a_shorter_output_is_a_prefix_of_a_longer_one) {
    const Bytes key(32, 1);
    const std::string longest = hkdf(key, as_bytes("salt"), as_bytes("info"), 255 * 32);
    EXPECT_EQ(longest.size(), 2u * 255 * 32);
    for (const std::size_t size : {std::size_t{1}, std::size_t{31}, std::size_t{32}, std::size_t{33},
                                   std::size_t{64}, std::size_t{1000}})
        EXPECT_EQ(hkdf(key, as_bytes("salt"), as_bytes("info"), size), longest.substr(0, 2 * size));
    EXPECT_EQ(hkdf(key, as_bytes("salt"), as_bytes("info"), 0), "");
}

TEST(Hkdf, every_input_matters) {
    const auto base = hkdf(Bytes(32, 1), as_bytes("salt"), as_bytes("info"), 32);
    EXPECT_NE(hkdf(Bytes(32, 2), as_bytes("salt"), as_bytes("info"), 32), base);
    EXPECT_NE(hkdf(Bytes(32, 1), as_bytes("Salt"), as_bytes("info"), 32), base);
    EXPECT_NE(hkdf(Bytes(32, 1), as_bytes("salt"), as_bytes("infO"), 32), base);
    EXPECT_NE(hkdf(Bytes(32, 1), as_bytes("salti"), as_bytes("nfo"), 32), base);
}

} // namespace
} // namespace redoubt::crypto
