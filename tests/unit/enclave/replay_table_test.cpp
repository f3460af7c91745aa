// SPDX-License-Identifier: Apache-2.0
#include "enclave/replay_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace redoubt::enclave {
namespace {

constexpr UnixMs kNow = 1'800'000'000'000;

Hash32 principal(std::uint8_t n) {
    Hash32 out{};
    out.fill(n);
    return out;
}

ReplayTable::Entry entry(std::uint8_t request, UnixMs expires = kNow + 60'000) {
    return {.request = {request}, .policy = {9}, .rule = 3, .expires = expires};
}

TEST(ReplayTable, finds_what_was_written_until_its_signature_ends) {
    ReplayTable table;
    EXPECT_FALSE(table.find(principal(1), "a", kNow));
    table.insert(principal(1), "a", entry(5), kNow);
    const auto found = table.find(principal(1), "a", kNow + 59'999);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->request, entry(5).request);
    EXPECT_EQ(found->policy, entry(5).policy);
    EXPECT_EQ(found->rule, 3);
    EXPECT_EQ(found->expires, kNow + 60'000);
    EXPECT_FALSE(table.find(principal(1), "a", kNow + 60'000));
    EXPECT_FALSE(table.find(principal(2), "a", kNow)) << "a nonce is its principal's";
    EXPECT_FALSE(table.find(principal(1), "b", kNow));
    EXPECT_FALSE(table.find(principal(1), "", kNow));
    table.insert(principal(1), "late", entry(5, kNow), kNow);
    EXPECT_FALSE(table.find(principal(1), "late", kNow - 1)) << "nothing is kept of what has ended";
    EXPECT_EQ(table.size(), 1u);
}

TEST(ReplayTable, an_entry_that_is_written_again_counts_once_and_ends_with_the_later) {
    ReplayTable table;
    table.insert(principal(1), "a", entry(5, kNow + 1000), kNow);
    table.insert(principal(1), "a", entry(6, kNow + 3000), kNow);
    EXPECT_EQ(table.size(), 1u);
    EXPECT_TRUE(table.has_room(principal(1), kNow + 2000)); // what has ended is removed here
    const auto found = table.find(principal(1), "a", kNow + 2000);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->request, entry(6).request);
    EXPECT_TRUE(table.has_room(principal(1), kNow + 3000));
    EXPECT_EQ(table.size(), 0u);
}

TEST(ReplayTable, one_principal_fills_half_and_all_fill_the_whole) {
    ReplayTable table;
    const auto fill = [&](std::uint8_t who, std::size_t count, UnixMs expires) {
        for (std::size_t i = 0; i < count; ++i)
            table.insert(principal(who), std::to_string(i), entry(1, expires), kNow);
    };
    constexpr std::size_t half = ReplayTable::kMaxEntries / 2;
    fill(1, half - 1, kNow + 1000);
    EXPECT_TRUE(table.has_room(principal(1), kNow));
    table.insert(principal(1), "last", entry(1, kNow + 1000), kNow);
    EXPECT_FALSE(table.has_room(principal(1), kNow));
    EXPECT_TRUE(table.has_room(principal(2), kNow)) << "the other half is for others";
    fill(2, half - 1, kNow + 2000);
    fill(3, 1, kNow + 2000);
    EXPECT_EQ(table.size(), ReplayTable::kMaxEntries);
    for (std::uint8_t who = 1; who < 5; ++who)
        EXPECT_FALSE(table.has_room(principal(who), kNow));
    EXPECT_TRUE(table.find(principal(1), "last", kNow)) << "full, and nothing is forgotten";

    EXPECT_TRUE(table.has_room(principal(1), kNow + 1000));
    EXPECT_EQ(table.size(), half);
    EXPECT_TRUE(table.find(principal(2), "7", kNow + 1000));
    EXPECT_TRUE(table.has_room(principal(2), kNow + 2000));
    EXPECT_EQ(table.size(), 0u);
}

TEST(ReplayTable, many_threads_write_and_find) {
    ReplayTable table;
    std::atomic<int> wrong = 0;
    {
        std::vector<std::jthread> threads;
        for (std::uint8_t t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (UnixMs i = 0; i < 2000; ++i) {
                    const std::string nonce = std::to_string(i);
                    if (table.has_room(principal(t), kNow))
                        table.insert(principal(t), nonce, entry(t), kNow);
                    const auto found = table.find(principal(t), nonce, kNow);
                    wrong += found && found->request[0] == t ? 0 : 1;
                }
            });
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(table.size(), 8000u);
}

} // namespace
} // namespace redoubt::enclave
