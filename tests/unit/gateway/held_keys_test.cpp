// SPDX-License-Identifier: Apache-2.0
#include "gateway/held_keys.h"

#include "crypto/random.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

std::vector<sealed::KeyId> some_keys(std::size_t count) {
    crypto::SystemRandom random;
    std::vector<sealed::KeyId> out(count);
    for (auto& id : out)
        id = random.array<16>();
    return out;
}

std::size_t use_all(HeldKeys& held, const std::vector<sealed::KeyId>& keys) {
    std::size_t out = 0;
    for (const auto& id : keys)
        if (held.use(id))
            ++out;
    return out;
}

TEST(HeldKeys, as_many_as_fit_are_held_from_their_first_use_on) {
    for (const std::size_t most : {std::size_t{1'000}, std::size_t{100'000}, HeldKeys::kMost}) {
        HeldKeys held(most);
        const auto keys = some_keys(most * 95 / 100);
        EXPECT_LE(use_all(held, keys), keys.size() / 1'000) << most;
        for (int round = 0; round < 3; ++round)
            EXPECT_GE(use_all(held, keys), keys.size() * 95 / 100) << most;
        held.clear();
        EXPECT_LE(use_all(held, keys), keys.size() / 1'000) << most;
    }
}

TEST(HeldKeys, the_least_recently_used_go_first) {
    HeldKeys held(1'000);
    const auto first = some_keys(500), others = some_keys(1'000);
    use_all(held, first);
    const sealed::KeyId used = first.front(), unused = first.back();
    for (const auto& id : others) {
        held.use(id);
        EXPECT_TRUE(held.use(used));
    }
    EXPECT_FALSE(held.use(unused));
    EXPECT_TRUE(held.use(unused));
}

// With ten times as many keys as fit, all as likely, a tenth of the uses finds its key.
TEST(HeldKeys, of_many_more_keys_those_are_held_that_an_enclave_holds) {
    HeldKeys held(5'000);
    const auto keys = some_keys(50'000);
    crypto::SystemRandom random;
    std::size_t found = 0;
    constexpr std::size_t kUses = 100'000;
    for (std::size_t i = 0; i < kUses; ++i) {
        const auto bytes = random.array<4>();
        const std::size_t at = (std::size_t{bytes[0]} << 16) | (std::size_t{bytes[1]} << 8) | bytes[2];
        if (held.use(keys[at % keys.size()]))
            ++found;
    }
    EXPECT_GT(found, kUses * 7 / 100);
    EXPECT_LT(found, kUses * 13 / 100);
}

TEST(HeldKeys, a_single_one) {
    HeldKeys held(1);
    const auto keys = some_keys(2);
    EXPECT_FALSE(held.use(keys[0]));
    EXPECT_FALSE(held.use(keys[1]));
    EXPECT_FALSE(held.use(keys[0]));
}

TEST(HeldKeys, how_many_is_read_from_the_manifest) {
    EXPECT_EQ(held_keys_of(R"({"redoubt_manifest":1,"limits":{"key_cache_entries":12}})"), 12u);
    for (const char* other : {"", "{}", "[1]", R"({"limits":3})", R"({"limits":{"key_cache_entries":"12"}})",
                              R"({"limits":{"key_cache_entries":0}})"})
        EXPECT_EQ(held_keys_of(other), 100'000u) << other;
}

} // namespace
} // namespace redoubt::gateway
