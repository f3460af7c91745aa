// SPDX-License-Identifier: Apache-2.0
#include "base/cursor.h"
#include "crypto/aead.h"
#include "crypto/bip32.h"
#include "crypto/hash.h"
#include "sealed/vault_record.h"

#include <gtest/gtest.h>

namespace redoubt::sealed {
namespace {

constexpr std::size_t kSealed = 32 + 48; // salt, ciphertext and tag of a private key

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
        head.revision = 7;
        head.state = State::PendingDeletion;
        head.deletes = 1'800'000'000'456;
        head.label = "Treasury, Zürich";
        head.tags = {{"chain", "1"}, {"team", ""}};
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
    Bytes mixed(a.record.begin(), a.record.end() - kSealed);
    append(mixed, ByteView(b.record).last(kSealed));
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
        EXPECT_EQ(record.size(), s.record.size() - kSealed + 32 + size + 16);
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
    record = to_bytes(ByteView(record).first(record.size() - 1 - (crypto::kMaxSeed - crypto::kMinSeed)));
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
    EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.random.secret(31), s.random), "no record can hold");
    s.head.algorithm = Algorithm::HdSecp256k1;
    EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.random.secret(15), s.random), "no record can hold");
}

// Where the fields of a head lie, as docs/formats/sealed.md states.
constexpr std::size_t kVersionAt = 4, kRevisionAt = 6, kStateAt = 51, kFlagsAt = 104, kCreatedAt = 108,
                      kDeletesAt = 116, kLabelAt = 124;

TEST(KeyRecord, has_the_documented_bytes) {
    Sealed s;
    Bytes expected;
    Writer(expected)
        .bytes(as_bytes("RDKY"))
        .u16(2)
        .u32(7)
        .u64(3)
        .bytes(s.head.vault)
        .bytes(s.head.id)
        .u8(1)
        .u8(3)
        .bytes(s.head.address)
        .bytes(s.head.policy_digest)
        .u32(1)
        .u64(1'700'000'000'123)
        .u64(1'800'000'000'456)
        .u16(17)
        .bytes(as_bytes("Treasury, Zürich"))
        .u8(2)
        .u16(5)
        .bytes(as_bytes("chain"))
        .u16(1)
        .bytes(as_bytes("1"))
        .u16(4)
        .bytes(as_bytes("team"))
        .u16(0);
    ASSERT_EQ(s.record.size(), expected.size() + kSealed);
    EXPECT_EQ(Bytes(s.record.begin(), s.record.end() - kSealed), expected);
    // The smallest head.
    s.head.label.clear();
    s.head.tags.clear();
    EXPECT_EQ(seal_key(s.vault_key, s.head, s.private_key, s.random).size(), 207u);
    // What HKDF and AES-256-GCM make of it, with no more than crypto's own functions.
    const Hash32 salt = *to_array<32>(ByteView(s.record).subspan(expected.size(), 32));
    const SecretAccess access("open a test's record by hand");
    const Secret derived =
        crypto::hkdf_sha256(s.vault_key.view(access), salt, as_bytes("redoubt key record v2"), 44);
    append(expected, salt);
    const auto opened = crypto::aead_open(Secret::copy_of(derived.view(access).first(32)),
                                          *to_array<12>(derived.view(access).subspan(32)), expected,
                                          ByteView(s.record).last(48));
    ASSERT_TRUE(opened);
    EXPECT_TRUE(equal_secrets(*opened, s.private_key));
}

TEST(KeyRecord, other_versions_are_refused) {
    Sealed s;
    for (const int version : {0, 1, 3, 255}) {
        Bytes altered = s.record;
        altered[kVersionAt + 1] = static_cast<std::uint8_t>(version);
        EXPECT_FALSE(read_key_head(altered)) << version;
        EXPECT_FALSE(open_key(s.vault_key, altered)) << version;
    }
    // A record of version 1, whole: without state, deletes, label and tags.
    Bytes first(s.record.begin(), s.record.begin() + kStateAt);
    first[kVersionAt + 1] = 1;
    append(first, s.head.address);
    append(first, s.head.policy_digest);
    append(first, Bytes(4 + 8 + kSealed, 0));
    ASSERT_EQ(first.size(), 195u);
    EXPECT_FALSE(read_key_head(first));
}

