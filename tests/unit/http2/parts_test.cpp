// SPDX-License-Identifier: Apache-2.0
#include "http2/budget.h"
#include "http2/memory.h"
#include "http2/request_head.h"

#include <gtest/gtest.h>

#include <vector>

namespace redoubt::http2::tests {
namespace {

TEST(Http2Budget, allows_a_burst_and_then_the_rate) {
    Budget budget(3, 10, 1'000);
    EXPECT_TRUE(budget.spend(1'000));
    EXPECT_TRUE(budget.spend(1'000));
    EXPECT_TRUE(budget.spend(1'000));
    EXPECT_FALSE(budget.spend(1'000));
    EXPECT_FALSE(budget.spend(1'099));
    EXPECT_TRUE(budget.spend(1'100));
    EXPECT_FALSE(budget.spend(1'100));
    budget.earn(1);
    EXPECT_TRUE(budget.spend(1'100));
    int count = 0; // a long wait brings the burst, not more
    while (budget.spend(10'000'000))
        ++count;
    EXPECT_EQ(count, 3);
}

TEST(Http2Memory, is_counted_and_bounded) {
    BlockPool pool;
    Memory memory(pool);
    nghttp2_mem* const calls = memory.get();
    void* const small = calls->malloc(10, calls->mem_user_data);
    ASSERT_NE(small, nullptr);
    EXPECT_GE(memory.used(), 10U);
    EXPECT_EQ(calls->malloc(Memory::kMaxUsed, calls->mem_user_data), nullptr);
    EXPECT_EQ(calls->malloc(SIZE_MAX, calls->mem_user_data), nullptr);
    EXPECT_EQ(calls->calloc(SIZE_MAX / 2, 4, calls->mem_user_data), nullptr);
    calls->free(small, calls->mem_user_data);
    calls->free(nullptr, calls->mem_user_data);
    EXPECT_EQ(memory.used(), 0U);
}

TEST(Http2Memory, a_block_larger_than_what_was_asked_for_does_not_pass_the_bound) {
    BlockPool pool;
    Memory memory(pool);
    nghttp2_mem* const calls = memory.get();
    std::vector<void*> blocks;
    while (memory.used() < Memory::kMaxUsed - 192)
        blocks.push_back(calls->malloc(64, calls->mem_user_data));
    ASSERT_EQ(memory.used(), Memory::kMaxUsed - 192);
    EXPECT_EQ(calls->malloc(150, calls->mem_user_data), nullptr); // it would take 256
    blocks.push_back(calls->malloc(100, calls->mem_user_data));
    EXPECT_NE(blocks.back(), nullptr);
    EXPECT_EQ(calls->malloc(100, calls->mem_user_data), nullptr);
    EXPECT_LE(memory.used(), Memory::kMaxUsed);
    for (void* block : blocks)
        calls->free(block, calls->mem_user_data);
    EXPECT_EQ(memory.used(), 0U);
}

TEST(Http2Memory, blocks_are_used_again_and_grow_with_their_contents) {
    BlockPool pool;
    Memory memory(pool);
    nghttp2_mem* const calls = memory.get();
    void* const first = calls->malloc(1'000, calls->mem_user_data);
    calls->free(first, calls->mem_user_data);
    auto* const text = static_cast<char*>(calls->calloc(1'000, 1, calls->mem_user_data));
    EXPECT_EQ(text, first);
    EXPECT_TRUE(std::all_of(text, text + 1'000, [](char c) { return c == 0; }));
    std::fill_n(text, 1'000, 'a');
    auto* const grown = static_cast<char*>(calls->realloc(text, 100'000, calls->mem_user_data));
    ASSERT_NE(grown, nullptr);
    EXPECT_TRUE(std::all_of(grown, grown + 1'000, [](char c) { return c == 'a'; }));
    EXPECT_EQ(calls->realloc(grown, Memory::kMaxUsed + 1, calls->mem_user_data), nullptr);
    EXPECT_EQ(grown[999], 'a'); // what did not grow is as it was
    calls->free(grown, calls->mem_user_data);
    EXPECT_EQ(memory.used(), 0U);
}

TEST(Http2RequestHead, is_used_for_one_request_after_another) {
    RequestHead head;
    for (int i = 0; i < 2; ++i) {
        head.begin({}, true);
        head.field(":path", "/a?b");
        head.field(":method", "GET");
        head.field(":authority", "localhost");
        head.field(":scheme", "https");
        head.field("a", "b");
        ASSERT_TRUE(head.end());
        EXPECT_EQ(head.request.path, "/a");
        EXPECT_EQ(head.request.query, "b");
        EXPECT_EQ(head.request.headers.size(), 2U);
        EXPECT_EQ(head.request.header("host"), "localhost");
        EXPECT_EQ(head.length(), std::nullopt);

        head.begin({}, true);
        head.field("content-length", "5");
        EXPECT_FALSE(head.end()); // nothing of the one before is left
        EXPECT_EQ(head.method(), "");
    }
}

TEST(Http2RequestHead, names_are_in_lower_case) { // which libnghttp2's clients make them
    for (const char* name : {"x", "X", "content-Type", "Host"}) {
        RequestHead head;
        head.begin({}, true);
        head.field(":method", "GET");
        head.field(":path", "/");
        head.field(":authority", "localhost");
        head.field(":scheme", "https");
        head.field(name, "localhost");
        EXPECT_EQ(head.end().has_value(), std::string_view(name) == "x") << name;
    }
}

TEST(Http2RequestHead, a_connection_without_tls_has_another_scheme) {
    for (const bool secure : {true, false}) {
        RequestHead head;
        head.begin({}, secure);
        head.field(":method", "GET");
        head.field(":path", "/");
        head.field(":authority", "localhost");
        head.field(":scheme", "http");
        EXPECT_EQ(head.end().has_value(), !secure);
    }
}

} // namespace
} // namespace redoubt::http2::tests
