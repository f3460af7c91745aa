// SPDX-License-Identifier: Apache-2.0
#include "gateway/credential_keeper.h"

#include "base/log.h"

#include <algorithm>
#include <utility>

namespace redoubt::gateway {

CredentialKeeper::CredentialKeeper(net::EventLoop& loop, WorkerPool& workers, Fetch fetch,
                                   std::function<void(const Credentials&)> changed)
    : loop_(loop), workers_(workers), fetch_(std::move(fetch)), changed_(std::move(changed)) {}

CredentialKeeper::~CredentialKeeper() {
    if (timer_set_)
        loop_.cancel(timer_);
}

void CredentialKeeper::start() {
    fetch();
}

void CredentialKeeper::refresh(std::function<void(Status)> done) {
    if (!fetching_ && current_ && monotonic_ms() - fetched_at_ < kFreshMs)
        return done({});
    waiting_.push_back(std::move(done));
    fetch();
}

void CredentialKeeper::fetch() {
    if (std::exchange(fetching_, true))
        return;
    const bool taken =
        workers_.submit([this, alive = std::weak_ptr<Alive>(alive_), &loop = loop_, work = fetch_] {
            auto result = std::make_shared<Result<aws::Credentials>>(work());
            loop.post([this, alive, result] {
                if (!alive.expired())
                    fetched(std::move(*result));
            });
        });
    if (!taken)
        fetched(fail(Code::Overloaded, "the gateway has too much waiting work; try again in a second"));
}

void CredentialKeeper::fetched(Result<aws::Credentials> result) {
    fetching_ = false;
    Status status;
    if (result) {
        fetched_at_ = monotonic_ms();
        retry_ms_ = kFirstRetryMs;
        current_ = std::make_shared<const aws::Credentials>(std::move(*result));
        if (current_->expires != 0) {
            const std::int64_t left = current_->expires - system_time_ms();
            schedule(std::max<std::int64_t>(left - std::min(kRenewAheadMs, left / 4), kFreshMs));
        }
        changed_(current_);
    } else {
        // The context names each source and why it failed; it quotes no answer (aws/credential_parts.h).
        log(LogLevel::Error, "AWS credentials cannot be fetched",
            {{"code", code_name(result.error().code)},
             {"why", result.error().text.view()},
             {"sources", result.error().context}});
        schedule(retry_ms_);
        retry_ms_ = std::min(retry_ms_ * 2, kLongestRetryMs);
        status = std::unexpected(std::move(result.error()));
    }
    for (const auto& done : std::exchange(waiting_, {}))
        done(status);
}

void CredentialKeeper::schedule(std::int64_t ms) {
    if (timer_set_)
        loop_.cancel(timer_);
    timer_set_ = true;
    constexpr std::int64_t kLongestTimerMs = 3'600'000;
    timer_ = loop_.after(static_cast<int>(std::min(ms, kLongestTimerMs)), [this] {
        timer_set_ = false;
        fetch();
    });
}

} // namespace redoubt::gateway