// A record with bytes of its head replaced: not authentic, but read_key_head cannot know that.
Bytes with(const Bytes& record, std::size_t at, std::initializer_list<int> bytes) {
    Bytes out = record;
    for (const int byte : bytes)
        out.at(at++) = static_cast<std::uint8_t>(byte);
    return out;
}

TEST(KeyRecord, unknown_flags_are_refused) {
    Sealed s;
    s.head.flags = kFlagExportable | kFlagRawSigning;
    EXPECT_EQ(open_key(s.vault_key, seal_key(s.vault_key, s.head, s.private_key, s.random))->head.flags, 3u);
    for (unsigned bit = 2; bit < 32; ++bit) {
        Bytes altered = s.record;
        altered[kFlagsAt + 3 - bit / 8] |= static_cast<std::uint8_t>(1u << bit % 8);
        EXPECT_FALSE(read_key_head(altered)) << bit;
    }
    s.head.flags = 4;
    EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.private_key, s.random), "no record can hold");
}

TEST(KeyRecord, a_pending_policy_is_sealed_under_a_flag_of_its_own) {
    Sealed s;
    auto head = s.head;
    head.pending_policy = s.random.array<32>();
    head.pending_from = 1'750'000'000'789;
    const Bytes record = seal_key(s.vault_key, head, s.private_key, s.random);
    const auto opened = open_key(s.vault_key, record);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->head, head);
    EXPECT_EQ(opened->head.flags, kFlagExportable); // the flag is the record's alone
    EXPECT_EQ(*read_key_head(record), head);
    // Between the time of deletion and the label; nothing else moves.
    ASSERT_EQ(record.size(), s.record.size() + 40);
    Bytes expected(s.record.begin(), s.record.begin() + kLabelAt);
    expected[kFlagsAt + 3] |= 4;
    Writer(expected).bytes(head.pending_policy).u64(1'750'000'000'789);
    append(expected, ByteView(s.record).subspan(kLabelAt, s.record.size() - kSealed - kLabelAt));
    EXPECT_EQ(Bytes(record.begin(), record.end() - kSealed), expected);
    for (std::size_t at = kLabelAt; at < kLabelAt + 40; ++at) {
        Bytes altered = record;
        altered[at] ^= 1;
        EXPECT_FALSE(open_key(s.vault_key, altered)) << at;
    }
}

TEST(KeyRecord, a_pending_policy_has_a_digest_a_time_and_the_flag_or_none_of_them) {
    Sealed s;
    auto head = s.head;
    head.pending_policy = s.random.array<32>();
    head.pending_from = 1;
    const Bytes record = seal_key(s.vault_key, head, s.private_key, s.random);
    const auto zeros = [&](std::size_t at, std::size_t size) {
        Bytes out = record;
        std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(at), size, std::uint8_t{0});
        return out;
    };
    EXPECT_TRUE(read_key_head(record));
    EXPECT_FALSE(read_key_head(zeros(kLabelAt, 32)));     // the flag, but no policy
    EXPECT_FALSE(read_key_head(zeros(kLabelAt + 32, 8))); // from never
    EXPECT_FALSE(read_key_head(with(record, kLabelAt + 32, {0x80})));
    Bytes unsaid = record;
    unsaid[kFlagsAt + 3] &= static_cast<std::uint8_t>(~4);
    EXPECT_FALSE(read_key_head(unsaid));
    head.pending_from = 0;
    EXPECT_DEATH((void)seal_key(s.vault_key, head, s.private_key, s.random), "no record can hold");
    head.pending_from = -1;
    EXPECT_DEATH((void)seal_key(s.vault_key, head, s.private_key, s.random), "no record can hold");
    head.pending_from = 1;
    head.pending_policy = {};
    EXPECT_DEATH((void)seal_key(s.vault_key, head, s.private_key, s.random), "no record can hold");
}

