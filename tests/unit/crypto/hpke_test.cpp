// SPDX-License-Identifier: Apache-2.0
#include "crypto/hpke.h"

#include <gtest/gtest.h>

namespace redoubt::crypto {
namespace {

Secret secret_of(std::string_view hex) {
    return Secret::copy_of(*from_hex(hex));
}

std::string text_of(const Secret& secret) {
    return std::string(secret.text(SecretAccess("compare it in a test")));
}

struct Sealed {
    Secret private_key;
    HpkeMessage message;
};

Sealed seal(std::string_view plaintext) {
    SystemRandom random;
    Sealed out;
    out.private_key = random.secret(32);
    auto message = hpke_seal(*x25519_public(out.private_key), as_bytes("info"), as_bytes("aad"),
                             Secret::copy_of(as_bytes(plaintext)), random);
    EXPECT_TRUE(message);
    out.message = std::move(*message);
    return out;
}

TEST(Hpke, opens_what_another_implementation_sealed) {
    // Made with npm's @hpke/core 1.9.0: X25519, HKDF-SHA256, AES-256-GCM; info "info", aad "aad".
    const Secret key = secret_of("49421f1cb1aa6fee62041a75ae4c34c6abaad4fb67ae8b57e9364d3ea23ba5c0");
    EXPECT_EQ(to_hex(*x25519_public(key)),
              "90059823b6ae9d8087054bcf2af6745d110e44e68061829485778d268834753b");
    HpkeMessage message;
    ASSERT_TRUE(from_hex_exact("b01be3cef4ab93e14967fc81bddbb610569711400206c824a571da988c53706a",
                               message.encapsulated));
    message.ciphertext = *from_hex("49059fe227e2a0ef7d0d6023cb10a346288e1ccd286108c2");
    const auto opened = hpke_open(key, message, as_bytes("info"), as_bytes("aad"));
    ASSERT_TRUE(opened) << opened.error().describe();
    EXPECT_EQ(text_of(*opened), "a secret");
    EXPECT_FALSE(x25519_public(Secret(31)));
}

TEST(Hpke, what_is_sealed_opens_with_the_same_info_and_aad_alone) {
    const Sealed sealed = seal("a secret");
    const auto opened = hpke_open(sealed.private_key, sealed.message, as_bytes("info"), as_bytes("aad"));
    ASSERT_TRUE(opened) << opened.error().describe();
    EXPECT_EQ(text_of(*opened), "a secret");
    EXPECT_FALSE(hpke_open(sealed.private_key, sealed.message, as_bytes("Info"), as_bytes("aad")));
    EXPECT_FALSE(hpke_open(sealed.private_key, sealed.message, as_bytes("info"), as_bytes("")));
    EXPECT_FALSE(hpke_open(SystemRandom().secret(32), sealed.message, as_bytes("info"), as_bytes("aad")));
    EXPECT_FALSE(hpke_open(Secret(31), sealed.message, as_bytes("info"), as_bytes("aad")));
}

TEST(Hpke, no_altered_byte_opens) {
    const Sealed sealed = seal("32 bytes of a private key, or so");
    const auto opens = [&](const HpkeMessage& message) {
        return hpke_open(sealed.private_key, message, as_bytes("info"), as_bytes("aad")).has_value();
    };
    for (std::size_t at = 0; at < 32; ++at) {
        HpkeMessage altered = sealed.message;
        altered.encapsulated[at] ^= 1;
        EXPECT_FALSE(opens(altered)) << at;
    }
    for (std::size_t at = 0; at < sealed.message.ciphertext.size(); ++at) {
        HpkeMessage altered = sealed.message;
        altered.ciphertext[at] ^= 1;
        EXPECT_FALSE(opens(altered)) << at;
    }
    HpkeMessage shorter = sealed.message;
    shorter.ciphertext.pop_back();
    EXPECT_FALSE(opens(shorter));
    shorter.ciphertext.clear();
    EXPECT_FALSE(opens(shorter));
}

TEST(Hpke, points_of_small_order_are_refused) {
    SystemRandom random;
    const Secret plaintext = Secret::copy_of(as_bytes("x"));
    X25519Public zero{}, one{};
    one[0] = 1;
    for (const X25519Public& point : {zero, one}) {
        EXPECT_FALSE(hpke_seal(point, {}, {}, plaintext, random));
        EXPECT_FALSE(hpke_open(random.secret(32), {point, Bytes(32)}, {}, {}));
    }
}

} // namespace
} // namespace redoubt::crypto
