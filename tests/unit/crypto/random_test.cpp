// SPDX-License-Identifier: Apache-2.0
#include "crypto/random.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace redoubt::crypto {
namespace {

TEST(SystemRandom, fills_every_byte) {
    SystemRandom random;
    // Above 256 bytes getrandom may be interrupted and deliver less at once.
    for (const std::size_t size : {std::size_t{1}, std::size_t{33}, std::size_t{100'000}}) {
        Bytes ored(size);
        for (int round = 0; round < 16; ++round) {
            Bytes bytes(size);
            random.fill(bytes);
            for (std::size_t i = 0; i < size; ++i)
                ored[i] |= bytes[i];
        }
        // A byte stays 0 sixteen times with probability 2^-128.
        EXPECT_EQ(std::ranges::count(ored, 0), 0) << size;
    }
    random.fill({});
}

TEST(SystemRandom, does_not_repeat_itself) {
    SystemRandom random;
    std::set<ByteArray<16>> seen;
    for (int i = 0; i < 1000; ++i)
        EXPECT_TRUE(seen.insert(random.array<16>()).second);
}

TEST(SystemRandom, fills_secrets) {
    SystemRandom random;
    const Secret a = random.secret(32);
    const Secret b = random.secret(32);
    EXPECT_EQ(a.size(), 32u);
    EXPECT_FALSE(equal_secrets(a, b));
    EXPECT_FALSE(equal_secrets(a, Secret(32)));
}

} // namespace
} // namespace redoubt::crypto
