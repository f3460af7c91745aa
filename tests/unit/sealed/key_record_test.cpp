// SPDX-License-Identifier: Apache-2.0
#include "crypto/bip32.h"
#include "crypto/hash.h"
#include "sealed/vault_record.h"

#include <gtest/gtest.h>

namespace redoubt::sealed {
namespace {

struct Sealed {
    crypto::SystemRandom random;
    Secret vault_key = random.secret(32);
    Secret private_key = random.secret(32);
    KeyHead head;
    Bytes record;

    Sealed() {
        head.epoch = 3;
        head.vault = random.array<16>();
        head.id = random.array<16>();
        head.address = random.array<20>();
        head.policy_digest = random.array<32>();
        head.flags = kFlagExportable;
        head.created = 1'700'000'000'123;
        record = seal_key(vault_key, head, private_key, random);
    }
};

TEST(KeyRecord, opens_to_what_was_sealed) {
    Sealed s;
    const auto opened = open_key(s.vault_key, s.record);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->head, s.head);
    EXPECT_TRUE(equal_secrets(opened->private_key, s.private_key));
    EXPECT_EQ(*read_key_head(s.record), s.head);
}

TEST(KeyRecord, any_altered_bit_makes_it_undecryptable) {
    Sealed s;
    for (std::size_t i = 0; i < s.record.size(); ++i)
        for (int bit = 0; bit < 8; ++bit) {
            Bytes altered = s.record;
            altered[i] ^= static_cast<std::uint8_t>(1 << bit);
            const auto opened = open_key(s.vault_key, altered);
            ASSERT_FALSE(opened) << "byte " << i << " bit " << bit;
            ASSERT_EQ(opened.error().code, Code::RecordInvalid);
        }
}

TEST(KeyRecord, truncated_and_extended_records_are_refused) {
    Sealed s;
    for (std::size_t size = 0; size < s.record.size(); ++size)
        ASSERT_FALSE(open_key(s.vault_key, ByteView(s.record).first(size)));
    Bytes longer = s.record;
    longer.push_back(0);
    EXPECT_FALSE(open_key(s.vault_key, longer));
}

TEST(KeyRecord, another_vault_cannot_open_it) {
    Sealed s;
    const Secret other = s.random.secret(32);
    EXPECT_FALSE(open_key(other, s.record));
}

TEST(KeyRecord, heads_cannot_be_swapped_between_records) {
    Sealed a;
    Sealed b;
    // The ciphertext and salt of one under the head of the other, sealed in the same vault.
    b.record = seal_key(a.vault_key, b.head, b.private_key, b.random);
    constexpr std::size_t kTail = 32 + 48; // salt, ciphertext and tag
    Bytes mixed(a.record.begin(), a.record.end() - kTail);
    append(mixed, ByteView(b.record).last(kTail));
    EXPECT_TRUE(read_key_head(mixed));
    EXPECT_FALSE(open_key(a.vault_key, mixed));
}

TEST(KeyRecord, sealing_twice_gives_different_bytes) {
    Sealed s;
    EXPECT_NE(s.record, seal_key(s.vault_key, s.head, s.private_key, s.random));
}

TEST(KeyRecord, seeds_of_every_size_open_to_what_was_sealed) {
    Sealed s;
    s.head.algorithm = Algorithm::HdSecp256k1;
    s.head.flags = kFlagRawSigning;
    for (std::size_t size = crypto::kMinSeed; size <= crypto::kMaxSeed; ++size) {
        const Secret seed = s.random.secret(size);
        const Bytes record = seal_key(s.vault_key, s.head, seed, s.random);
        EXPECT_EQ(record.size(), 147 + size + 16);
        const auto opened = open_key(s.vault_key, record);
        ASSERT_TRUE(opened) << size;
        EXPECT_EQ(opened->head, s.head);
        EXPECT_TRUE(equal_secrets(opened->private_key, seed));
    }
}

TEST(KeyRecord, a_seed_and_a_key_are_not_taken_for_each_other) {
    constexpr std::size_t kAlgorithm = 4 + 2 + 4 + 8 + 16 + 16;
    Sealed s;
    ASSERT_EQ(s.record.at(kAlgorithm), 1);
    Bytes as_seed = s.record;
    as_seed[kAlgorithm] = 2; // 32 bytes are a seed's size, too: only the authentication tells them apart
    EXPECT_EQ(read_key_head(as_seed)->algorithm, Algorithm::HdSecp256k1);
    EXPECT_FALSE(open_key(s.vault_key, as_seed));
    for (const int unknown : {0, 3, 255}) {
        Bytes altered = s.record;
        altered[kAlgorithm] = static_cast<std::uint8_t>(unknown);
        EXPECT_FALSE(read_key_head(altered)) << unknown;
    }
}

TEST(KeyRecord, a_length_that_the_algorithm_does_not_have_is_refused) {
    Sealed s;
    s.head.algorithm = Algorithm::HdSecp256k1;
    Bytes record = seal_key(s.vault_key, s.head, s.random.secret(crypto::kMaxSeed), s.random);
    EXPECT_TRUE(read_key_head(record));
    record.push_back(0);
    EXPECT_FALSE(read_key_head(record));
    record.resize(147 + crypto::kMinSeed + 16);
    EXPECT_TRUE(read_key_head(record)); // a head alone cannot tell
    EXPECT_FALSE(open_key(s.vault_key, record));
    record.pop_back();
    EXPECT_FALSE(read_key_head(record));

    for (std::size_t size = 0; size <= 80; ++size) {
        EXPECT_EQ(valid_secret_size(Algorithm::Secp256k1, size), size == 32) << size;
        EXPECT_EQ(valid_secret_size(Algorithm::HdSecp256k1, size), size >= 16 && size <= 64) << size;
        EXPECT_FALSE(valid_secret_size(static_cast<Algorithm>(3), size));
    }
}

TEST(KeyRecord, what_could_never_be_opened_is_not_sealed) {
    Sealed s;
    EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.random.secret(31), s.random), "of a size");
    s.head.algorithm = Algorithm::HdSecp256k1;
    EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.random.secret(15), s.random), "of a size");
}

