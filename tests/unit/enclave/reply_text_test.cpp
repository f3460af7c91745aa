// SPDX-License-Identifier: Apache-2.0
#include "enclave/reply_text.h"

#include <gtest/gtest.h>

namespace redoubt::enclave {
namespace {

TEST(ReplyText, memory_is_used_again_and_what_was_in_it_is_not) {
    std::string first = take_text(2'000);
    EXPECT_GE(first.capacity(), 2'000U);
    first = std::string(2'000, 'x');
    const char* const memory = first.data();
    give_text(std::move(first));
    const std::string again = take_text(1'500);
    EXPECT_EQ(again.data(), memory);
    EXPECT_TRUE(again.empty());
}

TEST(ReplyText, short_and_long_ones_are_not_kept) {
    for (const std::size_t size : {10U, 100'000U}) {
        give_text(std::string(size, 'x'));
        EXPECT_LT(take_text(1'200).capacity(), 8'192U) << size;
    }
}

TEST(ReplyText, one_that_is_too_short_grows) {
    give_text(std::string(1'100, 'x'));
    const std::string text = take_text(50'000);
    EXPECT_TRUE(text.empty());
    EXPECT_GE(text.capacity(), 50'000U);
}

} // namespace
} // namespace redoubt::enclave
