// SPDX-License-Identifier: Apache-2.0
// What every store promises, asked of each kind of store.
#include "postgres_server.h"
#include "store_support.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

namespace redoubt::store::tests {
namespace {

class StoreContract : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        if (GetParam() == "Sqlite") {
            target_ = folder_.file();
            return;
        }
        if (PostgresServer::programs().empty())
            GTEST_SKIP() << "no PostgreSQL server is installed under /usr/lib/postgresql";
        ASSERT_TRUE(PostgresServer::instance().running());
        target_ = PostgresServer::instance().fresh_target();
    }
    std::unique_ptr<Store> open_it() const {
        auto store = open_store(target_);
        EXPECT_TRUE(store) << (store ? "" : store.error().describe());
        return store ? std::move(*store) : nullptr;
    }

  private:
    Folder folder_;
    std::string target_;
};

TEST_P(StoreContract, gives_back_exactly_what_was_put) {
    const auto store = open_it();
    const Bytes key = key_record(key_id(1), 1000);
    const Bytes vault = vault_record(key_id(2), 2000);
    EXPECT_TRUE(store->put_key(key));
    EXPECT_TRUE(store->put_vault(vault));
    EXPECT_EQ(store->get_key(key_id(1)).value(), key);
    EXPECT_EQ(store->get_vault(key_id(2)).value(), vault);
    EXPECT_EQ(store->get_key(key_id(2)).value(), std::nullopt);
    EXPECT_EQ(store->get_vault(key_id(1)).value(), std::nullopt);
    EXPECT_EQ(store->list_vaults().value(), std::vector<Bytes>{vault});
    const auto listed = store->list_keys(std::nullopt, 10).value();
    ASSERT_EQ(listed.size(), 1u);
    EXPECT_EQ(listed[0].record, key);
    EXPECT_EQ(listed[0].head, sealed::read_key_head(key).value());
}

TEST_P(StoreContract, keeps_everything_when_it_is_opened_again) {
    const Bytes key = key_record(key_id(1), 1000);
    EXPECT_TRUE(open_it()->put_key(key));
    EXPECT_EQ(open_it()->get_key(key_id(1)).value(), key);
}

TEST_P(StoreContract, refuses_a_second_record_of_an_id_and_keeps_the_first) {
    const auto store = open_it();
    const Bytes first = key_record(key_id(1), 1000);
    ASSERT_TRUE(store->put_key(first));
    EXPECT_EQ(code_of(store->put_key(key_record(key_id(1), 2000))), Code::Conflict);
    EXPECT_EQ(code_of(store->put_key(first)), Code::Conflict);
    EXPECT_EQ(store->get_key(key_id(1)).value(), first);
    // The store goes on after a conflict.
    EXPECT_TRUE(store->put_key(key_record(key_id(2), 2000)));

    const Bytes vault = vault_record(key_id(3), 1);
    ASSERT_TRUE(store->put_vault(vault));
    EXPECT_EQ(code_of(store->put_vault(vault_record(key_id(3), 2))), Code::Conflict);
    EXPECT_EQ(store->get_vault(key_id(3)).value(), vault);
}

TEST_P(StoreContract, refuses_what_is_no_record) {
    const auto store = open_it();
    const Bytes key = key_record(key_id(1), 1000);
    const Bytes vault = vault_record(key_id(1), 1000);
    EXPECT_EQ(code_of(store->put_key({})), Code::RecordInvalid);
    EXPECT_EQ(code_of(store->put_key(vault)), Code::RecordInvalid);
    EXPECT_EQ(code_of(store->put_vault(key)), Code::RecordInvalid);
    for (std::size_t size = 0; size < key.size(); ++size)
        EXPECT_EQ(code_of(store->put_key(ByteView(key).first(size))), Code::RecordInvalid);
    Bytes longer = key;
    longer.push_back(0);
    EXPECT_EQ(code_of(store->put_key(longer)), Code::RecordInvalid);
    longer = vault;
    longer.push_back(0);
    EXPECT_EQ(code_of(store->put_vault(longer)), Code::RecordInvalid);
    EXPECT_TRUE(store->list_keys(std::nullopt, 10).value().empty());
    EXPECT_TRUE(store->list_vaults().value().empty());
}

