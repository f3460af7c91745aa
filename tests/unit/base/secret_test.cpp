// SPDX-License-Identifier: Apache-2.0
#include "base/secret.h"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <type_traits>
#include <vector>

namespace redoubt {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret> && std::is_nothrow_move_assignable_v<Secret>);

ByteView seen(const Secret& secret) {
    return secret.view(SecretAccess("look at it in a test"));
}

void fill(Secret& secret, std::uint8_t value) {
    std::ranges::fill(secret.mutable_view(SecretAccess("fill it in a test")), value);
}

bool all(ByteView bytes, std::uint8_t value) {
    return std::ranges::all_of(bytes, [&](std::uint8_t byte) { return byte == value; });
}

TEST(Secret, starts_as_zeros) {
    const Secret secret(40);
    EXPECT_EQ(secret.size(), 40u);
    EXPECT_TRUE(all(seen(secret), 0));
    EXPECT_TRUE(Secret().empty());
    EXPECT_TRUE(Secret(0).empty());
}

TEST(Secret, copies_the_bytes_it_is_made_of) {
    Bytes source{1, 2, 3};
    const Secret secret = Secret::copy_of(source);
    EXPECT_EQ(to_bytes(seen(secret)), (Bytes{1, 2, 3}));
    EXPECT_EQ(source, (Bytes{1, 2, 3}));
    EXPECT_TRUE(Secret::copy_of({}).empty());
}

TEST(Secret, taking_wipes_the_source) {
    Bytes source{1, 2, 3};
    const Secret secret = Secret::take(std::span(source));
    EXPECT_EQ(to_bytes(seen(secret)), (Bytes{1, 2, 3}));
    EXPECT_EQ(source, (Bytes{0, 0, 0}));

    std::string text = "a credential that is longer than the small-string buffer";
    const char* const memory = text.data();
    const std::size_t size = text.size();
    const Secret from_text = Secret::take(text);
    EXPECT_EQ(from_text.text(SecretAccess("look at it in a test")).substr(0, 12), "a credential");
    EXPECT_TRUE(text.empty());
    EXPECT_TRUE(all({reinterpret_cast<const std::uint8_t*>(memory), size}, 0)) << "the string still owns it";
}

TEST(Secret, wiping_a_text_reaches_what_lies_behind_its_end) {
    std::string text(100, 's');
    text.resize(10);
    const char* const memory = text.data();
    wipe(text);
    ASSERT_EQ(text.data(), memory);
    EXPECT_TRUE(all({reinterpret_cast<const std::uint8_t*>(memory), 100}, 0));
}

TEST(Secret, a_move_leaves_nothing_behind) {
    Secret first = Secret::copy_of(Bytes{1, 2, 3});
    const auto* const memory = seen(first).data();
    Secret second = std::move(first);
    EXPECT_TRUE(first.empty()); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(seen(second).data(), memory);
    EXPECT_EQ(to_bytes(seen(second)), (Bytes{1, 2, 3}));
}

TEST(Secret, a_move_assignment_wipes_what_was_held) {
    Secret held(64);
    fill(held, 0xaa);
    const auto* const memory = seen(held).data();
    held = Secret::copy_of(Bytes(64, 0xbb));
    EXPECT_TRUE(all(seen(held), 0xbb));
    const Secret reused(64); // the pool hands out the block that was freed last
    ASSERT_EQ(seen(reused).data(), memory);
    EXPECT_TRUE(all(seen(reused), 0));
}

TEST(Secret, survives_assignment_to_itself) {
    Secret secret = Secret::copy_of(Bytes{1, 2, 3});
    Secret& same = secret;
    secret = std::move(same);
    EXPECT_EQ(to_bytes(seen(secret)), (Bytes{1, 2, 3}));
}

TEST(Secret, memory_is_zero_when_it_is_handed_out_again) {
    for (const std::size_t size : {1u, 8u, 31u, 32u, 33u, 64u, 100u, 256u, 1000u, 2048u, 4096u}) {
        const std::uint8_t* memory = nullptr;
        {
            Secret secret(size);
            fill(secret, 0xee);
            memory = seen(secret).data();
        }
        const Secret reused(size);
        ASSERT_EQ(seen(reused).data(), memory) << size;
        EXPECT_TRUE(all(seen(reused), 0)) << size;
    }
}

TEST(Secret, wipe_makes_it_empty_and_frees_its_memory_as_zeros) {
    Secret secret(128);
    fill(secret, 0xcc);
    const auto* const memory = seen(secret).data();
    secret.wipe();
    EXPECT_TRUE(secret.empty());
    EXPECT_TRUE(seen(secret).empty());
    secret.wipe();
    const Secret reused(128);
    ASSERT_EQ(seen(reused).data(), memory);
    EXPECT_TRUE(all(seen(reused), 0));
}

TEST(Secret, larger_ones_have_pages_of_their_own) {
    Secret secret(5000);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(seen(secret).data()) % 4096, 0u);
    EXPECT_TRUE(all(seen(secret), 0));
    fill(secret, 1);
    const Secret copy = secret.clone();
    EXPECT_TRUE(equal_secrets(copy, secret));
}

TEST(Secret, a_clone_is_equal_and_independent) {
    Secret original = Secret::copy_of(Bytes{1, 2, 3});
    Secret copy = original.clone();
    EXPECT_NE(seen(copy).data(), seen(original).data());
    EXPECT_TRUE(equal_secrets(original, copy));
    copy.mutable_view(SecretAccess("change it in a test"))[0] = 9;
    EXPECT_FALSE(equal_secrets(original, copy));
    EXPECT_EQ(seen(original)[0], 1);
    EXPECT_TRUE(Secret().clone().empty());
}

TEST(Secret, equality_looks_at_length_and_content) {
    const Secret a = Secret::copy_of(Bytes{1, 2});
    EXPECT_TRUE(equal_secrets(a, Secret::copy_of(Bytes{1, 2})));
    EXPECT_FALSE(equal_secrets(a, Secret::copy_of(Bytes{1, 3})));
    EXPECT_FALSE(equal_secrets(a, Secret::copy_of(Bytes{1})));
    EXPECT_FALSE(equal_secrets(a, Secret()));
    EXPECT_TRUE(equal_secrets(Secret(), Secret()));
}

TEST(Secret, many_at_once_do_not_overlap) {
    std::vector<Secret> secrets;
    for (int i = 0; i < 5000; ++i) {
        secrets.emplace_back(32);
        fill(secrets.back(), static_cast<std::uint8_t>(i));
    }
    for (int i = 0; i < 5000; ++i)
        ASSERT_TRUE(all(seen(secrets[static_cast<std::size_t>(i)]), static_cast<std::uint8_t>(i)));
}

TEST(Secret, threads_share_the_pool) {
    std::vector<std::jthread> threads;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([t, &wrong] {
            for (int i = 0; i < 20000; ++i) {
                Secret secret(static_cast<std::size_t>(1 + i % 200));
                wrong += !all(seen(secret), 0);
                fill(secret, static_cast<std::uint8_t>(t + 1));
                wrong += !all(seen(secret), static_cast<std::uint8_t>(t + 1));
            }
        });
    threads.clear();
    EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace redoubt
