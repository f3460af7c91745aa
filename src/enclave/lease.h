// SPDX-License-Identifier: Apache-2.0
// The right to use a key for a while. A vault's lease is shared by every key opened from it; when it ends,
// none of them signs.
#pragma once

#include "base/clock.h"

#include <atomic>

namespace redoubt::enclave {

struct Lease {
    std::atomic<UnixMs> until{0}; // trusted time; 0: ended for good
    bool valid(UnixMs now) const noexcept { return now < until.load(std::memory_order_relaxed); }
    void end() noexcept { until = 0; }
};

} // namespace redoubt::enclave