TEST_P(StoreContract, lists_in_order_of_creation_then_id_in_pages_of_any_size) {
    const auto store = open_it();
    std::vector<std::pair<UnixMs, sealed::KeyId>> expected;
    for (std::uint32_t i = 0; i < 60; ++i)
        expected.emplace_back(static_cast<UnixMs>(i / 4), key_id(i * 2654435761u));
    auto shuffled = expected;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
    for (const auto& [created, id] : shuffled)
        ASSERT_TRUE(store->put_key(key_record(id, created)));
    std::sort(expected.begin(), expected.end());

    for (const std::size_t limit : {1u, 3u, 7u, 59u, 60u, 61u, 1000u}) {
        std::vector<std::pair<UnixMs, sealed::KeyId>> seen;
        std::optional<sealed::KeyId> after;
        for (;;) {
            const auto page = store->list_keys(after, limit).value();
            EXPECT_LE(page.size(), limit);
            if (page.empty())
                break;
            for (const auto& key : page)
                seen.emplace_back(key.head.created, key.head.id);
            after = page.back().head.id;
        }
        EXPECT_EQ(seen, expected) << limit;
    }
    EXPECT_TRUE(store->list_keys(std::nullopt, 0).value().empty());
    EXPECT_EQ(store->list_keys(std::nullopt, SIZE_MAX).value().size(), 60u);
}

TEST_P(StoreContract, lists_nothing_after_an_id_that_it_does_not_have) {
    const auto store = open_it();
    ASSERT_TRUE(store->put_key(key_record(key_id(5), 1000)));
    EXPECT_TRUE(store->list_keys(key_id(4), 10).value().empty());
    EXPECT_TRUE(store->list_keys(key_id(6), 10).value().empty());
}

TEST_P(StoreContract, lists_vaults_in_order_of_creation) {
    const auto store = open_it();
    const Bytes a = vault_record(key_id(1), 300), b = vault_record(key_id(9), 100),
                c = vault_record(key_id(2), 100);
    for (const auto& record : {a, b, c})
        ASSERT_TRUE(store->put_vault(record));
    EXPECT_EQ(store->list_vaults().value(), (std::vector<Bytes>{c, b, a}));
}

TEST_P(StoreContract, two_handles_see_each_others_records_at_once) {
    const auto one = open_it();
    const auto two = open_it();
    const Bytes first = key_record(key_id(1), 1), second = key_record(key_id(2), 2);
    ASSERT_TRUE(one->put_key(first));
    EXPECT_EQ(two->get_key(key_id(1)).value(), first);
    EXPECT_EQ(code_of(two->put_key(first)), Code::Conflict);
    ASSERT_TRUE(two->put_key(second));
    EXPECT_EQ(one->list_keys(std::nullopt, 10).value().size(), 2u);
}

TEST_P(StoreContract, serves_many_threads_on_two_handles) {
    const std::unique_ptr<Store> stores[2] = {open_it(), open_it()};
    constexpr std::uint32_t kThreads = 4, kEach = 25;
    std::vector<std::thread> threads;
    std::atomic<int> failures{0};
    for (std::uint32_t t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] {
            Store& store = *stores[t % 2];
            for (std::uint32_t i = 0; i < kEach; ++i) {
                const auto id = key_id(t * kEach + i);
                const Bytes record = key_record(id, i);
                failures += !store.put_key(record);
                const auto found = stores[(t + 1) % 2]->get_key(id);
                failures += !found || *found != record;
                failures += !store.list_keys(std::nullopt, 5);
            }
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(stores[0]->list_keys(std::nullopt, 1000).value().size(), kThreads * kEach);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StoreContract, testing::Values("Sqlite", "Postgres"),
                         [](const auto& kind) { return kind.param; });

} // namespace
} // namespace redoubt::store::tests