TEST(KeyRecord, unknown_flags_are_refused) {
    Sealed s;
    s.head.flags = kFlagExportable | kFlagRawSigning;
    EXPECT_EQ(open_key(s.vault_key, seal_key(s.vault_key, s.head, s.private_key, s.random))->head.flags, 3u);
    for (unsigned bit = 2; bit < 32; ++bit) {
        s.head.flags = 1u << bit;
        EXPECT_FALSE(read_key_head(seal_key(s.vault_key, s.head, s.private_key, s.random))) << bit;
    }
}

TEST(KeyRecord, ids_have_one_spelling) {
    Sealed s;
    const std::string text = key_id_text(s.head.id);
    EXPECT_EQ(parse_key_id(text), s.head.id);
    std::string upper = text;
    for (char& c : upper)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_FALSE(parse_key_id(upper));
    EXPECT_FALSE(parse_key_id(text + "0"));
    EXPECT_FALSE(parse_key_id(text.substr(4)));
    EXPECT_FALSE(parse_key_id(vault_id_text(s.head.vault)));
    EXPECT_EQ(parse_vault_id(vault_id_text(s.head.vault)), s.head.vault);
}

struct Vault {
    crypto::SystemRandom random;
    Secret key = random.secret(32);
    Secret data_key = random.secret(32);
    VaultRecord record;

    Vault() {
        record.epoch = 1;
        record.id = random.array<16>();
        record.created = 1'700'000'000'000;
        record.commitment = vault_commitment(key, record.id);
        record.wraps = {wrap_vault_key(key, data_key, record, "arn:aws:kms:eu-west-1:111122223333:key/a",
                                       {1, 2, 3}, random)};
    }
};

TEST(VaultRecord, encodes_decodes_and_unwraps) {
    Vault v;
    const auto decoded = decode_vault(encode_vault(v.record));
    ASSERT_TRUE(decoded);
    const auto key = unwrap_vault_key(*decoded, decoded->wraps[0], v.data_key);
    ASSERT_TRUE(key);
    EXPECT_TRUE(equal_secrets(*key, v.key));
}

TEST(VaultRecord, any_altered_byte_is_refused) {
    Vault v;
    const Bytes encoded = encode_vault(v.record);
    for (std::size_t i = 0; i < encoded.size(); ++i) {
        Bytes altered = encoded;
        altered[i] ^= 0x40;
        const auto decoded = decode_vault(altered);
        if (!decoded)
            continue;
        for (const auto& wrap : decoded->wraps)
            ASSERT_FALSE(unwrap_vault_key(*decoded, wrap, v.data_key)) << "byte " << i;
    }
}

TEST(VaultRecord, another_data_key_or_another_kms_key_does_not_unwrap) {
    Vault v;
    EXPECT_FALSE(unwrap_vault_key(v.record, v.record.wraps[0], v.random.secret(32)));
    EXPECT_FALSE(unwrap_vault_key(v.record, v.record.wraps[0], v.random.secret(16)));
    VaultWrap moved = v.record.wraps[0];
    moved.kms_key_arn = "arn:aws:kms:eu-west-1:444455556666:key/a";
    EXPECT_FALSE(unwrap_vault_key(v.record, moved, v.data_key));
    moved = v.record.wraps[0];
    moved.data_key_blob.push_back(4);
    EXPECT_FALSE(unwrap_vault_key(v.record, moved, v.data_key));
}

TEST(VaultRecord, the_commitment_names_key_and_id) {
    Vault v;
    EXPECT_NE(vault_commitment(v.key, v.random.array<16>()), v.record.commitment);
    EXPECT_NE(vault_commitment(v.random.secret(32), v.record.id), v.record.commitment);
    EXPECT_EQ(vault_commitment(v.key, v.record.id), v.record.commitment);
}

TEST(VaultRecord, malformed_records_are_refused) {
    Vault v;
    const Bytes encoded = encode_vault(v.record);
    for (std::size_t size = 0; size < encoded.size(); ++size)
        ASSERT_FALSE(decode_vault(ByteView(encoded).first(size)));
    Bytes longer = encoded;
    longer.push_back(0);
    EXPECT_FALSE(decode_vault(longer));
    VaultRecord none = v.record;
    none.wraps.clear();
    EXPECT_FALSE(decode_vault(encode_vault(none)));
    VaultRecord many = v.record;
    many.wraps.assign(kMaxWraps + 1, v.record.wraps[0]);
    EXPECT_FALSE(decode_vault(encode_vault(many)));
}

} // namespace
} // namespace redoubt::sealed
