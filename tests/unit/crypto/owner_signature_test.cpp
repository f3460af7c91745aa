// SPDX-License-Identifier: Apache-2.0
#include "crypto/owner_signature.h"

#include "crypto/openssl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <gtest/gtest.h>

namespace redoubt::crypto {
namespace {

// Every call must leave the error queue empty: TLS code reads it.
bool ed25519(ByteView key, ByteView message, ByteView signature) {
    const bool out = verify_ed25519(key, message, to_array<64>(signature).value());
    EXPECT_EQ(ERR_peek_error(), 0u);
    return out;
}

bool p256(ByteView key, ByteView message, ByteView signature) {
    const bool out = verify_p256(key, message, to_array<64>(signature).value());
    EXPECT_EQ(ERR_peek_error(), 0u);
    return out;
}

Bytes hex(std::string_view text) {
    return from_hex(text).value();
}

struct Vector {
    Bytes key, message, signature;
};

// RFC 8032, section 7.1: TEST 1 to TEST 3.
std::vector<Vector> ed25519_vectors() {
    return {
        {hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
         {},
         hex("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
             "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")},
        {hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
         {0x72},
         hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
             "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")},
        {hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"),
         {0xaf, 0x82},
         hex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
             "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")},
    };
}

// RFC 6979, section A.2.5: P-256 with SHA-256, "sample" and "test".
std::vector<Vector> p256_vectors() {
    const Bytes key = hex("04"
                          "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
                          "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299");
    return {
        {key, to_bytes("sample"),
         hex("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
             "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8")},
        {key, to_bytes("test"),
         hex("F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"
             "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083")},
    };
}

using Verify = bool (*)(ByteView, ByteView, ByteView);

void refuses_what_is_changed(const std::vector<Vector>& vectors, Verify verify) {
    for (const auto& [key, message, signature] : vectors) {
        EXPECT_TRUE(verify(key, message, signature)) << to_hex(signature);
        for (std::size_t i = 0; i < signature.size(); ++i) {
            for (const std::uint8_t change : ByteArray<3>{0x01, 0x80, 0xff}) {
                Bytes changed = signature;
                changed[i] ^= change;
                EXPECT_FALSE(verify(key, message, changed)) << i;
            }
        }
        Bytes longer = message;
        longer.push_back(0);
        EXPECT_FALSE(verify(key, longer, signature));
        for (std::size_t i = 0; i < key.size(); ++i) {
            Bytes changed = key;
            changed[i] ^= 0x01;
            EXPECT_FALSE(verify(changed, message, signature)) << i;
        }
        for (const std::size_t size : {0u, 1u, 31u, 32u, 33u, 64u, 65u, 66u}) {
            if (size == key.size())
                continue;
            Bytes resized = key;
            resized.resize(size);
            EXPECT_FALSE(verify(resized, message, signature)) << size;
        }
        EXPECT_FALSE(verify(key, message, Bytes(64)));
        EXPECT_FALSE(verify(key, message, Bytes(64, 0xff)));
    }
}

TEST(OwnerSignature, the_published_ed25519_signatures_verify_and_nothing_else_does) {
    refuses_what_is_changed(ed25519_vectors(), ed25519);
}

TEST(OwnerSignature, the_published_p256_signatures_verify_and_nothing_else_does) {
    refuses_what_is_changed(p256_vectors(), p256);
}

TEST(OwnerSignature, another_owners_key_does_not_verify) {
    const auto of_ed25519 = ed25519_vectors();
    EXPECT_FALSE(ed25519(of_ed25519[1].key, of_ed25519[0].message, of_ed25519[0].signature));
    const auto of_p256 = p256_vectors();
    EXPECT_FALSE(p256(of_p256[0].key, of_p256[1].message, of_p256[0].signature));
    // The generator of P-256 (SEC 2, section 2.4.2): a key on the curve, of nobody here.
    const Bytes generator = hex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                                "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
    EXPECT_FALSE(p256(generator, of_p256[0].message, of_p256[0].signature));
}

