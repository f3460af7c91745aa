// SPDX-License-Identifier: Apache-2.0
#include "enclave/limit_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <thread>

namespace redoubt::enclave {
namespace {

constexpr UnixMs kNow = 1'800'000'000'000;
constexpr sealed::KeyId kKey{1};

crypto::SystemRandom& system_random() {
    static crypto::SystemRandom instance;
    return instance;
}

Secret secret() {
    return Secret::copy_of(Bytes(32, 7));
}

policy::Limit most_count(std::uint64_t most, std::uint32_t window = 3'600) {
    policy::Limit out;
    out.window_seconds = window;
    out.most_count = most;
    return out;
}

policy::Candidate candidate(const policy::Limit& limit, std::uint8_t counter = 1) {
    policy::Candidate out;
    out.charges.push_back({&limit, {counter}, 0});
    return out;
}

// The store's side: what the gateway does with a record.
struct FakeStore {
    Bytes record;

    bool put(const Bytes& next) {
        const auto head = sealed::read_counter_head(next).value();
        const auto stored =
            record.empty() ? std::nullopt : std::optional(sealed::read_counter_head(record).value());
        if (stored && sealed::covers(*stored, head))
            return true;
        if (!sealed::may_follow(stored, head))
            return false;
        record = next;
        return true;
    }
    sealed::CounterHead head() const { return sealed::read_counter_head(record).value(); }
};

struct Enclave {
    explicit Enclave(std::uint8_t tag) : table({tag}, system_random()) {}
    LimitTable table;
    Secret key = secret();

