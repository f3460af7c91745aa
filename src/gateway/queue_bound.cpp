// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue_bound.h"

#include <algorithm>

namespace redoubt::gateway {

void QueueBound::probed(std::size_t outstanding, std::int64_t took_us, std::int64_t now_us) noexcept {
    if (took_us > kTargetUs)
        return late(outstanding, took_us, now_us);
    late_since_us_ = 0;
    // It grows while it is the bound that holds requests back: fast where there is much room.
    if (outstanding * 2 >= limit_)
        limit_ = std::min(
            most_, limit_ + std::max<std::size_t>(1, took_us * 2 <= kTargetUs ? limit_ / 2 : limit_ / 16));
}

void QueueBound::waits(std::size_t outstanding, std::int64_t for_us, std::int64_t now_us) noexcept {
    if (for_us > kTargetUs)
        late(outstanding, for_us, now_us);
}

void QueueBound::late(std::size_t outstanding, std::int64_t took_us, std::int64_t now_us) noexcept {
    if (late_since_us_ == 0)
        late_since_us_ = now_us - (took_us - kTargetUs);
    const bool persistent = now_us - late_since_us_ >= kPatienceUs;
    if (!persistent && took_us < kLateUs)
        return;
    // Little's law: so many had left within the target.
    constexpr std::size_t kMost = 1u << 20; // keeps the product small
    const auto fit = static_cast<std::size_t>(static_cast<std::int64_t>(std::min(outstanding, kMost)) *
                                              kTargetUs / took_us);
    limit_ = std::clamp(fit, std::min(persistent ? kLeast : kSoft, limit_), limit_);
}

} // namespace redoubt::gateway
