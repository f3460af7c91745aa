// SPDX-License-Identifier: Apache-2.0
// What every store promises of keys' counters: they follow each other as sealed::may_follow says.
#include "contract.h"
#include "sealed/counter_record.h"

#include <atomic>
#include <barrier>
#include <thread>

namespace redoubt::store::tests {
namespace {

class CountersContract : public StoreContract {};

Bytes counters(std::uint64_t term, std::uint64_t sequence, std::uint64_t base, std::uint8_t owner = 1,
               std::uint32_t key = 1) {
    return counter_record(counter_head(key_id(key), term, sequence, base, owner));
}

TEST_P(CountersContract, counters_follow_each_other_within_their_term) {
    const auto store = open_it();
    EXPECT_EQ(store->get_counters(key_id(1)).value(), std::nullopt);
    EXPECT_EQ(code_of(store->put_counters(counters(2, 1, 1))), Code::Conflict); // there is no term 1
    EXPECT_EQ(store->get_counters(key_id(1)).value(), std::nullopt);
    const Bytes second = counters(1, 2, 0), fourth = counters(1, 4, 0);
    EXPECT_TRUE(store->put_counters(second));
    EXPECT_EQ(store->get_counters(key_id(1)).value(), second);
    EXPECT_TRUE(store->put_counters(second)); // the same again
    EXPECT_TRUE(store->put_counters(fourth));
    // Overtaken: acknowledged, and what is there stays.
    EXPECT_TRUE(store->put_counters(counters(1, 3, 0)));
    EXPECT_TRUE(store->put_counters(second));
    EXPECT_EQ(store->get_counters(key_id(1)).value(), fourth);
    // Another enclave's of the same term.
    EXPECT_EQ(code_of(store->put_counters(counters(1, 3, 0, 2))), Code::Conflict);
    EXPECT_EQ(code_of(store->put_counters(counters(1, 5, 0, 2))), Code::Conflict);
    EXPECT_EQ(store->get_counters(key_id(1)).value(), fourth);
    // Another key's stand for themselves.
    const Bytes other = counters(1, 1, 0, 2, 2);
    EXPECT_TRUE(store->put_counters(other));
    EXPECT_EQ(store->get_counters(key_id(2)).value(), other);
    EXPECT_EQ(store->get_counters(key_id(1)).value(), fourth);
}

TEST_P(CountersContract, counters_of_the_next_term_follow_on_their_exact_base_only) {
    const auto store = open_it();
    ASSERT_TRUE(store->put_counters(counters(1, 5, 0)));
    for (const std::uint64_t base : {std::uint64_t{4}, std::uint64_t{6}})
        EXPECT_EQ(code_of(store->put_counters(counters(2, 1, base, 2))), Code::Conflict);
    EXPECT_EQ(code_of(store->put_counters(counters(3, 1, 5, 2))), Code::Conflict);
    const Bytes next = counters(2, 1, 5, 2);
    EXPECT_TRUE(store->put_counters(next));
    EXPECT_EQ(store->get_counters(key_id(1)).value(), next);
    // The term before has ended, whatever its enclave still writes.
    EXPECT_EQ(code_of(store->put_counters(counters(1, 6, 0))), Code::Conflict);
    EXPECT_EQ(code_of(store->put_counters(counters(1, 5, 0))), Code::Conflict);
    EXPECT_EQ(code_of(store->put_counters(counters(2, 2, 5, 1))), Code::Conflict);
    EXPECT_EQ(store->get_counters(key_id(1)).value(), next);
    EXPECT_TRUE(store->put_counters(counters(3, 1, 1, 1)));
}

TEST_P(CountersContract, counters_survive_and_have_any_size_that_a_record_has) {
    auto head = counter_head(key_id(1), 1, 1, 0, 1);
    const Bytes largest = counter_record(head, Bytes(sealed::kMaxCounterUsage, 5));
    ASSERT_TRUE(open_it()->put_counters(largest));
    EXPECT_EQ(open_it()->get_counters(key_id(1)).value(), largest);
    head.sequence = 2;
    const Bytes smallest = counter_record(head);
    ASSERT_TRUE(open_it()->put_counters(smallest));
    EXPECT_EQ(open_it()->get_counters(key_id(1)).value(), smallest);
}

TEST_P(CountersContract, what_is_no_record_of_counters_is_refused) {
    const auto store = open_it();
    const Bytes record = counters(1, 1, 0);
    EXPECT_EQ(code_of(store->put_counters({})), Code::RecordInvalid);
    EXPECT_EQ(code_of(store->put_counters(key_record(key_id(1), 1))), Code::RecordInvalid);
    EXPECT_EQ(code_of(store->put_counters(ByteView(record).first(100))), Code::RecordInvalid);
    EXPECT_EQ(store->get_counters(key_id(1)).value(), std::nullopt);
}

TEST_P(CountersContract, counters_are_deleted_with_their_key) {
    const auto store = open_it();
    for (std::uint32_t key = 1; key <= 2; ++key) {
        ASSERT_TRUE(store->put_key(key_record(key_id(key), key)));
        ASSERT_TRUE(store->put_counters(counters(1, 1, 0, 1, key)));
    }
    ASSERT_TRUE(store->update_key(pending_record(key_id(1), 1, 2, 10)));
    EXPECT_EQ(store->delete_due_keys(10, 10).value(), numbers({1}));
    EXPECT_EQ(store->get_counters(key_id(1)).value(), std::nullopt);
    EXPECT_TRUE(store->get_counters(key_id(2)).value());
    if (sqlite() || postgres()) { // they know that the key was deleted
        EXPECT_EQ(code_of(store->put_counters(counters(1, 1, 0))), Code::Conflict);
        EXPECT_EQ(store->get_counters(key_id(1)).value(), std::nullopt);
    }
}

TEST_P(CountersContract, of_two_enclaves_that_open_a_term_at_once_exactly_one_gets_it) {
    const std::unique_ptr<Store> stores[2] = {open_it(), open_it()};
    for (std::uint64_t term = 1; term < 13; ++term) {
        const Bytes records[2] = {counters(term, 1, term == 1 ? 0 : 1, 1),
                                  counters(term, 1, term == 1 ? 0 : 1, 2)};
        Status outcomes[2];
        std::barrier start(2);
        const auto put = [&](int which) {
            start.arrive_and_wait();
            // The same handle in every other round.
            outcomes[which] = stores[term % 2 == 0 ? which : 0]->put_counters(records[which]);
        };
        std::thread other(put, 1);
        put(0);
        other.join();
        ASSERT_NE(outcomes[0].has_value(), outcomes[1].has_value()) << term;
        const int winner = outcomes[0] ? 0 : 1;
        EXPECT_EQ(outcomes[1 - winner].error().code, Code::Conflict);
        EXPECT_EQ(stores[1]->get_counters(key_id(1)).value(), records[winner]);
    }
}

TEST_P(CountersContract, writes_of_one_enclave_that_overtake_each_other_are_all_acknowledged) {
    const std::unique_ptr<Store> stores[2] = {open_it(), open_it()};
    ASSERT_TRUE(stores[0]->put_counters(counters(1, 1, 0)));
    const std::uint64_t each = sqlite() || postgres() ? 25 : 3;
    std::atomic<std::uint64_t> next{2};
    std::atomic<int> refused{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < each; ++i)
                refused += !stores[t % 2]->put_counters(counters(1, next++, 0));
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(refused, 0);
    const auto last = stores[0]->get_counters(key_id(1)).value();
    ASSERT_TRUE(last);
    EXPECT_EQ(sealed::read_counter_head(*last)->sequence, next - 1);
}

INSTANTIATE_TEST_SUITE_P(Kinds, CountersContract, testing::Values("Sqlite", "Postgres", "SecretsManager"),
                         [](const auto& kind) { return kind.param; });

} // namespace
} // namespace redoubt::store::tests