TEST(KeyRecord, revisions_and_times_have_bounds) {
    Sealed s;
    for (const std::uint32_t revision : {1u, 2u, kMaxRevision}) {
        s.head.revision = revision;
        const Bytes record = seal_key(s.vault_key, s.head, s.private_key, s.random);
        EXPECT_EQ(open_key(s.vault_key, record)->head.revision, revision);
    }
    EXPECT_FALSE(read_key_head(with(s.record, kRevisionAt, {0, 0, 0, 0})));
    EXPECT_TRUE(read_key_head(with(s.record, kRevisionAt, {255, 255, 255, 254})));
    EXPECT_FALSE(read_key_head(with(s.record, kRevisionAt, {255, 255, 255, 255})));
    EXPECT_TRUE(read_key_head(with(s.record, kCreatedAt, {0x7f})));
    EXPECT_FALSE(read_key_head(with(s.record, kCreatedAt, {0x80})));
    EXPECT_FALSE(read_key_head(with(s.record, kDeletesAt, {0x80})));
    for (const std::uint32_t revision : {0u, 0xffff'ffffu}) {
        s.head.revision = revision;
        EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.private_key, s.random), "no record can hold");
    }
}

TEST(KeyRecord, a_time_of_deletion_goes_with_pending_deletion_and_with_no_other_state) {
    Sealed s;
    for (const auto& [state, deletes] : {std::pair{State::Enabled, UnixMs{0}},
                                         {State::Disabled, 0},
                                         {State::PendingDeletion, 1},
                                         {State::PendingDeletion, INT64_MAX}}) {
        s.head.state = state;
        s.head.deletes = deletes;
        const Bytes record = seal_key(s.vault_key, s.head, s.private_key, s.random);
        EXPECT_EQ(open_key(s.vault_key, record)->head, s.head);
        EXPECT_EQ(parse_state(state_name(state)), state);
    }
    EXPECT_EQ(state_name(State::PendingDeletion), "pending-deletion");
    EXPECT_EQ(parse_state("deleted"), std::nullopt);
    for (const int state : {0, 1, 2, 4, 255}) // with a time
        EXPECT_FALSE(read_key_head(with(s.record, kStateAt, {state}))) << state;
    const Bytes timeless = with(s.record, kDeletesAt, {0, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_TRUE(read_key_head(with(timeless, kStateAt, {1})));
    EXPECT_TRUE(read_key_head(with(timeless, kStateAt, {2})));
    for (const int state : {0, 3, 4})
        EXPECT_FALSE(read_key_head(with(timeless, kStateAt, {state}))) << state;
    for (const auto& [state, deletes] : {std::pair{State::Enabled, UnixMs{5}},
                                         {State::Disabled, 5},
                                         {State::PendingDeletion, 0},
                                         {State::PendingDeletion, -1},
                                         {static_cast<State>(0), 0}}) {
        s.head.state = state;
        s.head.deletes = deletes;
        EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.private_key, s.random), "no record can hold");
    }
}

TEST(KeyRecord, labels_are_short_printable_utf8) {
    EXPECT_TRUE(valid_label(""));
    EXPECT_TRUE(valid_label("a \"b\" \\ é 鍵 \U0001F511"));
    EXPECT_TRUE(valid_label("\u00a0")); // the first character after the C1 controls
    EXPECT_TRUE(valid_label(std::string(kMaxLabel, 'x')));
    EXPECT_FALSE(valid_label(std::string(kMaxLabel + 1, 'x')));
    EXPECT_FALSE(valid_label("abc", 2));
    for (const char* bad : {"\n", "\x1f", "a\x7f", "\u0080", "a\u009f", "\xc3", "\xff", "\xed\xa0\x80"})
        EXPECT_FALSE(valid_label(bad)) << bad;
    EXPECT_FALSE(valid_label(std::string_view("\0", 1)));
    Sealed s;
    s.head.label = std::string(kMaxLabel, 'x');
    const Bytes record = seal_key(s.vault_key, s.head, s.private_key, s.random);
    EXPECT_EQ(open_key(s.vault_key, record)->head.label, s.head.label);
    EXPECT_FALSE(read_key_head(with(record, kLabelAt + 2, {'\n'})));
    EXPECT_FALSE(read_key_head(with(record, kLabelAt, {0, kMaxLabel + 1})));
    s.head.label += 'x';
    EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.private_key, s.random), "no record can hold");
}

