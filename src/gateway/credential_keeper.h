// SPDX-License-Identifier: Apache-2.0
// Keeps AWS credentials fresh: fetched at the start, renewed ahead of their end, fetched anew when an enclave
// says that KMS no longer takes them. Loop thread only; the fetch itself runs on a worker.
#pragma once

#include "aws/credentials.h"
#include "base/worker_pool.h"
#include "net/event_loop.h"

#include <functional>
#include <memory>
#include <vector>

namespace redoubt::gateway {

class CredentialKeeper {
  public:
    using Fetch = std::function<Result<aws::Credentials>()>; // blocking, called on a worker
    using Credentials = std::shared_ptr<const aws::Credentials>;

    // `changed` is told of every new set. The loop and workers outlive the keeper.
    CredentialKeeper(net::EventLoop& loop, WorkerPool& workers, Fetch fetch,
                     std::function<void(const Credentials&)> changed);
    ~CredentialKeeper();
    CredentialKeeper(const CredentialKeeper&) = delete;
    CredentialKeeper& operator=(const CredentialKeeper&) = delete;

    void start();
    const Credentials& current() const noexcept { return current_; } // null: none yet
    // Fetches, unless a set came within the last second; any number of callers share one fetch. Errors: the
    // fetch's.
    void refresh(std::function<void(Status)> done);

    static constexpr std::int64_t kFreshMs = 1'000;
    static constexpr std::int64_t kRenewAheadMs =
        15 * 60'000; // or a quarter of what is left, if that is less
    static constexpr std::int64_t kFirstRetryMs = 500;
    static constexpr std::int64_t kLongestRetryMs = 30'000;

  private:
    struct Alive {};
    void fetch();
    void fetched(Result<aws::Credentials> result);
    void schedule(std::int64_t ms);

    net::EventLoop& loop_;
    WorkerPool& workers_;
    Fetch fetch_;
    std::function<void(const Credentials&)> changed_;
    Credentials current_;
    std::vector<std::function<void(Status)>> waiting_;
    std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
    std::int64_t fetched_at_ = 0;
    std::int64_t retry_ms_ = kFirstRetryMs;
    net::EventLoop::TimerId timer_ = 0;
    bool timer_set_ = false;
    bool fetching_ = false;
};

} // namespace redoubt::gateway
