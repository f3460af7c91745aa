// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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

TEST(Hmac, is_openssls_for_keys_and_data_around_a_block) {
    for (std::size_t size = 0; size < 140; ++size) {
        Bytes key(size), data(139 - size);
        for (std::size_t i = 0; i < size; ++i)
            key[i] = static_cast<std::uint8_t>(7 + 31 * i);
        for (std::size_t i = 0; i < data.size(); ++i)
            data[i] = static_cast<std::uint8_t>(17 * i);
        Hash32 expected;
        ASSERT_NE(HMAC(EVP_sha256(), size == 0 ? expected.data() : key.data(), static_cast<int>(size),
                       data.data(), data.size(), expected.data(), nullptr),
                  nullptr);
        EXPECT_EQ(hmac_sha256(key, data), expected) << size;
    }
}

TEST(Hmac, with_empty_key_and_data_does_not_reuse_an_earlier_key) {
    (void)hmac_sha256(Bytes(32, 0x77), as_bytes("x"));
    EXPECT_EQ(to_hex(hmac_sha256({}, {})),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(HmacSha512, gives_the_answers_of_rfc_4231) {
    const auto mac = [](ByteView key, std::initializer_list<ByteView> parts) {
        return to_hex(hmac_sha512(key, parts).view(SecretAccess("compare it in a test")));
    };
    EXPECT_EQ(mac(Bytes(20, 0x0b), {as_bytes("Hi There")}),
              "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
              "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
    EXPECT_EQ(mac(as_bytes("Jefe"), {as_bytes("what do ya want "), {}, as_bytes("for nothing?")}),
              "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
              "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
    EXPECT_EQ(mac(Bytes(131, 0xaa), {as_bytes("Test Using Larger Than Block-Size Key - Hash Key First")}),
              "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
              "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
    EXPECT_EQ(mac({}, {}), "b936cee86c9f87aa5d3c6f2e84cb5a4239a5fe50480a6ec66b70ab5b1f4ac673"
                           "0c6c515421b327ec1d69402e53dfb49ad7381eb067b338fd7b0cb22247225d47");
}

TEST(Pbkdf2Sha512, gives_the_answers_of_other_implementations) {
    const auto derived = [](std::string_view password, std::string_view salt, std::uint32_t rounds,
                            std::size_t size) {
        return to_hex(pbkdf2_sha512(as_bytes(password), as_bytes(salt), rounds, size)
                          .view(SecretAccess("compare it in a test")));
    };
    EXPECT_EQ(derived("password", "salt", 1, 64),
              "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252"
              "c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce");
    EXPECT_EQ(derived("password", "salt", 2, 64),
              "e1d9c16aa681708a45f5c7c4e215ceb66e011a2e9f0040713f18aefdb866d53c"
              "f76cab2868a39b9f7840edce4fef5a82be67335c77a6068e04112754f27ccf4e");
    EXPECT_EQ(derived("passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096, 32),
              "8c0511f4c6e597c6ac6315d8f0362e225f3c501495ba23b868c005174dc4ee71");
    EXPECT_EQ(derived("", "salt", 1, 20), "00ef42cdbfc98d29db20976608e455567fdddf14");
    EXPECT_EQ(derived("password", "", 1, 20), "ae16ce6dfd4a6a0c20421ff80eb3ba4acc13bd1d");
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
