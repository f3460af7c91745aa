// SPDX-License-Identifier: Apache-2.0
#include "gateway/rate_limits.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

TEST(TokenBucket, without_a_rate_everything_passes) {
    TokenBucket bucket;
    for (int i = 0; i < 100'000; ++i)
        ASSERT_FALSE(bucket.take({}, 1));
}

TEST(TokenBucket, a_burst_passes_at_once_and_then_the_rate_holds) {
    TokenBucket bucket;
    const ClientLimit limit{10, 3, 0};
    std::int64_t now = 5 * kSecondUs;
    for (int i = 0; i < 3; ++i)
        EXPECT_FALSE(bucket.take(limit, now)) << i;
    EXPECT_EQ(bucket.take(limit, now), kSecondUs / 10);
    now += kSecondUs / 10 - 1;
    EXPECT_EQ(bucket.take(limit, now), 1);
    now += 1;
    EXPECT_FALSE(bucket.take(limit, now));
    EXPECT_TRUE(bucket.take(limit, now));
}

TEST(TokenBucket, over_a_minute_exactly_the_rate_passes_however_often_one_asks) {
    TokenBucket bucket;
    const ClientLimit limit{7, 7, 0};
    std::int64_t passed = 0;
    for (std::int64_t now = 0; now <= 60 * kSecondUs; now += 997)
        passed += bucket.take(limit, now) ? 0 : 1;
    EXPECT_GE(passed, 7 + 60 * 7 - 1);
    EXPECT_LE(passed, 7 + 60 * 7);
}

TEST(TokenBucket, a_long_pause_fills_it_no_further_than_its_burst) {
    TokenBucket bucket;
    const ClientLimit limit{ClientLimit::kMaxRate, 2, 0};
    EXPECT_FALSE(bucket.take(limit, 0));
    const std::int64_t later = std::int64_t{1} << 60;
    EXPECT_FALSE(bucket.take(limit, later));
    EXPECT_FALSE(bucket.take(limit, later));
    EXPECT_TRUE(bucket.take(limit, later));
}

TEST(RateLimits, as_many_are_in_work_as_the_concurrency_says_until_one_is_released) {
    RateLimits limits;
    const ClientLimit limit{0, 0, 2};
    auto first = limits.admit("a", limit, 0).admission;
    auto second = limits.admit("a", limit, 0).admission;
    ASSERT_TRUE(first && second);
    const auto third = limits.admit("a", limit, 0);
    EXPECT_FALSE(third.admission);
    EXPECT_TRUE(third.too_many_at_once);
    EXPECT_TRUE(limits.admit("b", limit, 0).admission) << "another client has its own";
    first->release();
    first->release(); // counts once
    auto fourth = limits.admit("a", limit, 0).admission;
    EXPECT_TRUE(fourth);
    EXPECT_FALSE(limits.admit("a", limit, 0).admission);
    second.reset(); // unanswered and gone is as good as answered
    EXPECT_TRUE(limits.admit("a", limit, 0).admission);
}

TEST(RateLimits, a_request_pays_for_its_first_call_and_each_further_one_costs_a_token) {
    RateLimits limits;
    const ClientLimit limit{1, 3, 0};
    const auto admission = limits.admit("a", limit, 0).admission;
    ASSERT_TRUE(admission);
    EXPECT_FALSE(admission->charge(0)) << "paid when it was let in";
    EXPECT_FALSE(admission->charge(0));
    EXPECT_FALSE(admission->charge(0));
    EXPECT_EQ(admission->charge(0), kSecondUs);
    EXPECT_EQ(limits.admit("a", limit, 0).wait_us, kSecondUs);
}

TEST(RateLimits, a_reload_forgets_clients_that_are_gone_but_not_what_they_have_in_work) {
    RateLimits limits;
    const ClientLimit limit{1, 1, 0};
    const auto busy = limits.admit("busy", limit, 0).admission;
    (void)limits.admit("gone", limit, 0);
    (void)limits.admit("stays", limit, 0);
    EXPECT_EQ(limits.clients(), 3u);
    limits.keep_only({"stays"});
    EXPECT_EQ(limits.clients(), 2u);
    EXPECT_FALSE(limits.admit("stays", limit, 0).admission) << "its bucket was kept as it was";
}

TEST(RateLimits, retry_after_is_whole_seconds_and_never_zero) {
    EXPECT_EQ(retry_after_seconds(1), "1");
    EXPECT_EQ(retry_after_seconds(kSecondUs), "1");
    EXPECT_EQ(retry_after_seconds(kSecondUs + 1), "2");
}

} // namespace
} // namespace redoubt::gateway