    LimitTable::Outcome ask(const policy::Limit& limit, std::optional<ByteView> stored, UnixMs now,
                            std::optional<LimitTable::Taken> before = std::nullopt) {
        const policy::Candidate one[] = {candidate(limit)};
        return table.reserve(kKey, key, one, stored, now, before);
    }
    // As a gateway asks: shows the record when it is wanted. True: taken and stored.
    bool sign(const policy::Limit& limit, FakeStore& store, UnixMs now) {
        auto outcome = ask(limit, std::nullopt, now);
        if (outcome.need_record)
            outcome = ask(limit, store.record, now);
        return outcome.candidate && store.put(outcome.record);
    }
};

TEST(LimitTable, begins_on_the_stored_record_and_goes_on_without_it) {
    const auto limit = most_count(3);
    Enclave enclave(1);
    FakeStore store;
    auto outcome = enclave.ask(limit, std::nullopt, kNow);
    EXPECT_TRUE(outcome.need_record);
    EXPECT_FALSE(outcome.candidate);
    EXPECT_TRUE(outcome.record.empty());
    for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
        outcome = enclave.ask(limit, sequence == 1 ? std::optional<ByteView>(ByteView()) : std::nullopt,
                              kNow + static_cast<UnixMs>(sequence));
        ASSERT_EQ(outcome.candidate, 0u);
        ASSERT_FALSE(outcome.error || outcome.no_room || outcome.need_record);
        ASSERT_TRUE(store.put(outcome.record));
        const auto head = store.head();
        EXPECT_EQ(head.key, kKey);
        EXPECT_EQ(head.term, 1u);
        EXPECT_EQ(head.sequence, sequence);
        EXPECT_EQ(head.base, 0u);
        EXPECT_EQ(head.owner, ByteArray<8>{1});
        EXPECT_EQ(head.lease_until, kNow + static_cast<UnixMs>(sequence) + LimitTable::kLeaseMs);
    }
    outcome = enclave.ask(limit, std::nullopt, kNow + 4);
    EXPECT_FALSE(outcome.candidate);
    EXPECT_TRUE(outcome.record.empty());
    ASSERT_TRUE(outcome.no_room);
    EXPECT_EQ(outcome.no_room->used, ethereum::Uint256(3));
}

TEST(LimitTable, what_has_no_limit_is_not_counted) {
    Enclave enclave(1);
    const auto none = most_count(0), some = most_count(1);
    const policy::Candidate free_first[] = {{}, candidate(none)};
    auto outcome = enclave.table.reserve(kKey, enclave.key, free_first, std::nullopt, kNow);
    EXPECT_EQ(outcome.candidate, 0u);
    EXPECT_TRUE(outcome.record.empty());
    // A later one waits for those before it.
    const policy::Candidate free_last[] = {candidate(some), {}};
    EXPECT_TRUE(enclave.table.reserve(kKey, enclave.key, free_last, std::nullopt, kNow).need_record);
    outcome = enclave.table.reserve(kKey, enclave.key, free_last, ByteView(), kNow);
    EXPECT_EQ(outcome.candidate, 0u);
    EXPECT_FALSE(outcome.record.empty());
    outcome = enclave.table.reserve(kKey, enclave.key, free_last, std::nullopt, kNow);
    EXPECT_EQ(outcome.candidate, 1u);
    EXPECT_TRUE(outcome.record.empty());
    EXPECT_FALSE(outcome.no_room);
    EXPECT_EQ(enclave.table.reserve(kKey, enclave.key, {}, std::nullopt, kNow).error->code,
              Code::PolicyDenied);
}

TEST(LimitTable, the_first_candidate_with_room_decides_and_the_first_of_all_says_why_none_has) {
    Enclave enclave(1);
    const auto one = most_count(1), two = most_count(2);
    const policy::Candidate both[] = {candidate(one, 1), candidate(two, 2)};
    EXPECT_EQ(enclave.table.reserve(kKey, enclave.key, both, ByteView(), kNow).candidate, 0u);
    EXPECT_EQ(enclave.table.reserve(kKey, enclave.key, both, std::nullopt, kNow).candidate, 1u);
    EXPECT_EQ(enclave.table.reserve(kKey, enclave.key, both, std::nullopt, kNow).candidate, 1u);
    const auto outcome = enclave.table.reserve(kKey, enclave.key, both, std::nullopt, kNow);
    EXPECT_FALSE(outcome.candidate);
    ASSERT_TRUE(outcome.no_room);
    EXPECT_EQ(outcome.no_room->limit, &one);
}

TEST(LimitTable, another_enclave_counts_when_the_lease_has_ended) {
    const auto limit = most_count(10);
    Enclave a(1), b(2);
    FakeStore store;
    for (int i = 0; i < 4; ++i)
        ASSERT_TRUE(a.sign(limit, store, kNow));
    auto outcome = b.ask(limit, store.record, kNow + LimitTable::kLeaseMs - 1);
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->code, Code::LimitsElsewhere);
    EXPECT_TRUE(b.ask(limit, std::nullopt, kNow + LimitTable::kLeaseMs - 1).need_record);
    outcome = b.ask(limit, store.record, kNow + LimitTable::kLeaseMs);
    ASSERT_EQ(outcome.candidate, 0u);
    ASSERT_TRUE(store.put(outcome.record));
    EXPECT_EQ(store.head().term, 2u);
    EXPECT_EQ(store.head().sequence, 1u);
    EXPECT_EQ(store.head().base, 4u);
    EXPECT_EQ(store.head().owner, ByteArray<8>{2});
    // It counts what the other one counted.
    int more = 0;
    while (b.sign(limit, store, kNow + LimitTable::kLeaseMs))
        ++more;
    EXPECT_EQ(more, 5);
    // And the first one goes on from there when it may again.
    EXPECT_FALSE(a.sign(limit, store, kNow + LimitTable::kLeaseMs + 1));
    EXPECT_FALSE(a.sign(limit, store, kNow + 60'000));
    EXPECT_TRUE(a.sign(limit, store, kNow + 2 * 3'600'000));
    EXPECT_EQ(store.head().term, 3u);
}

TEST(LimitTable, what_an_enclave_writes_after_it_lost_its_term_is_not_stored) {
    const auto limit = most_count(10);
    Enclave a(1), b(2);
    FakeStore store;
    ASSERT_TRUE(a.sign(limit, store, kNow));
    const auto late = a.ask(limit, std::nullopt, kNow + 1'000); // on its way
    ASSERT_TRUE(late.candidate);
    ASSERT_TRUE(b.sign(limit, store, kNow + LimitTable::kLeaseMs)); // of the lease that the store knows
    EXPECT_FALSE(store.put(late.record));
    // Within its own lease it would go on; the record that is there tells it.
    const auto told = a.ask(limit, store.record, kNow + LimitTable::kLeaseMs + 1);
    ASSERT_TRUE(told.error);
    EXPECT_EQ(told.error->code, Code::LimitsElsewhere);
    EXPECT_TRUE(a.ask(limit, std::nullopt, kNow + LimitTable::kLeaseMs + 2).need_record);
}

TEST(LimitTable, goes_on_in_its_own_term_after_a_pause_and_after_lost_writes) {
    const auto limit = most_count(10);
    Enclave enclave(1);
    FakeStore store;
    ASSERT_TRUE(enclave.sign(limit, store, kNow));
    ASSERT_TRUE(enclave.ask(limit, std::nullopt, kNow + 1).candidate); // never stored
    UnixMs later = kNow + 1 + LimitTable::kLeaseMs;
    EXPECT_TRUE(enclave.ask(limit, std::nullopt, later).need_record);
    auto outcome = enclave.ask(limit, store.record, later);
    ASSERT_TRUE(outcome.candidate);
    ASSERT_TRUE(store.put(outcome.record));
    EXPECT_EQ(store.head().term, 1u);
    EXPECT_EQ(store.head().sequence, 3u);
    int more = 0;
    while (enclave.sign(limit, store, later))
        ++more;
    EXPECT_EQ(more, 7); // the lost one counts
}

TEST(LimitTable, a_takeover_that_was_not_stored_is_offered_again_on_what_the_store_holds) {
    const auto limit = most_count(10);
    Enclave a(1), b(2);
    FakeStore store;
    ASSERT_TRUE(a.sign(limit, store, kNow));
    const UnixMs later = kNow + LimitTable::kLeaseMs;
    const auto lost = b.ask(limit, store.record, later);
    ASSERT_TRUE(lost.candidate);
    // The first enclave was quicker after all.
    ASSERT_TRUE(a.sign(limit, store, later + 1));
    EXPECT_FALSE(store.put(lost.record));
    EXPECT_EQ(b.ask(limit, store.record, later + 2).error->code, Code::LimitsElsewhere);
    EXPECT_TRUE(b.ask(limit, std::nullopt, later + 2).need_record);
    const auto again = b.ask(limit, store.record, later + 1 + LimitTable::kLeaseMs);
    ASSERT_TRUE(again.candidate);
    ASSERT_TRUE(store.put(again.record));
    EXPECT_EQ(store.head().term, 2u);
    EXPECT_EQ(store.head().sequence, 2u);
    EXPECT_EQ(store.head().base, 2u);
    EXPECT_FALSE(store.put(lost.record)); // made before the first enclave counted one more: not covered
    // Its first record of all, too.
    Enclave c(3);
    FakeStore empty;
    ASSERT_TRUE(c.ask(limit, ByteView(), kNow).candidate);
    EXPECT_TRUE(c.sign(limit, empty, kNow + LimitTable::kLeaseMs));
    EXPECT_EQ(empty.head().sequence, 2u);
}

TEST(LimitTable, of_two_that_open_the_same_term_the_loser_waits_for_the_next) {
    const auto limit = most_count(10);
    Enclave a(1), b(2);
    FakeStore store;
    const auto first = a.ask(limit, ByteView(), kNow), second = b.ask(limit, ByteView(), kNow);
    ASSERT_TRUE(first.candidate && second.candidate);
    EXPECT_TRUE(store.put(first.record));
    EXPECT_FALSE(store.put(second.record));
    EXPECT_EQ(b.ask(limit, store.record, kNow + 1).error->code, Code::LimitsElsewhere);
    EXPECT_TRUE(b.sign(limit, store, kNow + LimitTable::kLeaseMs));
    EXPECT_EQ(store.head().term, 2u);
}

TEST(LimitTable, an_enclave_that_was_started_again_is_another_one) {
    const auto limit = most_count(3);
    FakeStore store;
    UnixMs now = kNow;
    for (std::uint8_t life = 1; life <= 5; ++life) {
        Enclave enclave(life);
        EXPECT_EQ(enclave.sign(limit, store, now), life <= 3);
        now += LimitTable::kLeaseMs;
    }
}

TEST(LimitTable, a_store_that_went_back_is_told_and_gets_nothing_counted_less) {
    const auto limit = most_count(4);
    Enclave a(1), b(2);
    FakeStore store;
    ASSERT_TRUE(a.sign(limit, store, kNow));
    const Bytes old = store.record;
    ASSERT_TRUE(a.sign(limit, store, kNow));
    UnixMs now = kNow + LimitTable::kLeaseMs;
    ASSERT_TRUE(b.sign(limit, store, now));
    now += LimitTable::kLeaseMs;
    ASSERT_TRUE(a.sign(limit, store, now)); // term 3; all four are used
    // Two terms back, or nothing at all.
    now += LimitTable::kLeaseMs;
    EXPECT_EQ(a.ask(limit, old, now).error->code, Code::RecordStale);
    EXPECT_EQ(a.ask(limit, ByteView(), now).error->code, Code::RecordStale);
    // One term back, which may be a takeover that was lost: then it is offered again, with all that is known.
    EXPECT_TRUE(b.ask(limit, old, now).candidate); // knows of three
    EXPECT_TRUE(b.ask(limit, old, now + LimitTable::kLeaseMs).no_room);
    EXPECT_TRUE(a.ask(limit, store.record, now).no_room);
    // One that only saw another's record does not take less, either.
    Enclave c(3);
    EXPECT_EQ(c.ask(limit, store.record, now - 1).error->code, Code::LimitsElsewhere);
    EXPECT_EQ(c.ask(limit, old, now).error->code, Code::RecordStale);
    EXPECT_EQ(c.ask(limit, ByteView(), now).error->code, Code::RecordStale);
}

TEST(LimitTable, shows_of_its_own_earlier_records_take_nothing_back) {
    const auto limit = most_count(5);
    Enclave enclave(1);
    FakeStore store;
    ASSERT_TRUE(enclave.sign(limit, store, kNow));
    const Bytes first = store.record;
    UnixMs now = kNow;
    int taken = 1;
    for (int i = 0; i < 20; ++i) {
        now += 1'000 * (i % 7);
        taken += enclave.ask(limit, first, now).candidate.has_value();
    }
    EXPECT_EQ(taken, 5);
}

TEST(LimitTable, refuses_what_is_not_this_keys_record) {
    const auto limit = most_count(5);
    Enclave a(1), b(2);
    FakeStore store;
    ASSERT_TRUE(a.sign(limit, store, kNow));
    const UnixMs later = kNow + LimitTable::kLeaseMs;
    Bytes altered = store.record;
    altered.back() ^= 1;
    EXPECT_EQ(b.ask(limit, altered, later).error->code, Code::RecordInvalid);
    EXPECT_EQ(b.ask(limit, Bytes{1, 2, 3}, later).error->code, Code::RecordInvalid);
    const policy::Candidate one[] = {candidate(limit)};
    EXPECT_EQ(b.table.reserve({9}, b.key, one, store.record, later).error->code, Code::RecordInvalid);
    EXPECT_EQ(b.table.reserve(kKey, Secret::copy_of(Bytes(32, 8)), one, store.record, later).error->code,
              Code::RecordInvalid);
    // A usage that cannot be read, though sealed; and a term that has no next one.
    auto head = store.head();
    const Secret key = sealed::counter_key(secret(), kKey);
    EXPECT_EQ(b.ask(limit, sealed::seal_counters(key, head, Bytes{9}, system_random()), later).error->code,
              Code::RecordInvalid);
    head.term = UINT64_MAX;
    head.base = 1;
    const Bytes last = sealed::seal_counters(key, head, policy::Usage().encode(), system_random());
    EXPECT_EQ(b.ask(limit, last, later).error->code, Code::RecordInvalid);
    EXPECT_TRUE(b.sign(limit, store, later));
}

TEST(LimitTable, a_clock_reading_that_comes_late_does_not_turn_time_back) {
    const auto limit = most_count(1, 1);
    Enclave enclave(1);
    FakeStore store;
    ASSERT_TRUE(enclave.sign(limit, store, kNow));
    EXPECT_FALSE(enclave.sign(limit, store, kNow + 900));
    ASSERT_TRUE(enclave.sign(limit, store, kNow + 1'100)); // the first is forgotten
    EXPECT_FALSE(enclave.sign(limit, store, kNow + 500));
}

TEST(LimitTable, gives_exactly_the_limit_to_many_threads) {
    const auto limit = most_count(1'000);
    Enclave enclave(1);
    FakeStore store;
    ASSERT_TRUE(enclave.sign(limit, store, kNow));
    std::atomic<int> taken{1}, refused{0};
    std::mutex mutex;
    std::vector<std::uint64_t> sequences;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&] {
            const Secret key = secret();
            const policy::Candidate one[] = {candidate(limit)};
            for (int i = 0; i < 500; ++i) {
                const auto outcome = enclave.table.reserve(kKey, key, one, std::nullopt, kNow + i % 3);
                if (outcome.candidate) {
                    ++taken;
                    const std::lock_guard lock(mutex);
                    sequences.push_back(sealed::read_counter_head(outcome.record)->sequence);
                } else if (outcome.no_room) {
                    ++refused;
                }
            }
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(taken, 1'000);
    EXPECT_EQ(taken + refused, 4'001);
    std::ranges::sort(sequences);
    for (std::size_t i = 0; i < sequences.size(); ++i)
        ASSERT_EQ(sequences[i], i + 2); // each record has a number of its own
}

TEST(LimitTable, keys_are_counted_apart_and_at_once) {
    const auto limit = most_count(20);
    Enclave enclave(1);
    std::atomic<int> taken{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            const Secret key = secret();
            const policy::Candidate one[] = {candidate(limit)};
            for (int i = 0; i < 400; ++i) {
                const auto id = sealed::KeyId{static_cast<std::uint8_t>((i + t) % 16)};
                auto outcome = enclave.table.reserve(id, key, one, std::nullopt, kNow);
                if (outcome.need_record)
                    outcome = enclave.table.reserve(id, key, one, ByteView(), kNow);
                taken += outcome.candidate.has_value();
            }
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(taken, 16 * 20);
}

TEST(LimitTable, forgets_keys_of_which_nothing_is_counted_any_more_and_no_others) {
    const auto limit = most_count(1, 10);
    Enclave enclave(1);
    const policy::Candidate one[] = {candidate(limit)};
    const auto id = [](std::uint32_t n) {
        sealed::KeyId out{};
        for (std::size_t i = 0; i < 4; ++i)
            out[i] = static_cast<std::uint8_t>(n >> (8 * i));
        return out;
    };
    for (std::uint32_t n = 0; n < LimitTable::kMaxKeys; ++n)
        ASSERT_TRUE(enclave.table.reserve(id(n), enclave.key, one, ByteView(), kNow).candidate) << n;
    const auto more = id(LimitTable::kMaxKeys);
    EXPECT_EQ(enclave.table.reserve(more, enclave.key, one, ByteView(), kNow + 9'999).error->code,
              Code::Overloaded);
    EXPECT_TRUE(enclave.table.reserve(id(5), enclave.key, one, ByteView(), kNow + 9'999).no_room);
    EXPECT_TRUE(enclave.table.reserve(more, enclave.key, one, ByteView(), kNow + 20'000).candidate);
}

// Two enclaves behind gateways that lose writes, delay them and restart: whatever happens, what was answered,
// so what was stored first, never comes to more than the limit in a window.
// Of requests that were withheld because another enclave's term was first: its counts and theirs, as many,
// are one number once they are merged.
TEST(LimitTable, a_repeat_of_what_a_lost_term_counted_is_counted_anew) {
    const auto limit = most_count(10);
    Enclave a(1), b(2);
    FakeStore store;
    std::vector<LimitTable::Taken> withheld;
    std::vector<Bytes> of_a;
    for (int i = 0; i < 8; ++i) {
        const auto outcome = a.ask(limit, ByteView(), kNow);
        ASSERT_TRUE(outcome.candidate);
        withheld.push_back(outcome.taken);
        of_a.push_back(outcome.record);
    }
    std::size_t answered = 0;
    for (int i = 0; i < 8; ++i)
        answered += b.sign(limit, store, kNow) ? 1u : 0u;
    ASSERT_EQ(answered, 8u);
    for (const auto& record : of_a)
        EXPECT_FALSE(store.put(record));
    const UnixMs later = kNow + LimitTable::kLeaseMs;
    answered += a.sign(limit, store, later) ? 1u : 0u;
    for (const auto& taken : withheld) {
        const auto again = a.ask(limit, std::nullopt, later, taken);
        if (!again.candidate)
            continue;
        EXPECT_FALSE(again.taken == taken);
        answered += store.put(again.record) ? 1u : 0u;
    }
    EXPECT_EQ(answered, 10u);
}

TEST(LimitTable, a_term_that_has_not_begun_does_not_go_back_to_an_earlier_record) {
    const auto limit = most_count(100);
    Enclave x(1), a(2);
    FakeStore store;
    ASSERT_TRUE(x.sign(limit, store, kNow));
    const Bytes early = store.record;
    std::vector<Bytes> late_of_x, late_of_a;
    for (int i = 0; i < 3; ++i)
        late_of_x.push_back(x.ask(limit, std::nullopt, kNow).record);
    const UnixMs later = kNow + LimitTable::kLeaseMs;
    for (int i = 0; i < 3; ++i)
        late_of_a.push_back(a.ask(limit, early, later).record);
    std::uint64_t answered = 1;
    for (const auto& record : late_of_x)
        answered += store.put(record) ? 1u : 0u;
    EXPECT_FALSE(store.put(late_of_a[0]));
    answered += store.put(a.ask(limit, store.record, later).record) ? 1u : 0u;
    answered += store.put(a.ask(limit, early, later).record) ? 1u : 0u;
    for (const auto& record : late_of_a)
        answered += store.put(record) ? 1u : 0u;
    std::uint64_t counted = limit.most_count.value();
    while (a.ask(limit, store.record, later).candidate)
        --counted;
    EXPECT_LE(answered, counted);
    EXPECT_GE(answered, 6u) << "it was no silence";
}

TEST(LimitTable, what_two_enclaves_answer_never_exceeds_the_limit) {
    std::mt19937_64 random(23);
    std::size_t answered_in_all = 0, terms = 0;
    for (int round = 0; round < 150; ++round) {
        const std::uint32_t window = static_cast<std::uint32_t>(1 + random() % 40);
        const std::uint64_t most = 1 + random() % 12;
        const auto limit = most_count(most, window);
        const std::int64_t width = 1'000 * std::int64_t{window};
        FakeStore store;
        std::uint8_t tags = 0;
        struct Asked { // a signed request as its enclave remembers it
            std::size_t number;
            LimitTable::Taken taken;
            UnixMs counted;
        };
        std::unique_ptr<Enclave> enclaves[2];
        std::vector<Asked> asked_of[2];
        std::size_t asked = 0;
        std::map<std::size_t, UnixMs> answers; // by request: as it was counted when it was answered first
        struct Write {
            Bytes record;
            std::size_t request;
            UnixMs taken;
        };
        std::vector<Write> on_their_way;
        std::vector<Bytes> read{Bytes()}; // what a slow gateway may still show
        UnixMs now = kNow;
        const auto write = [&](const Write& one) {
            const bool fresh = store.put(one.record);
            if (fresh)
                answers.try_emplace(one.request, one.taken);
            read.push_back(store.record);
        };
        for (int step = 0; step < 400; ++step) {
            now += static_cast<UnixMs>(random() % (random() % 8 == 0 ? 7'000 : 600));
            const std::size_t which_enclave = random() % 2;
            auto& enclave = enclaves[which_enclave];
            auto& remembered = asked_of[which_enclave];
            if (!enclave || random() % 60 == 0) {
                enclave = std::make_unique<Enclave>(++tags);
                remembered.clear();
            }
            Asked* repeated = nullptr;
            if (!remembered.empty() && random() % 3 == 0)
                repeated = &remembered[random() % remembered.size()];
            const auto before = repeated != nullptr ? std::optional(repeated->taken) : std::nullopt;
            const bool stale = random() % 10 == 0;
            const auto shown = [&] {
                return stale ? ByteView(
                                   read[read.size() - 1 - random() % std::min<std::size_t>(3, read.size())])
                             : ByteView(store.record);
            };
            auto outcome = random() % 4 == 0 ? enclave->ask(limit, shown(), now, before)
                                             : enclave->ask(limit, std::nullopt, now, before);
            if (outcome.need_record)
                outcome = enclave->ask(limit, shown(), now, before);
            ASSERT_TRUE(outcome.candidate || outcome.no_room || outcome.error);
            if (outcome.candidate) {
                if (repeated == nullptr)
                    repeated = &remembered.emplace_back(Asked{asked++, outcome.taken, now});
                else if (repeated->taken != outcome.taken)
                    *repeated = {repeated->number, outcome.taken, now};
                const Write one{outcome.record, repeated->number, repeated->counted};
                switch (random() % 5) {
                case 0: // lost
                    break;
                case 1: // late
                    on_their_way.push_back(one);
                    break;
                default:
                    write(one);
                }
            }
            if (!on_their_way.empty() && random() % 3 == 0) {
                const std::size_t which = random() % on_their_way.size();
                write(on_their_way[which]);
                on_their_way.erase(on_their_way.begin() + static_cast<std::ptrdiff_t>(which));
            }
        }
        std::vector<UnixMs> answered;
        for (const auto& [request, counted] : answers)
            answered.push_back(counted);
        std::ranges::sort(answered);
        for (std::size_t first = 0; first < answered.size(); ++first) {
            const auto held = std::ranges::count_if(
                answered, [&](UnixMs at) { return at >= answered[first] && at <= answered[first] + width; });
            ASSERT_LE(static_cast<std::uint64_t>(held), most) << round;
        }
        answered_in_all += answered.size();
        terms += store.head().term;
    }
    EXPECT_GT(answered_in_all, 3'000u); // it was no silence
    EXPECT_GT(terms, 1'000u);
}

} // namespace
} // namespace redoubt::enclave
