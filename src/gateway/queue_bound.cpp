// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue_bound.h"

#include <algorithm>

namespace redoubt::gateway {

std::size_t QueueBound::limit() const noexcept {
    if (crowded_)
        return std::min(kFew, most_);
    const std::int64_t each_ns = std::max(each_ns_, slow_ns_);
    if (each_ns == 0)
        return most_;
    return std::min(most_, std::max(kBurst, static_cast<std::size_t>(kLongUs * 1'000 / each_ns)));
}

namespace {

// Nanoseconds that each of them took.
std::int64_t each_of(std::size_t ahead, std::int64_t took_us) noexcept {
    constexpr std::size_t kMost = 1u << 20; // keeps the quotient sensible
    const auto requests = static_cast<std::int64_t>(std::min(ahead, kMost) + 1); // itself, too
    return std::max<std::int64_t>(took_us * 1'000 / requests, 1);
}

} // namespace

void QueueBound::learn(std::size_t ahead, std::int64_t took_us) noexcept {
    samples_[taken_++ % samples_.size()] = each_of(ahead, took_us);
    auto known = samples_;
    const auto end = known.begin() + static_cast<std::ptrdiff_t>(std::min(taken_, known.size()));
    const auto middle = known.begin() + (end - known.begin() - 1) / 2;
    std::nth_element(known.begin(), middle, end);
    each_ns_ = *middle;
}

void QueueBound::probed(std::size_t ahead, std::int64_t took_us) noexcept {
    if (took_us > kLongUs)
        return waits(ahead, took_us);
    slow_ns_ = 0;
    if (ahead >= kQueue) // else the way there and back would count as work
        learn(ahead, took_us);
}

// Longer than anything may wait: what was learnt before does not hold until a probe is quick again.
void QueueBound::waits(std::size_t ahead, std::int64_t for_us) noexcept {
    if (for_us > kLongUs)
        slow_ns_ = each_of(ahead, for_us);
}

void QueueBound::turned_away(std::int64_t now_us) noexcept {
    ++turned_away_;
    if (crowded_)
        return;
    // Calm for less time than it was crowded: that was too soon.
    crowded_for_us_ = calm_since_us_ != 0 && now_us - calm_since_us_ < crowded_for_us_
                          ? std::min(2 * crowded_for_us_, kLongestUs)
                          : kCrowdedUs;
    crowded_ = true;
    crowded_until_us_ = now_us + crowded_for_us_;
    let_in_ = turned_away_ = looks_ = idle_looks_ = 0;
    while_since_us_ = now_us;
}

void QueueBound::look(std::int64_t now_us, std::size_t queued) noexcept {
    if (!crowded_)
        return;
    ++looks_;
    if (queued < kQueue)
        ++idle_looks_;
    if (now_us - while_since_us_ < kCrowdedUs)
        return;
    // Bursts that come one after the other are refused in part, and yet the enclave could do more.
    const bool idle = 2 * idle_looks_ >= looks_;
    const bool few = turned_away_ * kFewRefused < let_in_ + turned_away_ || turned_away_ == 0;
    let_in_ = turned_away_ = looks_ = idle_looks_ = 0;
    while_since_us_ = now_us;
    if (!idle && (!few || now_us < crowded_until_us_))
        return;
    crowded_ = false;
    calm_since_us_ = now_us;
}

} // namespace redoubt::gateway
