// SPDX-License-Identifier: Apache-2.0
#include "crypto/recipient_key.h"

#include "crypto/openssl.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

namespace redoubt::crypto {
namespace {

const RecipientKey& key() {
    static const RecipientKey instance = [] {
        auto made = RecipientKey::generate();
        return std::move(*made);
    }();
    return instance;
}

Bytes pkcs8_of(EVP_PKEY* pkey) {
    const Pkcs8 info(EVP_PKEY2PKCS8(pkey));
    std::uint8_t* der = nullptr;
    const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &der);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
}

Bytes public_of(EVP_PKEY* pkey) {
    std::uint8_t* der = nullptr;
    const int size = i2d_PUBKEY(pkey, &der);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
}

Pkey rsa(std::size_t bits) {
    return Pkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits));
}

Bytes opened(const Result<Secret>& result) {
    EXPECT_TRUE(result);
    return result ? to_bytes(result->view(SecretAccess("compare it in a test"))) : Bytes{};
}

TEST(RecipientKey, has_a_public_key_of_the_size_that_kms_is_sent) {
    EXPECT_EQ(key().public_der().size(), 294u); // SubjectPublicKeyInfo of RSA-2048 with exponent 65537
    EXPECT_EQ(key().public_der()[0], 0x30);
}

TEST(RecipientKey, is_new_each_time) {
    const auto other = RecipientKey::generate();
    ASSERT_TRUE(other);
    EXPECT_NE(other->public_der(), key().public_der());
}

TEST(RecipientKey, opens_what_is_encrypted_to_it) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{32}, std::size_t{190}}) {
        const Bytes plaintext(size, 0x5a);
        const auto ciphertext = encrypt_oaep(key().public_der(), plaintext);
        ASSERT_TRUE(ciphertext) << size;
        EXPECT_EQ(ciphertext->size(), 256u);
        EXPECT_EQ(opened(key().decrypt_oaep(*ciphertext)), plaintext);
    }
}

TEST(RecipientKey, refuses_other_ciphertexts_with_one_sentence) {
    const auto ciphertext = *encrypt_oaep(key().public_der(), Bytes(32, 1));
    std::vector<Bytes> wrong = {Bytes{}, Bytes(255), Bytes(257), Bytes(256), Bytes(256, 0xff)};
    for (std::size_t i = 0; i < 256; i += 5) {
        wrong.push_back(ciphertext);
        wrong.back()[i] ^= 1;
    }
    wrong.push_back(*encrypt_oaep(RecipientKey::generate()->public_der(), Bytes(32, 1)));
    std::string_view sentence;
    for (const Bytes& bytes : wrong) {
        const auto result = key().decrypt_oaep(bytes);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Code::KmsReplyInvalid);
        if (sentence.empty())
            sentence = result.error().text.view();
        EXPECT_EQ(result.error().text.view(), sentence);
    }
    EXPECT_EQ(ERR_peek_error(), 0u) << "a stale error would confuse TLS code in the same thread";
}

TEST(RecipientKey, refuses_oaep_with_sha1) {
    const std::uint8_t* at = key().public_der().data();
    const Pkey pkey(d2i_PUBKEY(nullptr, &at, static_cast<long>(key().public_der().size())));
    const auto encrypted = [&](const EVP_MD* hash, const EVP_MD* mask) {
        const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, pkey.get(), nullptr));
        EXPECT_EQ(EVP_PKEY_encrypt_init(context.get()), 1);
        EXPECT_EQ(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING), 1);
        EXPECT_EQ(EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), hash), 1);
        EXPECT_EQ(EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), mask), 1);
        Bytes out(256);
        std::size_t size = out.size();
        const Bytes plaintext(32, 7);
        EXPECT_EQ(EVP_PKEY_encrypt(context.get(), out.data(), &size, plaintext.data(), plaintext.size()), 1);
        return out;
    };
    EXPECT_TRUE(key().decrypt_oaep(encrypted(EVP_sha256(), EVP_sha256())));
    EXPECT_FALSE(key().decrypt_oaep(encrypted(EVP_sha1(), EVP_sha1())));
    EXPECT_FALSE(key().decrypt_oaep(encrypted(EVP_sha256(), EVP_sha1())));
    EXPECT_FALSE(key().decrypt_oaep(encrypted(EVP_sha1(), EVP_sha256())));
}

TEST(RecipientKey, loads_pkcs8) {
    const Pkey pkey = rsa(2048);
    const auto loaded = RecipientKey::from_pkcs8(pkcs8_of(pkey.get()));
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->public_der(), public_of(pkey.get()));
    EXPECT_EQ(opened(loaded->decrypt_oaep(*encrypt_oaep(loaded->public_der(), Bytes{1, 2, 3}))),
              (Bytes{1, 2, 3}));
}

TEST(RecipientKey, refuses_what_is_not_one_rsa_2048_key_in_pkcs8) {
    const Pkey pkey = rsa(2048);
    const Bytes der = pkcs8_of(pkey.get());
    Bytes longer = der;
    longer.push_back(0);
    const Pkey p256(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    const Pkey pss = [] {
        EVP_PKEY* made = nullptr;
        const PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
        EVP_PKEY_keygen_init(context.get());
        EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048);
        EVP_PKEY_keygen(context.get(), &made);
        return Pkey(made);
    }();
    const Bytes wrong[] = {
        {},
        {0x30},
        longer,
        Bytes(der.begin(), der.end() - 1),
        pkcs8_of(rsa(1024).get()),
        pkcs8_of(rsa(3072).get()),
        pkcs8_of(p256.get()),
        pkcs8_of(pss.get()),
        key().public_der(),
        Bytes(5000, 0x30),
    };
    for (const Bytes& bytes : wrong) {
        const auto result = RecipientKey::from_pkcs8(bytes);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Code::KeyInvalid);
    }
    EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(RecipientKey, moves) {
    auto first = std::move(*RecipientKey::generate());
    const Bytes public_der = first.public_der();
    const auto ciphertext = *encrypt_oaep(public_der, Bytes{9});
    RecipientKey second = std::move(first);
    EXPECT_EQ(second.public_der(), public_der);
    auto third = std::move(*RecipientKey::generate());
    third = std::move(second);
    RecipientKey& same = third;
    third = std::move(same);
    EXPECT_EQ(opened(third.decrypt_oaep(ciphertext)), Bytes{9});
}

TEST(EncryptOaep, refuses_other_keys_and_too_much_plaintext) {
    Bytes longer = key().public_der();
    longer.push_back(0);
    const Pkey p256(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    const Bytes wrong[] = {{},
                           {1, 2, 3},
                           longer,
                           Bytes(key().public_der().begin(), key().public_der().end() - 1),
                           public_of(rsa(1024).get()),
                           public_of(rsa(3072).get()),
                           public_of(p256.get())};
    for (const Bytes& bytes : wrong) {
        const auto result = encrypt_oaep(bytes, Bytes(32));
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Code::InvalidField);
    }
    const auto too_long = encrypt_oaep(key().public_der(), Bytes(191));
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().code, Code::InvalidField);
    EXPECT_EQ(ERR_peek_error(), 0u);
}

} // namespace
} // namespace redoubt::crypto
