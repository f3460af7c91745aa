// SPDX-License-Identifier: Apache-2.0
#include "gateway/held_keys.h"

#include <gtest/gtest.h>

#include <random>

namespace redoubt::gateway {
namespace {

// The same ones in every run: that two ids look alike is rare, and would be found in one of many.
std::vector<sealed::KeyId> some_keys(std::size_t count) {
    std::mt19937_64 random(7);
    std::vector<sealed::KeyId> out(count);
    for (auto& id : out)
        for (auto& byte : id)
            byte = static_cast<std::uint8_t>(random());
    return out;
}

bool use(HeldKeys& held, const sealed::KeyId& id) {
    const bool out = held.holds(id);
    held.use(id);
    EXPECT_TRUE(held.holds(id));
    return out;
}

std::size_t use_all(HeldKeys& held, const std::vector<sealed::KeyId>& keys) {
    std::size_t out = 0;
    for (const auto& id : keys)
        if (use(held, id))
            ++out;
    return out;
}

TEST(HeldKeys, as_many_as_fit_are_held_from_their_first_use_on) {
    for (const std::size_t most : {std::size_t{1'000}, std::size_t{100'000}, HeldKeys::kMost}) {
        HeldKeys held(most);
        const auto keys = some_keys(most * 95 / 100);
        EXPECT_LE(use_all(held, keys), keys.size() / 100) << most;
        for (int round = 0; round < 3; ++round)
            EXPECT_GE(use_all(held, keys), keys.size() * 90 / 100) << most;
        held.clear();
        EXPECT_LE(use_all(held, keys), keys.size() / 100) << most;
    }
}

TEST(HeldKeys, the_least_recently_used_go_first) {
    HeldKeys held(1'000);
    const auto keys = some_keys(1'600);
    const auto& used = keys[0];
    const auto& unused = keys[499];
    for (std::size_t i = 0; i < 500; ++i)
        held.use(keys[i]);
    for (std::size_t i = 500; i < keys.size(); ++i) {
        held.use(keys[i]);
        EXPECT_TRUE(use(held, used));
    }
    EXPECT_FALSE(held.holds(unused));
}

// With ten times as many keys as fit, all as likely, a tenth of the uses finds its key.
TEST(HeldKeys, of_many_more_keys_those_are_held_that_an_enclave_holds) {
    HeldKeys held(5'000);
    const auto keys = some_keys(50'000);
    std::mt19937_64 random(8);
    std::size_t found = 0;
    constexpr std::size_t kUses = 100'000;
    for (std::size_t i = 0; i < kUses; ++i)
        if (use(held, keys[random() % keys.size()]))
            ++found;
    EXPECT_GT(found, kUses * 7 / 100);
    EXPECT_LT(found, kUses * 13 / 100);
}

TEST(HeldKeys, an_enclave_that_holds_more_than_are_counted_holds_all) {
    HeldKeys held(HeldKeys::kMost + 1);
    EXPECT_TRUE(held.holds(some_keys(1)[0]));
}

TEST(HeldKeys, a_single_one) {
    HeldKeys held(1);
    const auto keys = some_keys(2);
    EXPECT_FALSE(use(held, keys[0]));
    EXPECT_FALSE(use(held, keys[1]));
    EXPECT_FALSE(use(held, keys[0]));
}

TEST(HeldKeys, how_many_is_read_from_the_manifest) {
    EXPECT_EQ(held_keys_of(R"({"redoubt_manifest":1,"limits":{"key_cache_entries":12}})"), 12u);
    for (const char* other : {"", "{}", "[1]", R"({"limits":3})", R"({"limits":{"key_cache_entries":"12"}})",
                              R"({"limits":{"key_cache_entries":0}})"})
        EXPECT_EQ(held_keys_of(other), 100'000u) << other;
}

} // namespace
} // namespace redoubt::gateway