// s + L, the order of Ed25519's group, satisfies the equation of signatures as well; RFC 8032, 5.1.7 refuses
// it.
TEST(OwnerSignature, an_ed25519_signature_has_one_s) {
    const auto vector = ed25519_vectors()[1];
    const Bytes order =
        hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"); // little-endian
    Bytes changed = vector.signature;
    unsigned carry = 0;
    for (std::size_t i = 0; i < 32; ++i) {
        carry += unsigned{changed[32 + i]} + order[i];
        changed[32 + i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
    ASSERT_EQ(carry, 0u);
    EXPECT_FALSE(ed25519(vector.key, vector.message, changed));
}

TEST(OwnerSignature, p256_r_and_s_must_be_between_one_and_the_order_less_one) {
    const auto vector = p256_vectors()[0];
    const Bytes zero(32), ones(32, 0xff);
    const Bytes order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for (const Bytes& bad : {zero, order, ones}) {
        Bytes r = vector.signature, s = vector.signature;
        std::copy(bad.begin(), bad.end(), r.begin());
        std::copy(bad.begin(), bad.end(), s.begin() + 32);
        EXPECT_FALSE(p256(vector.key, vector.message, r));
        EXPECT_FALSE(p256(vector.key, vector.message, s));
    }
    // s + n is congruent to s: of the signature "test", whose s is small, it still fits 32 bytes.
    const auto small = p256_vectors()[1];
    Bytes changed = small.signature;
    unsigned carry = 0;
    for (std::size_t i = 32; i-- > 0;) {
        carry += unsigned{changed[32 + i]} + order[i];
        changed[32 + i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
    EXPECT_FALSE(p256(small.key, small.message, changed));
}

TEST(OwnerSignature, p256_keys_are_points_on_the_curve_in_uncompressed_form) {
    const auto vector = p256_vectors()[0];
    for (const std::uint8_t form : ByteArray<6>{0x00, 0x02, 0x03, 0x05, 0x06, 0x07}) {
        Bytes key = vector.key;
        key[0] = form;
        EXPECT_FALSE(p256(key, vector.message, vector.signature)) << int{form};
        EXPECT_FALSE(valid_p256_point(key)) << int{form};
    }
    EXPECT_TRUE(valid_p256_point(vector.key));
    const Bytes compressed = hex("0360FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6");
    EXPECT_FALSE(p256(compressed, vector.message, vector.signature));
    const Bytes infinity(1), origin = [] {
        Bytes out(65);
        out[0] = 4;
        return out;
    }();
    EXPECT_FALSE(p256(infinity, vector.message, vector.signature));
    EXPECT_FALSE(p256(origin, vector.message, vector.signature));
    for (const Bytes& point : {compressed, infinity, origin, Bytes()})
        EXPECT_FALSE(valid_p256_point(point));
    // A coordinate that is not below the field's prime.
    Bytes large = vector.key;
    std::fill(large.begin() + 1, large.begin() + 33, std::uint8_t{0xff});
    EXPECT_FALSE(p256(large, vector.message, vector.signature));
    EXPECT_FALSE(valid_p256_point(large));
}

Secret secret_of(std::string_view text) {
    return Secret::copy_of(as_bytes(text));
}

template<class Write>
std::string pem_by(Write write) {
    const std::unique_ptr<BIO, Releaser<BIO_free_all>> bio(BIO_new(BIO_s_mem()));
    EXPECT_EQ(write(bio.get()), 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

std::string pkcs8(const Pkey& key) {
    return pem_by([&](BIO* bio) {
        return PEM_write_bio_PKCS8PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
}

std::string block(std::string_view label, std::string_view der_hex) {
    return "-----BEGIN " + std::string(label) + "-----\n" + to_base64(hex(der_hex)) + "\n-----END " +
           std::string(label) + "-----\n";
}

Pkey new_ed25519() {
    return Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}
Pkey new_p256() {
    return Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

// A thread keeps the last keys ready for the next signature.
TEST(OwnerSignature, p256_keys_that_take_turns_are_not_taken_for_each_other) {
    const auto vector = p256_vectors()[0];
    Bytes off_curve = vector.key;
    off_curve[1] ^= 1;
    Bytes short_key(vector.key.begin() + 1, vector.key.end());
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(p256(vector.key, vector.message, vector.signature));
        EXPECT_FALSE(p256(off_curve, vector.message, vector.signature));
        EXPECT_FALSE(p256(short_key, vector.message, vector.signature));
    }
    // More keys than are kept.
    std::vector<std::pair<PersonalSignature, Bytes>> made;
    for (int i = 0; i < 200; ++i) {
        const Bytes message = to_bytes("message " + std::to_string(i));
        made.emplace_back(*sign_with_pem(secret_of(pkcs8(new_p256())), message), message);
    }
    for (const auto& [signature, message] : made)
        EXPECT_TRUE(verify_p256(signature.public_key, message, signature.signature));
    for (std::size_t i = 1; i < made.size(); ++i)
        EXPECT_FALSE(verify_p256(made[i - 1].first.public_key, made[i].second, made[i].first.signature));
}

Code refusal(std::string_view pem) {
    const auto made = sign_with_pem(secret_of(pem), as_bytes("message"));
    EXPECT_EQ(ERR_peek_error(), 0u);
    EXPECT_FALSE(made);
    return made ? Code::Internal : made.error().code;
}

TEST(SignWithPem, what_an_ed25519_key_signs_verifies) {
    for (int i = 0; i < 4; ++i) {
        const auto made = sign_with_pem(secret_of(pkcs8(new_ed25519())), as_bytes("message"));
        ASSERT_TRUE(made) << made.error().describe();
        EXPECT_TRUE(made->ed25519);
        EXPECT_EQ(made->public_key.size(), 32u);
        EXPECT_TRUE(ed25519(made->public_key, as_bytes("message"), made->signature));
        EXPECT_FALSE(ed25519(made->public_key, as_bytes("massage"), made->signature));
        EXPECT_FALSE(p256(made->public_key, as_bytes("message"), made->signature));
    }
}

TEST(SignWithPem, what_a_p256_key_signs_verifies) {
    for (int i = 0; i < 32; ++i) { // r and s of fewer bytes come up, too
        const auto made = sign_with_pem(secret_of(pkcs8(new_p256())), as_bytes("message"));
        ASSERT_TRUE(made) << made.error().describe();
        EXPECT_FALSE(made->ed25519);
        ASSERT_EQ(made->public_key.size(), 65u);
        EXPECT_EQ(made->public_key[0], 4);
        EXPECT_TRUE(p256(made->public_key, as_bytes("message"), made->signature));
        EXPECT_FALSE(p256(made->public_key, as_bytes("massage"), made->signature));
    }
}

TEST(SignWithPem, the_published_ed25519_key_makes_the_published_signature) {
    const auto vector = ed25519_vectors()[1];
    const auto made = sign_with_pem(
        secret_of(block("PRIVATE KEY", "302e020100300506032b657004220420" // RFC 8410, section 7
                                       "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")),
        vector.message);
    ASSERT_TRUE(made) << made.error().describe();
    EXPECT_EQ(made->public_key, vector.key);
    EXPECT_EQ(to_hex(made->signature), to_hex(vector.signature));
}

// RFC 6979's key as PKCS #8 of the private number alone, and with a public key beside it.
std::string p256_pem(std::string_view public_bits) {
    const std::string key = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
    const std::string algorithm = "301306072a8648ce3d020106082a8648ce3d030107";
    const auto element = [](std::string_view tag, const std::string& contents) {
        const std::uint8_t size = static_cast<std::uint8_t>(contents.size() / 2);
        return std::string(tag) + (size >= 0x80 ? "81" : "") + to_hex(ByteView(&size, 1)) + contents;
    };
    std::string ec = "020101" + element("04", key);
    if (!public_bits.empty())
        ec += element("a1", element("03", "00" + std::string(public_bits)));
    return block("PRIVATE KEY", element("30", "020100" + algorithm + element("04", element("30", ec))));
}

TEST(SignWithPem, a_p256_public_key_is_found_in_every_form_of_the_file) {
    const auto vector = p256_vectors()[0];
    const std::string point = to_hex(vector.key);
    for (const std::string& bits : {std::string(), point, "03" + point.substr(2, 64)}) {
        const auto made = sign_with_pem(secret_of(p256_pem(bits)), as_bytes("message"));
        ASSERT_TRUE(made) << bits << made.error().describe();
        EXPECT_EQ(made->public_key, vector.key);
        EXPECT_TRUE(p256(vector.key, as_bytes("message"), made->signature));
    }
}

TEST(SignWithPem, refuses_a_private_key_beside_another_ones_public_key) {
    EXPECT_EQ(refusal(p256_pem("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                               "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")),
              Code::KeyInvalid);
}

TEST(SignWithPem, refuses_encrypted_keys_without_asking_anybody) {
    const Pkey key = new_ed25519();
    char password[] = "password";
    EXPECT_EQ(refusal(pem_by([&](BIO* bio) {
                  return PEM_write_bio_PKCS8PrivateKey(bio, key.get(), EVP_aes_256_cbc(), password, 8,
                                                       nullptr, nullptr);
              })),
              Code::KeyInvalid);
    // RFC 1421's headers, which OpenSSL would ask a password for.
    std::string headed = pkcs8(key);
    headed.insert(headed.find('\n') + 1, "Proc-Type: 4,ENCRYPTED\nDEK-Info: "
                                         "AES-256-CBC,000102030405060708090A0B0C0D0E0F\n\n");
    EXPECT_EQ(refusal(headed), Code::KeyInvalid);
}

TEST(SignWithPem, refuses_keys_of_other_kinds) {
    EXPECT_EQ(refusal(pkcs8(Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})))),
              Code::KeyInvalid);
    for (const char* curve : {"secp256k1", "P-384", "brainpoolP256r1"})
        EXPECT_EQ(refusal(pkcs8(Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve)))), Code::KeyInvalid)
            << curve;
    for (const char* kind : {"X25519", "ED448"})
        EXPECT_EQ(refusal(pkcs8(Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, kind)))), Code::KeyInvalid) << kind;
}

TEST(SignWithPem, refuses_what_is_no_private_key_in_pkcs8) {
    const Pkey key = new_p256();
    const std::string good = pkcs8(key);
    EXPECT_EQ(refusal(""), Code::KeyInvalid);
    EXPECT_EQ(refusal("no PEM"), Code::KeyInvalid);
    EXPECT_EQ(refusal(good.substr(0, good.size() / 2)), Code::KeyInvalid);
    EXPECT_EQ(refusal(pem_by([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key.get()); })),
              Code::KeyInvalid);
    EXPECT_EQ(refusal(pem_by([&](BIO* bio) { // SEC 1: BEGIN EC PRIVATE KEY
                  return PEM_write_bio_PrivateKey_traditional(bio, key.get(), nullptr, nullptr, 0, nullptr,
                                                              nullptr);
              })),
              Code::KeyInvalid);
    EXPECT_EQ(refusal(block("PRIVATE KEY", "302e020100")), Code::KeyInvalid);
    EXPECT_EQ(refusal(std::string(1 << 20, '\n') + good), Code::KeyInvalid);
}

} // namespace
} // namespace redoubt::crypto
