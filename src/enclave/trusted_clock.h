// SPDX-License-Identifier: Apache-2.0
// Time that the host can't set: the NSM's attestation timestamp, carried forward by the monotonic clock and
// fetched anew each minute. Never goes backwards. Each refresh measures how far the carried time had drifted
// and corrects it. Thread-safe.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <atomic>

namespace redoubt::enclave {

class Attestor;

class TrustedClock {
  public:
    Status refresh(Attestor& attestor);   // Error: NsmFailed
    UnixMs now() const noexcept;          // 0 before the first refresh
    std::int64_t age_ms() const noexcept; // since the last refresh

    // What the last refresh found: the NSM's time less ours, positive where ours was slow, and over how long
    // it had been carried. Zeros before the second refresh.
    struct Drift {
        std::int64_t step_ms, over_ms;
    };
    Drift drift() const noexcept { return {step_ms_, over_ms_}; }

  private:
    std::atomic<std::int64_t> offset_{0};       // NSM time − monotonic time
    std::atomic<std::int64_t> refreshed_at_{0}; // monotonic
    std::atomic<std::int64_t> step_ms_{0}, over_ms_{0};
    mutable std::atomic<UnixMs> latest_{0};
};

} // namespace redoubt::enclave
