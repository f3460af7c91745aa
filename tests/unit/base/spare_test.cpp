// SPDX-License-Identifier: Apache-2.0
#include "base/inline_text.h"
#include "base/spare.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <gtest/gtest.h>
#include <set>
#include <thread>
#include <vector>

namespace redoubt {

namespace {

struct Thing {
    explicit Thing(int& its_count) : count(its_count) { ++count; }
    ~Thing() { --count; }
    Thing(const Thing&) = delete;
    Thing& operator=(const Thing&) = delete;
    int& count;
    std::array<char, 1000> room{}; // a size that no other test uses
};

} // namespace

TEST(Spare, an_object_takes_the_memory_of_one_that_has_ended) {
    int alive = 0;
    auto first = make_spare_shared<Thing>(alive);
    const void* const where = first.get();
    EXPECT_EQ(alive, 1);
    first.reset();
    EXPECT_EQ(alive, 0);
    const auto second = make_spare_shared<Thing>(alive);
    const auto third = make_spare_shared<Thing>(alive);
    if (kMaxSpare > 0) {
        EXPECT_EQ(second.get(), where);
    }
    EXPECT_NE(second.get(), third.get());
    EXPECT_EQ(alive, 2);
}

// Few of them, and with any sanitizer.
using Few = SpareBlocks<72, 4>;

TEST(Spare, more_than_may_wait_are_freed) {
    std::vector<void*> all;
    for (int i = 0; i < 10; ++i)
        all.push_back(Few::take());
    for (std::size_t i = 0; i < all.size(); ++i) {
        Few::give(all[i]);
        EXPECT_EQ(Few::waiting(), std::min<std::size_t>(i + 1, 4));
    }
    std::set<void*> again;
    for (std::size_t left = 4; left > 0; --left) {
        EXPECT_EQ(Few::waiting(), left);
        EXPECT_TRUE(again.insert(Few::take()).second);
    }
    EXPECT_EQ(again, std::set<void*>(all.begin(), all.begin() + 4));
    EXPECT_EQ(Few::waiting(), 0u);
    for (void* const block : again)
        Few::give(block);
}

TEST(Spare, threads_free_what_others_made_and_leave_nothing) {
    std::vector<void*> all;
    for (int i = 0; i < 6; ++i)
        all.push_back(Few::take());
    const std::size_t here = Few::waiting();
    std::thread([&] {
        for (void* const block : all)
            Few::give(block);
        EXPECT_EQ(Few::waiting(), 4u); // which go with the thread: a leak would be LeakSanitizer's to tell
    }).join();
    EXPECT_EQ(Few::waiting(), here);
}

TEST(Spare, a_vector_outgrows_its_block) {
    std::vector<int, SpareAllocator<int, 4>> numbers;
    for (int i = 0; i < 1000; ++i)
        numbers.push_back(i);
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(numbers[static_cast<std::size_t>(i)], i);
    const auto copy = numbers;
    numbers.clear();
    numbers.shrink_to_fit();
    EXPECT_EQ(copy.size(), 1000u);
}

TEST(InlineText, holds_what_it_was_given) {
    InlineText<8> text = "abc";
    EXPECT_EQ(text, "abc");
    EXPECT_EQ(text.str(), "abc");
    EXPECT_FALSE(text.empty());
    const InlineText<8> copy = text;
    text = std::string_view();
    EXPECT_TRUE(text.empty());
    EXPECT_EQ(copy, "abc");
    EXPECT_EQ(InlineText<8>("12345678"), "12345678");
}

TEST(InlineText, is_cut_off_and_is_not_what_it_was_cut_from) {
    const InlineText<4> text = "abcdef";
    EXPECT_EQ(text, "abcd");
    EXPECT_FALSE(text == std::string("abcdef"));
}

} // namespace redoubt
