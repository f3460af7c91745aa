// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue_bound.h"

#include <algorithm>

namespace redoubt::gateway {

std::size_t QueueBound::limit() const noexcept {
    if (crowded_)
        return std::min(kFew, most_);
    if (each_ns_ == 0)
        return most_;
    return std::min(most_, std::max(kBurst, static_cast<std::size_t>(kLongUs * 1'000 / each_ns_)));
}

void QueueBound::learn(std::size_t ahead, std::int64_t took_us) noexcept {
    constexpr std::size_t kMost = 1u << 20; // keeps the quotient sensible
    const auto requests = static_cast<std::int64_t>(std::min(ahead, kMost) + 1); // itself, too
    samples_[taken_++ % samples_.size()] = std::max<std::int64_t>(took_us * 1'000 / requests, 1);
    auto known = samples_;
    const auto end = known.begin() + static_cast<std::ptrdiff_t>(std::min(taken_, known.size()));
    const auto middle = known.begin() + (end - known.begin() - 1) / 2;
    std::nth_element(known.begin(), middle, end);
    each_ns_ = *middle;
}

void QueueBound::probed(std::size_t ahead, std::int64_t took_us) noexcept {
    if (took_us > kLongUs)
        return waits(ahead, took_us);
    if (ahead >= kQueue) // else the way there and back would count as work
        learn(ahead, took_us);
}

// Longer than anything may wait: what was learnt before does not hold any more.
void QueueBound::waits(std::size_t ahead, std::int64_t for_us) noexcept {
    if (for_us <= kLongUs)
        return;
    taken_ = 0;
    learn(ahead, for_us);
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
    let_in_ = turned_away_ = 0;
    while_since_us_ = now_us;
}

void QueueBound::look(std::int64_t now_us) noexcept {
    if (!crowded_ || now_us - while_since_us_ < kCrowdedUs)
        return;
    const bool few = turned_away_ * kFewRefused < let_in_ + turned_away_ || turned_away_ == 0;
    let_in_ = turned_away_ = 0;
    while_since_us_ = now_us;
    if (!few || now_us < crowded_until_us_)
        return;
    crowded_ = false;
    calm_since_us_ = now_us;
}

} // namespace redoubt::gateway
