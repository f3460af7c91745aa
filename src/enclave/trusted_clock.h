// SPDX-License-Identifier: Apache-2.0
// Time that the host can't set: the NSM's attestation timestamp, carried forward by the monotonic clock and
// fetched anew each minute. Never goes backwards. Thread-safe.
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

  private:
    std::atomic<std::int64_t> offset_{0};       // NSM time − monotonic time
    std::atomic<std::int64_t> refreshed_at_{0}; // monotonic
    mutable std::atomic<UnixMs> latest_{0};
};

} // namespace redoubt::enclave
