// SPDX-License-Identifier: Apache-2.0
#include "wallet/password_kdf.h"

#include <gtest/gtest.h>

namespace redoubt::wallet {
namespace {

std::string hex(const Secret& value) {
    return to_hex(value.view(SecretAccess("compare it in a test")));
}

std::string hex(const Result<Secret>& value) {
    return value ? hex(*value) : value.error().describe();
}

struct Known {
    std::string_view password, salt;
    ScryptCost cost;
    std::string_view key;
};

// RFC 7914, 12, but for the last of its four, which needs 1 GiB.
constexpr Known kKnown[] = {
    {"",
     "",
     {16, 1, 1},
     "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
     "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
    {"password",
     "NaCl",
     {1024, 8, 16},
     "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
     "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
    {"pleaseletmein",
     "SodiumChloride",
     {16384, 8, 1},
     "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
     "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
};

TEST(PasswordKdf, pbkdf2_gives_the_keys_that_rfc_7914_publishes) {
    EXPECT_EQ(hex(pbkdf2_sha256(as_bytes("passwd"), as_bytes("salt"), 1, 64)),
              "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
              "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
    EXPECT_EQ(hex(pbkdf2_sha256(as_bytes("Password"), as_bytes("NaCl"), 80000, 64)),
              "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
              "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
}

TEST(PasswordKdf, scrypt_gives_the_keys_that_rfc_7914_publishes) {
    for (const auto& known : kKnown) {
        EXPECT_EQ(hex(scrypt(as_bytes(known.password), as_bytes(known.salt), known.cost, 64)), known.key);
    }
}

TEST(PasswordKdf, scrypt_costs_are_bounded) {
    for (const ScryptCost good : {ScryptCost{2, 1, 1}, {1 << 20, 8, 16}, {1 << 18, 32, 1}, {1 << 15, 1, 1}})
        EXPECT_TRUE(is_valid(good)) << good.n << " " << good.r << " " << good.p;
    for (const ScryptCost bad : {ScryptCost{},
                                 {1, 1, 1},
                                 {3, 1, 1},
                                 {1000, 8, 1},
                                 {1 << 21, 1, 1},
                                 {1u << 31, 1, 1},
                                 {2, 0, 1},
                                 {2, 33, 1},
                                 {2, 1, 0},
                                 {2, 1, 17},
                                 {1 << 16, 1, 1}, // RFC 7914: n is below 2^(16 r)
                                 {1 << 20, 9, 1},
                                 {1 << 19, 17, 1},
                                 {UINT32_MAX, UINT32_MAX, UINT32_MAX}}) {
        EXPECT_FALSE(is_valid(bad)) << bad.n << " " << bad.r << " " << bad.p;
        const auto refused = scrypt({}, {}, bad, 32);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::InvalidField);
    }
}

} // namespace
} // namespace redoubt::wallet
