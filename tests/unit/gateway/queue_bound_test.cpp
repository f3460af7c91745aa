// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue_bound.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace redoubt::gateway {
namespace {

// An enclave that answers `rate` a second in order, and clients that always want more: whatever the bound
// allows is there when the next probe is sent.
struct Saturated {
    QueueBound bound{4096};
    std::int64_t now = 1'000'000;
    std::size_t outstanding = 0;

    void steps(double rate, int n) {
        for (int i = 0; i < n; ++i) {
            outstanding = bound.limit();
            const auto took = static_cast<std::int64_t>(1e6 * static_cast<double>(outstanding) / rate);
            // Looked at while it is under way, as the pool does.
            for (std::int64_t waited = 10'000; waited < took; waited += 10'000)
                bound.waits(outstanding, waited, now + waited);
            now += took;
            bound.probed(outstanding, took, now);
            now += 10'000;
        }
    }
};

TEST(QueueBound, what_waits_settles_at_what_is_answered_within_the_target) {
    for (const double rate : {500.0, 5'000.0, 30'000.0}) {
        Saturated enclave;
        enclave.steps(rate, 10);
        const double fit = rate * static_cast<double>(QueueBound::kTargetUs) / 1e6;
        for (int i = 0; i < 40; ++i) {
            enclave.steps(rate, 1);
            EXPECT_LE(static_cast<double>(enclave.outstanding), 1.6 * fit) << rate;
            EXPECT_GE(static_cast<double>(enclave.outstanding), 0.6 * fit) << rate;
        }
    }
}

TEST(QueueBound, one_probe_that_stays_late_is_enough_to_reach_the_least) {
    QueueBound bound(4096);
    for (std::int64_t waited = 10'000; waited <= 2'000'000; waited += 10'000)
        bound.waits(300, waited, 1'000'000 + waited);
    EXPECT_EQ(bound.limit(), QueueBound::kLeast);
}

TEST(QueueBound, a_moment_without_a_processor_costs_no_more_than_the_soft_bound) {
    QueueBound bound(4096);
    for (std::int64_t waited = 10'000; waited <= 400'000; waited += 10'000)
        bound.waits(600, waited, 1'000'000 + waited);
    EXPECT_EQ(bound.limit(), QueueBound::kSoft);
    QueueBound shorter(4096);
    shorter.probed(200, 120'000, 1'000'000);
    EXPECT_EQ(shorter.limit(), 4096u) << "a little late is not late";
}

TEST(QueueBound, lateness_counts_only_as_long_as_no_probe_is_in_time) {
    QueueBound bound(4096);
    for (std::int64_t now = 1'000'000; now < 3'000'000; now += 100'000) {
        bound.probed(400, 180'000, now);
        bound.probed(100, 1'000, now + 50'000);
    }
    EXPECT_GE(bound.limit(), QueueBound::kSoft);
}

TEST(QueueBound, grows_again_when_the_enclave_is_fast_and_the_bound_is_what_holds) {
    Saturated enclave;
    enclave.steps(200, 12);
    EXPECT_EQ(enclave.bound.limit(), QueueBound::kLeast);
    const auto before = enclave.now;
    enclave.steps(1e9, 20);
    EXPECT_EQ(enclave.bound.limit(), 4096u);
    EXPECT_LT(enclave.now - before, 300'000) << "and soon";
}

TEST(QueueBound, does_not_grow_when_nobody_needs_it) {
    Saturated enclave;
    enclave.steps(200, 12);
    for (int i = 0; i < 100; ++i)
        enclave.bound.probed(1, 100, enclave.now += 10'000);
    EXPECT_EQ(enclave.bound.limit(), QueueBound::kLeast);
}

TEST(QueueBound, requests_that_wait_elsewhere_do_not_lower_it) {
    QueueBound bound(4096);
    for (int i = 0; i < 100; ++i)
        bound.probed(4'000, 300, 1'000'000 + i * 10'000); // they wait for KMS, and the probe passes them
    EXPECT_EQ(bound.limit(), 4096u);
}

TEST(QueueBound, never_goes_above_what_is_configured) {
    QueueBound small(4);
    small.probed(4, 60'000'000, 60'000'000);
    EXPECT_EQ(small.limit(), 4u);
    small.probed(4, 1, 60'000'001);
    EXPECT_EQ(small.limit(), 4u);
}

TEST(QueueBound, a_probe_is_worth_while_behind_a_queue_and_at_the_bound) {
    QueueBound bound(4096);
    EXPECT_FALSE(bound.matters(QueueBound::kQueue - 1));
    EXPECT_TRUE(bound.matters(QueueBound::kQueue));
    for (std::int64_t waited = 10'000; waited <= 2'000'000; waited += 10'000)
        bound.waits(300, waited, 1'000'000 + waited);
    EXPECT_TRUE(bound.matters(QueueBound::kLeast)) << "else it would never grow again";
}

} // namespace
} // namespace redoubt::gateway