TEST(KeyRecord, tags_are_few_named_once_and_in_order) {
    using Tags = std::vector<Tag>;
    const auto many = [](std::size_t count) {
        Tags out;
        for (std::size_t i = 0; i < count; ++i)
            out.push_back({std::string(1, static_cast<char>('a' + i)), "v"});
        return out;
    };
    const Tags good[] = {{},
                         many(kMaxTags),
                         {{std::string(kMaxTagName, 'n'), std::string(kMaxTagValue, 'v')}},
                         {{"A", ""}, {"a", ""}, {"aa", "x"}, {"\u00e9", "x"}}};
    const Tags bad[] = {many(kMaxTags + 1),
                        {{"", "v"}},
                        {{"a", "1"}, {"a", "2"}},
                        {{"a", "1"}, {"a", "1"}},
                        {{"b", ""}, {"a", ""}},
                        {{"a", ""}, {"B", ""}}, // by bytes
                        {{std::string(kMaxTagName + 1, 'n'), ""}},
                        {{"n", std::string(kMaxTagValue + 1, 'v')}},
                        {{"n\n", ""}},
                        {{"n", "\xff"}}};
    Sealed s;
    for (const auto& tags : good) {
        EXPECT_TRUE(valid_tags(tags));
        s.head.tags = tags;
        const auto opened = open_key(s.vault_key, seal_key(s.vault_key, s.head, s.private_key, s.random));
        ASSERT_TRUE(opened);
        EXPECT_EQ(opened->head, s.head);
    }
    for (const auto& tags : bad) {
        EXPECT_FALSE(valid_tags(tags)) << &tags - bad;
        s.head.tags = tags;
        EXPECT_DEATH((void)seal_key(s.vault_key, s.head, s.private_key, s.random), "no record can hold");
    }
    // The same in bytes: "chain" and "team" are two tags of the record.
    const std::size_t count_at = kLabelAt + 2 + 17, first_at = count_at + 1,
                      second_at = first_at + 2 + 5 + 2 + 1;
    ASSERT_EQ(s.record.at(count_at), 2);
    ASSERT_EQ(s.record.at(second_at + 2), 't');
    EXPECT_FALSE(read_key_head(with(s.record, second_at + 2, {'b'}))); // out of order
    EXPECT_FALSE(read_key_head(with(s.record, first_at + 2, {'c', 0x7f})));
    EXPECT_FALSE(read_key_head(with(s.record, count_at, {1})));
    EXPECT_FALSE(read_key_head(with(s.record, count_at, {3})));
    EXPECT_FALSE(read_key_head(with(s.record, count_at, {kMaxTags + 1})));
}

// printf 'redoubt client token v1\0deploy-2026-11-28' | sha256sum
TEST(KeyRecord, a_clients_token_names_a_key) {
    EXPECT_EQ(key_id_text(key_id_of_token("deploy-2026-11-28")), "key-1c10e56d75a79e99f1012817c859c89f");
    EXPECT_EQ(key_id_text(key_id_of_token("a")), "key-7a4aafcb724d409c41be48ef02b4bffc");
    EXPECT_EQ(vault_id_text(vault_id_of_token("a", 3)),
              "vault-ebebc8d38361549c05b8e8c3340d26d6"); // of vault/3/a
    for (const std::string good : {"a", "AZaz09._:-", "0"})
        EXPECT_TRUE(valid_client_token(good)) << good;
    EXPECT_TRUE(valid_client_token(std::string(kMaxClientToken, 'x')));
    EXPECT_FALSE(valid_client_token(std::string(kMaxClientToken + 1, 'x')));
    for (const std::string bad : {"", " ", "a b", "a/b", "a\n", "é", "a+b", "a@"})
        EXPECT_FALSE(valid_client_token(bad)) << bad;
    EXPECT_FALSE(valid_client_token(std::string_view("a\0", 2)));
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
