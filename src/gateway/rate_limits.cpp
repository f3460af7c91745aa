// SPDX-License-Identifier: Apache-2.0
#include "gateway/rate_limits.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::int64_t kToken = 1'000'000; // a rate of r a second is r millionths of a token a microsecond
constexpr std::int64_t kAtOnceWaitUs = 1'000'000;

} // namespace

std::optional<std::int64_t> TokenBucket::take(const ClientLimit& limit, std::int64_t now_us) noexcept {
    if (limit.rate_per_second == 0)
        return std::nullopt;
    const std::int64_t rate = std::min(limit.rate_per_second, ClientLimit::kMaxRate);
    const std::int64_t full = kToken * (limit.burst != 0 ? std::int64_t{limit.burst} : rate);
    if (!std::exchange(started_, true)) {
        millionths_ = full;
    } else {
        // Never more than it holds, so that the product stays far below 2^63.
        const std::int64_t passed = std::clamp<std::int64_t>(now_us - filled_at_us_, 0, full / rate + 1);
        millionths_ = std::min(full, millionths_ + passed * rate);
    }
    filled_at_us_ = now_us;
    if (millionths_ >= kToken) {
        millionths_ -= kToken;
        return std::nullopt;
    }
    return (kToken - millionths_ + rate - 1) / rate;
}

Admission::Admission(std::shared_ptr<ClientLoad> load, const ClientLimit& limit) noexcept
    : load_(std::move(load)), limit_(limit) {
    ++load_->in_work;
}

void Admission::release() noexcept {
    if (std::exchange(held_, false))
        --load_->in_work;
}

std::optional<std::int64_t> Admission::charge(std::int64_t now_us) noexcept {
    if (std::exchange(first_, false))
        return std::nullopt;
    return load_->bucket.take(limit_, now_us);
}

RateLimits::Outcome RateLimits::admit(const std::string& client, const ClientLimit& limit,
                                      std::int64_t now_us) {
    auto& load = loads_[client];
    if (!load)
        load = std::make_shared<ClientLoad>();
    if (limit.concurrency != 0 && load->in_work >= limit.concurrency)
        return {nullptr, kAtOnceWaitUs, true};
    if (const auto wait = load->bucket.take(limit, now_us))
        return {nullptr, *wait, false};
    return {std::make_shared<Admission>(load, limit), 0, false};
}

void RateLimits::keep_only(const std::set<std::string>& clients) {
    std::erase_if(
        loads_, [&](const auto& each) { return each.second->in_work == 0 && !clients.contains(each.first); });
}

std::string retry_after_seconds(std::int64_t wait_us) {
    return std::to_string(std::max<std::int64_t>(1, (wait_us + 999'999) / 1'000'000));
}

} // namespace redoubt::gateway
