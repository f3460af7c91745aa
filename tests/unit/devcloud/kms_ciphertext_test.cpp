// SPDX-License-Identifier: Apache-2.0
#include "devcloud/kms_ciphertext.h"

#include <gtest/gtest.h>

namespace redoubt::devcloud {
namespace {

const CiphertextNames kNames = {"0f0e0d0c-0b0a-4908-8706-050403020100", std::string(64, '7')};
const EncryptionContext kContext = {{"redoubt:vault", "v1"}};

class KmsCiphertext : public ::testing::Test {
  protected:
    crypto::SystemRandom random_;
    Secret material_ = random_.secret(32);
    Bytes blob_ = seal_ciphertext(material_, kNames, kContext, as_bytes("plaintext"), random_);
};

TEST_F(KmsCiphertext, opens_what_was_sealed) {
    const auto plaintext = open_ciphertext(material_, blob_, kContext);
    ASSERT_TRUE(plaintext);
    EXPECT_EQ(plaintext->text(SecretAccess("compare in a test")), "plaintext");
}

TEST_F(KmsCiphertext, has_the_length_and_beginning_of_awss) {
    EXPECT_EQ(blob_.size(), 9 + kCiphertextOverhead);
    EXPECT_TRUE(to_base64(blob_).starts_with("AQICAHg"));
}

TEST_F(KmsCiphertext, names_its_key_and_material) {
    const auto names = read_ciphertext_names(blob_);
    ASSERT_TRUE(names);
    EXPECT_EQ(names->key_id, kNames.key_id);
    EXPECT_EQ(names->material_id, kNames.material_id);
}

TEST_F(KmsCiphertext, refuses_every_altered_bit) {
    for (std::size_t i = 0; i < blob_.size(); ++i)
        for (int bit = 0; bit < 8; ++bit) {
            auto altered = blob_;
            altered[i] = static_cast<std::uint8_t>(altered[i] ^ (1u << bit));
            ASSERT_FALSE(open_ciphertext(material_, altered, kContext)) << "byte " << i << " bit " << bit;
        }
}

TEST_F(KmsCiphertext, refuses_every_other_length) {
    for (std::size_t size = 0; size < blob_.size(); ++size)
        ASSERT_FALSE(open_ciphertext(material_, ByteView(blob_).first(size), kContext)) << size;
    auto longer = blob_;
    longer.push_back(0);
    EXPECT_FALSE(open_ciphertext(material_, longer, kContext));
}

TEST_F(KmsCiphertext, refuses_another_context) {
    const EncryptionContext others[] = {
        {},
        {{"redoubt:vault", "v2"}},
        {{"redoubt:Vault", "v1"}},
        {{"redoubt:vault", "v1"}, {"more", ""}},
        {{"redoubt:vaultv1", ""}}, // the same bytes, split elsewhere
        {{"redoubt:vaul", "tv1"}},
    };
    for (const auto& other : others)
        EXPECT_FALSE(open_ciphertext(material_, blob_, other));
}

TEST_F(KmsCiphertext, refuses_another_material) {
    EXPECT_FALSE(open_ciphertext(random_.secret(32), blob_, kContext));
}

TEST_F(KmsCiphertext, never_repeats) {
    EXPECT_NE(seal_ciphertext(material_, kNames, kContext, as_bytes("plaintext"), random_), blob_);
}

} // namespace
} // namespace redoubt::devcloud
