// SPDX-License-Identifier: Apache-2.0
#include "crypto/ed25519.h"

#include "crypto/owner_signature.h"
#include "seeded_random.h"

#include <gtest/gtest.h>

namespace redoubt::crypto {
namespace {

Ed25519Key key_of(std::string_view seed) {
    Bytes bytes = from_hex(seed).value();
    return Ed25519Key::from_seed(Secret::take(bytes));
}

// RFC 8032, section 7.1.
struct Vector {
    std::string_view seed, public_key, message, signature;
};
constexpr Vector kVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
};

TEST(Ed25519, keys_and_signatures_are_those_of_rfc_8032) {
    for (const auto& vector : kVectors) {
        const auto key = key_of(vector.seed);
        EXPECT_EQ(to_hex(key.public_key()), vector.public_key);
        EXPECT_EQ(to_hex(key.sign(from_hex(vector.message).value())), vector.signature);
    }
}

TEST(Ed25519, a_drawn_key_signs_what_its_public_key_verifies_and_nothing_else) {
    SeededRandom random(1);
    auto key = Ed25519Key::generate(random);
    const auto other = Ed25519Key::generate(random);
    EXPECT_NE(key.public_key(), other.public_key());
    const Bytes message = random.bytes(200);
    auto signature = key.sign(message);
    EXPECT_EQ(signature, key.sign(message));
    EXPECT_TRUE(verify_ed25519(key.public_key(), message, signature));
    EXPECT_FALSE(verify_ed25519(other.public_key(), message, signature));
    EXPECT_FALSE(verify_ed25519(key.public_key(), random.bytes(200), signature));
    signature[5] ^= 1;
    EXPECT_FALSE(verify_ed25519(key.public_key(), message, signature));
}

TEST(Ed25519, a_key_signs_as_before_where_it_was_moved_to) {
    SeededRandom random(2);
    auto first = Ed25519Key::generate(random);
    const auto public_key = first.public_key();
    auto second = std::move(first);
    auto third = Ed25519Key::generate(random);
    third = std::move(second);
    EXPECT_EQ(third.public_key(), public_key);
    EXPECT_TRUE(verify_ed25519(public_key, as_bytes("x"), third.sign(as_bytes("x"))));
}

} // namespace
} // namespace redoubt::crypto
