// SPDX-License-Identifier: Apache-2.0
#include "enclave/revision_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace redoubt::enclave {
namespace {

sealed::KeyId numbered(std::uint64_t n) {
    sealed::KeyId id{};
    // The low bytes alike: many ids share their place in the table.
    for (std::size_t i = 0; i < 8; ++i)
        id[8 + i] = static_cast<std::uint8_t>(n >> (8 * i));
    id[0] = static_cast<std::uint8_t>(n % 7);
    return id;
}

TEST(RevisionTable, knows_the_highest_revision_that_it_was_told_of) {
    RevisionTable table;
    std::map<sealed::KeyId, std::uint32_t> wanted;
    std::mt19937_64 random(7);
    for (int i = 0; i < 20'000; ++i) {
        const auto id = numbered(random() % 3'000);
        const auto revision = static_cast<std::uint32_t>(random() % 5);
        ASSERT_TRUE(table.raise(id, revision));
        if (revision != 0)
            wanted[id] = std::max(wanted[id], revision);
        ASSERT_EQ(table.known(id), wanted.contains(id) ? wanted[id] : 0u);
    }
    EXPECT_EQ(table.size(), wanted.size());
    for (const auto& [id, revision] : wanted)
        EXPECT_EQ(table.known(id), revision);
    EXPECT_EQ(table.known(numbered(1'000'000)), 0u);
}

TEST(RevisionTable, remembers_no_more_keys_than_its_bound_and_forgets_none) {
    RevisionTable table;
    sealed::KeyId id{};
    const auto set = [&](std::size_t n) {
        for (std::size_t i = 0; i < 8; ++i)
            id[i] = static_cast<std::uint8_t>((n * 0x9e3779b97f4a7c15u) >> (8 * i));
    };
    for (std::size_t n = 0; n < RevisionTable::kMaxKeys; ++n) {
        set(n);
        ASSERT_TRUE(table.raise(id, 2));
    }
    set(RevisionTable::kMaxKeys);
    EXPECT_FALSE(table.raise(id, 2));
    EXPECT_EQ(table.known(id), 0u);
    set(12'345);
    EXPECT_TRUE(table.raise(id, 3)) << "one that is there can still grow";
    EXPECT_EQ(table.known(id), 3u);
}

TEST(RevisionTable, keeps_a_record_until_its_revision_is_stored) {
    RevisionTable table;
    EXPECT_TRUE(table.keep(numbered(1), 5, {1, 2}));
    table.stored(numbered(1), 4);
    EXPECT_EQ(table.unstored(numbered(1)), (Bytes{1, 2}));
    EXPECT_TRUE(table.keep(numbered(1), 6, {3}));
    table.stored(numbered(1), 5);
    EXPECT_EQ(table.unstored(numbered(1)), (Bytes{3}));
    table.stored(numbered(1), 6);
    EXPECT_EQ(table.unstored(numbered(1)), std::nullopt);
    EXPECT_FALSE(table.has_unstored());
    for (std::size_t n = 0; n < RevisionTable::kMaxUnstored; ++n)
        EXPECT_TRUE(table.keep(numbered(n), 2, {}));
    EXPECT_FALSE(table.keep(numbered(RevisionTable::kMaxUnstored), 2, {}));
    EXPECT_TRUE(table.keep(numbered(3), 3, {}));
}

} // namespace
} // namespace redoubt::enclave
