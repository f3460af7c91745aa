// SPDX-License-Identifier: Apache-2.0
#include "sealed/counter_record.h"

#include "base/cursor.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

#include <gtest/gtest.h>
#include <random>

namespace redoubt::sealed {
namespace {

constexpr std::size_t kHead = 4 + 2 + 16 + 8 + 8 + 8 + 8 + 8; // without the salt

struct Sealed {
    crypto::SystemRandom random;
    Secret key_secret = random.secret(32);
    CounterHead head;
    Bytes usage = to_bytes("what was used");
    Bytes record;

    Sealed() {
        head.key = random.array<16>();
        head.term = 3;
        head.sequence = 7;
        head.base = 5;
        head.owner = random.array<8>();
        head.lease_until = 1'700'000'000'123;
        record = seal();
    }
    Secret key() const { return counter_key(key_secret, head.key); }
    Bytes seal() { return seal_counters(key(), head, usage, random); }
};

TEST(CounterRecord, opens_to_what_was_sealed) {
    Sealed s;
    const auto opened = open_counters(s.key(), s.record);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->head, s.head);
    EXPECT_EQ(opened->usage, s.usage);
    EXPECT_EQ(*read_counter_head(s.record), s.head);
    EXPECT_NE(s.seal(), s.record); // a fresh salt each time
    s.usage.clear();
    EXPECT_TRUE(open_counters(s.key(), s.seal())->usage.empty());
}

TEST(CounterRecord, has_the_documented_bytes) {
    Sealed s;
    Bytes expected;
    Writer(expected)
        .bytes(as_bytes("RDCT"))
        .u16(1)
        .bytes(s.head.key)
        .u64(3)
        .u64(7)
        .u64(5)
        .bytes(s.head.owner)
        .u64(1'700'000'000'123);
    ASSERT_EQ(expected.size(), kHead);
    ASSERT_EQ(s.record.size(), kHead + 32 + s.usage.size() + 16);
    EXPECT_EQ(Bytes(s.record.begin(), s.record.begin() + kHead), expected);
    // What HKDF and AES-256-GCM make of it, with no more than crypto's own functions.
    const SecretAccess access("open a test's record by hand");
    const Secret key =
        crypto::hkdf_sha256(s.key_secret.view(access), s.head.key, as_bytes("redoubt counters v1"), 32);
    EXPECT_TRUE(equal_secrets(key, s.key()));
    const Hash32 salt = *to_array<32>(ByteView(s.record).subspan(kHead, 32));
    const Secret derived =
        crypto::hkdf_sha256(key.view(access), salt, as_bytes("redoubt counter record v1"), 44);
    append(expected, salt);
    const auto opened = crypto::aead_open(Secret::copy_of(derived.view(access).first(32)),
                                          *to_array<12>(derived.view(access).subspan(32)), expected,
                                          ByteView(s.record).subspan(kHead + 32));
    ASSERT_TRUE(opened);
    EXPECT_EQ(to_bytes(opened->view(access)), s.usage);
}

TEST(CounterRecord, any_altered_bit_a_missing_or_a_further_byte_is_refused) {
    Sealed s;
    for (std::size_t at = 0; at < s.record.size(); ++at)
        for (int bit = 0; bit < 8; ++bit) {
            Bytes altered = s.record;
            altered[at] ^= static_cast<std::uint8_t>(1 << bit);
            ASSERT_FALSE(open_counters(s.key(), altered)) << at << "." << bit;
        }
    for (std::size_t size = 0; size < s.record.size(); ++size)
        ASSERT_FALSE(open_counters(s.key(), ByteView(s.record).first(size))) << size;
    Bytes longer = s.record;
    longer.push_back(0);
    EXPECT_FALSE(open_counters(s.key(), longer));
}

TEST(CounterRecord, another_keys_does_not_open) {
    Sealed s, other;
    EXPECT_EQ(open_counters(other.key(), s.record).error().code, Code::RecordInvalid);
    // The same secret under another id is another key, too.
    EXPECT_FALSE(open_counters(counter_key(s.key_secret, other.head.key), s.record));
}

TEST(CounterRecord, heads_that_no_record_has_are_refused_and_never_sealed) {
    Sealed s;
    const auto refused = [&](auto change) {
        auto head = s.head;
        change(head);
        EXPECT_DEATH((void)seal_counters(s.key(), head, s.usage, s.random), "no record can hold");
    };
    refused([](auto& head) { head.term = 0; });
    refused([](auto& head) { head.term = 1; }); // has a base
    refused([](auto& head) { head.base = 0; });
    refused([](auto& head) { head.sequence = 0; });
    refused([](auto& head) { head.lease_until = -1; });
    EXPECT_DEATH((void)seal_counters(s.key(), s.head, Bytes(kMaxCounterUsage + 1), s.random),
                 "no record can hold");
    const auto read_with = [&](std::size_t at, std::uint8_t byte) {
        Bytes altered = s.record;
        altered[at] = byte;
        return read_counter_head(altered).has_value();
    };
    EXPECT_TRUE(read_with(29, 4));
    EXPECT_FALSE(read_with(29, 0));    // term 0
    EXPECT_FALSE(read_with(29, 1));    // term 1 has no base
    EXPECT_FALSE(read_with(37, 0));    // sequence 0
    EXPECT_FALSE(read_with(45, 0));    // a later term without a base
    EXPECT_FALSE(read_with(54, 0x80)); // a lease beyond all times
    EXPECT_FALSE(read_with(5, 2));     // another version
}

TEST(CounterRecord, the_largest_usage_is_sealed_and_nothing_larger_is_read) {
    Sealed s;
    s.usage = Bytes(kMaxCounterUsage, 7);
    const Bytes record = s.seal();
    EXPECT_LE(record.size(), kMaxCounterRecord);
    EXPECT_EQ(open_counters(s.key(), record)->usage, s.usage);
    Bytes longer = record;
    longer.push_back(0);
    EXPECT_FALSE(read_counter_head(longer));
    EXPECT_FALSE(read_counter_head(Bytes(kMaxCounterRecord + 1)));
}

CounterHead head(std::uint64_t term, std::uint64_t sequence, std::uint64_t base, std::uint8_t owner) {
    CounterHead out;
    out.term = term;
    out.sequence = sequence;
    out.base = base;
    out.owner = {owner};
    return out;
}

TEST(CounterRecord, the_next_of_its_term_or_the_first_of_the_next_term_on_the_same_base_may_follow) {
    // Nothing stored.
    EXPECT_TRUE(may_follow(std::nullopt, head(1, 1, 0, 1)));
    EXPECT_TRUE(may_follow(std::nullopt, head(1, 9, 0, 1))); // those before it were lost
    EXPECT_FALSE(may_follow(std::nullopt, head(2, 1, 1, 1)));
    EXPECT_FALSE(may_follow(std::nullopt, CounterHead{}));
    const auto stored = head(3, 7, 5, 1);
    // The same term.
    EXPECT_TRUE(may_follow(stored, head(3, 8, 5, 1)));
    EXPECT_TRUE(may_follow(stored, head(3, 100, 6, 1)));
    EXPECT_FALSE(may_follow(stored, head(3, 7, 5, 1)));
    EXPECT_FALSE(may_follow(stored, head(3, 6, 5, 1)));
    EXPECT_FALSE(may_follow(stored, head(3, 8, 4, 1))); // nor does a base go back
    EXPECT_FALSE(may_follow(stored, head(3, 8, 5, 2))); // a term is one enclave's
    // The next term.
    EXPECT_TRUE(may_follow(stored, head(4, 1, 7, 2)));
    EXPECT_TRUE(may_follow(stored, head(4, 3, 7, 1)));
    EXPECT_FALSE(may_follow(stored, head(4, 1, 6, 2)));
    EXPECT_FALSE(may_follow(stored, head(4, 1, 8, 2)));
    EXPECT_FALSE(may_follow(stored, head(5, 1, 7, 2)));
    EXPECT_FALSE(may_follow(stored, head(2, 100, 7, 1)));
    // Another key's.
    auto other = head(3, 8, 5, 1);
    other.key = {9};
    EXPECT_FALSE(may_follow(stored, other));
    // The last numbers.
    const auto last = head(UINT64_MAX, UINT64_MAX, 1, 1);
    EXPECT_FALSE(may_follow(last, head(1, 1, 0, 1)));
    EXPECT_FALSE(may_follow(last, last));
}

TEST(CounterRecord, one_that_was_overtaken_in_its_term_is_covered) {
    const auto stored = head(3, 7, 5, 1);
    EXPECT_TRUE(covers(stored, stored));
    EXPECT_TRUE(covers(stored, head(3, 1, 5, 1)));
    EXPECT_FALSE(covers(stored, head(3, 6, 4, 1))); // offered on another base, before the term began
    EXPECT_FALSE(covers(stored, head(3, 8, 5, 1)));
    EXPECT_FALSE(covers(stored, head(3, 6, 5, 2)));
    EXPECT_FALSE(covers(stored, head(2, 6, 5, 1)));
    EXPECT_FALSE(covers(stored, head(4, 1, 7, 1)));
    auto other = stored;
    other.key = {9};
    EXPECT_FALSE(covers(stored, other));
}

// No record may both follow and be covered, and of two enclaves that open the same term one gets it.
TEST(CounterRecord, of_all_small_histories_none_gives_a_term_two_owners) {
    std::mt19937 random(3);
    for (int round = 0; round < 20'000; ++round) {
        std::optional<CounterHead> stored;
        std::vector<std::pair<std::uint64_t, std::uint8_t>> owners; // of terms
        for (int step = 0; step < 12; ++step) {
            const std::uint64_t term = 1 + random() % 4;
            const auto next = head(term, 1 + random() % 4, term == 1 ? 0 : 1 + random() % 4,
                                   static_cast<std::uint8_t>(random() % 2));
            const bool follows = may_follow(stored, next);
            ASSERT_FALSE(follows && stored && covers(*stored, next));
            if (!follows)
                continue;
            if (!stored || stored->term != term) {
                ASSERT_TRUE(!stored || stored->term + 1 == term);
                owners.emplace_back(term, next.owner[0]);
            }
            ASSERT_EQ(owners.back(), std::pair(term, next.owner[0]));
            stored = next;
        }
    }
}

} // namespace
} // namespace redoubt::sealed
