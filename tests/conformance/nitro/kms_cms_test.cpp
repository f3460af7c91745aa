// SPDX-License-Identifier: Apache-2.0
// Real CiphertextForRecipient blobs, and published test keys for three of them.
#include "crypto/cms.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "support/vectors.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace redoubt::crypto {
namespace {

using nlohmann::json;

struct Vector {
    json facts;
    Bytes blob;

    Bytes bytes(const char* name) const {
        const auto out = from_hex(facts.at(name).get<std::string>());
        EXPECT_TRUE(out) << name;
        return out.value_or(Bytes{});
    }
    bool decryptable() const { return facts.contains("recipient_key_pkcs8_der_hex"); }
    std::string name() const { return facts.at("file"); }
};

std::vector<Vector> load(const std::filesystem::path& folder) {
    std::vector<Vector> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".json")
            continue;
        Vector vector;
        vector.facts = json::parse(tests::read_file(entry.path()));
        vector.blob = to_bytes(tests::read_file(folder / vector.name()));
        out.push_back(std::move(vector));
    }
    return out;
}

std::optional<Bytes> opened(const RecipientKey& key, ByteView blob) {
    const auto result = open_enveloped_data(key, blob);
    if (!result)
        return std::nullopt;
    return to_bytes(result->view(SecretAccess("compare it in a test")));
}

TEST(KmsCms, every_real_blob_parses_to_its_stated_parts) {
    REDOUBT_NEED_VECTORS(folder);
    const auto vectors = load(folder / "kms-cms");
    EXPECT_EQ(vectors.size(), 5u);
    for (const Vector& vector : vectors) {
        const auto parsed = parse_enveloped_data(vector.blob);
        ASSERT_TRUE(parsed) << vector.name() << ": " << parsed.error().describe();
        EXPECT_EQ(to_bytes(parsed->key_identifier), vector.bytes("subject_key_identifier")) << vector.name();
        EXPECT_EQ(to_bytes(parsed->encrypted_key), vector.bytes("encrypted_key")) << vector.name();
        EXPECT_EQ(to_bytes(parsed->iv), vector.bytes("iv")) << vector.name();
        EXPECT_EQ(parsed->content, vector.bytes("ciphertext")) << vector.name();
    }
}

TEST(KmsCms, blobs_with_a_published_key_decrypt_to_the_stated_plaintext) {
    REDOUBT_NEED_VECTORS(folder);
    std::size_t count = 0;
    for (const Vector& vector : load(folder / "kms-cms")) {
        if (!vector.decryptable())
            continue;
        ++count;
        const auto key = RecipientKey::from_pkcs8(vector.bytes("recipient_key_pkcs8_der_hex"));
        ASSERT_TRUE(key) << vector.name();
        EXPECT_EQ(to_bytes(sha256(key->public_der())), vector.bytes("subject_key_identifier"))
            << vector.name();
        const auto content_key = key->decrypt_oaep(vector.bytes("encrypted_key"));
        ASSERT_TRUE(content_key) << vector.name();
        EXPECT_TRUE(equal_secrets(*content_key, Secret::copy_of(vector.bytes("cek")))) << vector.name();
        EXPECT_EQ(opened(*key, vector.blob), vector.bytes("plaintext")) << vector.name();
    }
    EXPECT_EQ(count, 3u);
}

TEST(KmsCms, a_blob_opens_with_its_own_key_only) {
    REDOUBT_NEED_VECTORS(folder);
    const auto vectors = load(folder / "kms-cms");
    for (const Vector& owner : vectors) {
        if (!owner.decryptable())
            continue;
        const auto key = RecipientKey::from_pkcs8(owner.bytes("recipient_key_pkcs8_der_hex"));
        ASSERT_TRUE(key);
        for (const Vector& vector : vectors)
            EXPECT_EQ(opened(*key, vector.blob).has_value(), vector.name() == owner.name()) << vector.name();
    }
}

TEST(KmsCms, every_altered_structural_byte_and_truncation_of_a_real_blob_is_refused) {
    REDOUBT_NEED_VECTORS(folder);
    for (const Vector& vector : load(folder / "kms-cms")) {
        const auto parsed = parse_enveloped_data(vector.blob);
        ASSERT_TRUE(parsed) << vector.name();
        // Everything that carries no ciphertext, found by value: the content is the last part before zeros.
        std::vector<bool> structure(vector.blob.size(), true);
        const auto mark = [&](const Bytes& part) {
            const auto found = std::search(vector.blob.begin(), vector.blob.end(), part.begin(), part.end());
            ASSERT_NE(found, vector.blob.end()) << vector.name();
            const auto at = found - vector.blob.begin();
            std::fill_n(structure.begin() + at, part.size(), false);
        };
        for (const char* name : {"subject_key_identifier", "encrypted_key", "iv", "ciphertext"})
            mark(vector.bytes(name));
        for (std::size_t at = 0; at < vector.blob.size(); ++at) {
            ASSERT_FALSE(parse_enveloped_data(ByteView(vector.blob).first(at)))
                << vector.name() << " cut at " << at;
            if (!structure[at])
                continue;
            Bytes altered = vector.blob;
            for (unsigned difference = 1; difference < 256; ++difference) {
                altered[at] = static_cast<std::uint8_t>(vector.blob[at] ^ difference);
                ASSERT_FALSE(parse_enveloped_data(altered))
                    << vector.name() << " byte " << at << " ^ " << difference;
            }
        }
    }
}

TEST(KmsCms, what_is_made_here_differs_from_a_real_blob_in_its_random_parts_only) {
    REDOUBT_NEED_VECTORS(folder);
    for (const Vector& vector : load(folder / "kms-cms")) {
        if (!vector.decryptable())
            continue;
        const auto key = RecipientKey::from_pkcs8(vector.bytes("recipient_key_pkcs8_der_hex"));
        ASSERT_TRUE(key);
        SystemRandom random;
        const auto made = make_enveloped_data(key->public_der(), vector.bytes("plaintext"), random);
        ASSERT_TRUE(made);
        ASSERT_EQ(made->size(), vector.blob.size()) << vector.name();
        Bytes as_real = *made;
        const auto mine = parse_enveloped_data(*made);
        const auto real = parse_enveloped_data(vector.blob);
        ASSERT_TRUE(mine && real);
        const auto put = [&](ByteView part, ByteView replacement) {
            const auto at = part.data() - made->data();
            std::copy(replacement.begin(), replacement.end(), as_real.begin() + at);
        };
        put(mine->encrypted_key, real->encrypted_key);
        put(mine->iv, real->iv);
        const auto content =
            std::search(as_real.begin(), as_real.end(), mine->content.begin(), mine->content.end());
        ASSERT_NE(content, as_real.end());
        std::copy(real->content.begin(), real->content.end(), content);
        EXPECT_EQ(as_real, vector.blob) << vector.name();
    }
}

} // namespace
} // namespace redoubt::crypto
