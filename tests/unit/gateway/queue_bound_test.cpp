// SPDX-License-Identifier: Apache-2.0
// One enclave in simulated time: it answers in order, each request takes as long as the next, and a probe
// every kEveryMs tells the bound how long that is.
#include "gateway/queue_bound.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <random>
#include <vector>

namespace redoubt::gateway {
namespace {

constexpr std::int64_t kSecond = 1'000'000; // times are in µs
constexpr std::int64_t kProbeUs = 120;      // a signature

struct Seen {
    std::vector<std::int64_t> times; // of those that were answered
    std::size_t refused = 0;
    std::int64_t at(double fraction) {
        std::ranges::sort(times);
        return times.empty()
                   ? 0
                   : times[static_cast<std::size_t>(fraction * static_cast<double>(times.size() - 1))];
    }
    std::size_t offered() const { return times.size() + refused; }
};

class Enclave {
  public:
    explicit Enclave(std::int64_t each_us, std::size_t most = 4'096) : bound(most), each_us_(each_us) {}

    // Clients who know nothing of each other: so many requests a second.
    Seen open(double rate, std::int64_t for_us) {
        std::exponential_distribution<double> gap(rate / kSecond);
        const std::int64_t end = now_ + for_us;
        Seen seen;
        for (double due = static_cast<double>(now_) + gap(random_); due < static_cast<double>(end);
             due += gap(random_)) {
            pass(static_cast<std::int64_t>(due));
            ask(seen);
        }
        pass(end);
        return seen;
    }
    // Each asks again when it is answered, or when it was told to.
    Seen closed(std::size_t clients, std::int64_t for_us) {
        std::priority_queue<std::int64_t, std::vector<std::int64_t>, std::greater<>> due;
        for (std::size_t i = 0; i < clients; ++i)
            due.push(now_);
        Seen seen;
        for (const std::int64_t end = now_ + for_us; due.top() < end;) {
            pass(due.top());
            due.pop();
            const auto answered = ask(seen);
            due.push(answered ? *answered : now_ + kSecond);
        }
        return seen;
    }
    Seen burst(std::size_t requests) {
        Seen seen;
        for (std::size_t i = 0; i < requests; ++i)
            ask(seen);
        return seen;
    }
    // The enclave is not on a processor from now on.
    void stall(std::int64_t for_us) { free_at_ = std::max(free_at_, now_) + for_us; }
    void takes(std::int64_t each_us) { each_us_ = each_us; }
    void pass(std::int64_t until) {
        for (; next_look_ <= until; next_look_ += std::int64_t{QueueBound::kEveryMs} * 1'000) {
            answer(next_look_);
            look();
        }
        answer(until);
        now_ = until;
    }
    std::int64_t now() const noexcept { return now_; }

    QueueBound bound;

  private:
    struct Probe {
        std::int64_t sent, answered;
        std::size_t ahead;
    };

    std::int64_t work(std::int64_t takes_us) { return free_at_ = std::max(free_at_, now_) + takes_us; }

    std::optional<std::int64_t> ask(Seen& seen) {
        if (queue_.size() >= bound.limit()) {
            bound.turned_away(now_);
            ++seen.refused;
            return std::nullopt;
        }
        bound.let_in();
        queue_.push_back(work(each_us_));
        seen.times.push_back(queue_.back() - now_);
        return queue_.back();
    }
    void answer(std::int64_t until) {
        while (!queue_.empty() && queue_.front() <= until)
            queue_.pop_front();
        if (!probe_ || probe_->answered > until)
            return;
        bound.probed(probe_->ahead, probe_->answered - probe_->sent);
        probe_.reset();
    }
    void look() {
        now_ = next_look_;
        bound.look(now_, queue_.size());
        if (probe_)
            return bound.waits(probe_->ahead, now_ - probe_->sent);
        if (!bound.matters(queue_.size()))
            return;
        const std::size_t ahead = queue_.size();
        queue_.push_back(work(kProbeUs));
        probe_ = Probe{now_, queue_.back(), ahead};
    }

    std::int64_t each_us_, now_ = kSecond, next_look_ = kSecond, free_at_ = 0;
    std::deque<std::int64_t> queue_; // when each is answered
    std::optional<Probe> probe_;
    std::mt19937_64 random_{7};
};

TEST(QueueBound, at_five_times_what_the_enclave_can_do_accepted_requests_take_three_times_as_long_at_most) {
    for (const std::int64_t each_us : {120, 250, 2'000, 10'000}) {
        const double can = static_cast<double>(kSecond) / static_cast<double>(each_us);
        Enclave enclave(each_us);
        Seen calm = enclave.open(0.7 * can, 60 * kSecond);
        EXPECT_EQ(calm.refused, 0u) << each_us;
        Seen storm = enclave.open(5 * can, 60 * kSecond);
        EXPECT_LE(storm.at(0.99), 3 * calm.at(0.99)) << each_us;
        EXPECT_GE(static_cast<double>(storm.times.size()), 0.95 * 60 * can)
            << each_us << ": it is never idle";
    }
}

TEST(QueueBound, it_is_over_soon_after_it_is_over) {
    Enclave enclave(250);
    (void)enclave.open(20'000, 60 * kSecond);
    EXPECT_TRUE(enclave.bound.crowded());
    (void)enclave.open(2'800, 2 * kSecond + 100'000);
    EXPECT_FALSE(enclave.bound.crowded());
    EXPECT_EQ(enclave.open(2'800, 60 * kSecond).refused, 0u);
}

TEST(QueueBound, a_burst_is_answered_whole) {
    Enclave enclave(250);
    EXPECT_EQ(enclave.burst(500).refused, 0u) << "before anything is known";
    enclave.pass(enclave.now() + kSecond);
    EXPECT_EQ(enclave.burst(500).refused, 0u);
    enclave.pass(enclave.now() + kSecond);
    EXPECT_GT(enclave.burst(2'000).refused, 1'000u) << "but not one of half a second";
}

TEST(QueueBound, a_slow_enclave_takes_a_small_burst_too) {
    Enclave enclave(20'000);
    (void)enclave.burst(32);
    enclave.pass(enclave.now() + kSecond);
    EXPECT_EQ(enclave.burst(QueueBound::kBurst).refused, 0u);
}

TEST(QueueBound, clients_that_wait_for_their_answers_are_not_refused) {
    Enclave enclave(250);
    for (const std::size_t clients : {16u, 64u, 256u, 500u}) {
        EXPECT_EQ(enclave.closed(clients, 10 * kSecond).refused, 0u) << clients;
        enclave.pass(enclave.now() + kSecond);
    }
}

TEST(QueueBound, and_are_not_for_long_after_a_storm_that_others_made) {
    Enclave enclave(250);
    (void)enclave.open(20'000, 5 * kSecond);
    (void)enclave.closed(128, 5 * kSecond);
    EXPECT_EQ(enclave.closed(128, 10 * kSecond).refused, 0u);
}

TEST(QueueBound, a_moment_without_a_processor_costs_no_request) {
    Enclave enclave(250);
    (void)enclave.open(2'800, 5 * kSecond);
    for (int i = 0; i < 20; ++i) {
        enclave.stall(150'000);
        EXPECT_EQ(enclave.open(2'800, kSecond).refused, 0u);
    }
}

TEST(QueueBound, bursts_that_the_enclave_can_do_are_answered_whole_again_soon_after_a_stall) {
    Enclave enclave(120);
    const auto burst = [&](std::size_t requests, std::int64_t then_us) {
        const auto refused = enclave.burst(requests).refused;
        enclave.pass(enclave.now() + then_us);
        return refused;
    };
    for (int i = 0; i < 6; ++i)
        EXPECT_EQ(burst(100, kSecond / 2), 0u);
    enclave.stall(300'000);
    for (int i = 0; i < 6; ++i)
        (void)burst(100, kSecond / 2);
    for (int i = 0; i < 60; ++i)
        EXPECT_EQ(burst(100, kSecond / 2), 0u) << i;
}

TEST(QueueBound, large_bursts_at_an_eighth_of_what_the_enclave_can_do_are_let_in_up_to_the_bound) {
    Enclave enclave(250);
    std::size_t refused = 0;
    for (int i = 0; i < 30; ++i) {
        refused += enclave.burst(1'000).refused;
        enclave.pass(enclave.now() + 2 * kSecond);
    }
    EXPECT_LT(refused, 30u * 300u); // four fifths of a second's burst are answered within kLongUs
}

TEST(QueueBound, a_little_too_much_is_crowded_most_of_the_time) {
    Enclave enclave(250);
    (void)enclave.open(5'200, 40 * kSecond);
    Seen seen = enclave.open(5'200, 60 * kSecond);
    EXPECT_LT(seen.at(0.9), 10'000);
    EXPECT_LE(seen.at(1), QueueBound::kLongUs + QueueBound::kLongUs / 4);
}

TEST(QueueBound, requests_that_suddenly_take_longer_are_noticed) {
    Enclave enclave(100);
    (void)enclave.open(7'000, 5 * kSecond);
    enclave.takes(10'000);
    (void)enclave.open(500, 30 * kSecond);
    EXPECT_LE(enclave.open(500, 30 * kSecond).at(0.99), 250'000);
}

TEST(QueueBound, requests_that_wait_elsewhere_do_not_lower_it) {
    QueueBound bound(4'096);
    for (int i = 0; i < 100; ++i)
        bound.probed(4'000, 300); // they wait for KMS, and the probe passes them
    EXPECT_EQ(bound.limit(), 4'096u);
}

TEST(QueueBound, never_goes_above_what_is_configured) {
    QueueBound small(4);
    small.probed(4, 60 * kSecond);
    EXPECT_EQ(small.limit(), 4u);
    small.turned_away(kSecond);
    EXPECT_EQ(small.limit(), 4u);
}

TEST(QueueBound, a_probe_is_worth_while_behind_a_queue_and_while_it_is_crowded) {
    QueueBound bound(4'096);
    EXPECT_FALSE(bound.matters(QueueBound::kQueue - 1));
    EXPECT_TRUE(bound.matters(QueueBound::kQueue));
    bound.turned_away(kSecond);
    EXPECT_TRUE(bound.matters(0));
}

} // namespace
} // namespace redoubt::gateway
