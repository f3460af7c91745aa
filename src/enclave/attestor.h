// SPDX-License-Identifier: Apache-2.0
// Attestation documents with user_data that the enclave alone builds (design invariant 11): {version,
// purpose, digest}. Documents that clients cause are rate-limited, so that they can't starve KMS calls or the
// clock; statements of keys have a budget of their own, which asking for identities can't use up.
// Thread-safe.
#pragma once

#include "base/clock.h"
#include "nitro/nsm.h"

#include <mutex>
#include <string_view>

namespace redoubt::enclave {

// So many a second on average, with a burst.
class RateLimit {
  public:
    RateLimit(int per_second, int burst) noexcept
        : cost_ms_(1000 / per_second), most_ms_(burst * cost_ms_), tokens_ms_(most_ms_) {}
    bool take(int count = 1) noexcept; // all or none

  private:
    std::mutex mutex_;
    std::int64_t cost_ms_, most_ms_, tokens_ms_; // counted in milliseconds of waiting
    std::int64_t filled_at_ = monotonic_ms();
};

class Attestor {
  public:
    explicit Attestor(nitro::Nsm& nsm) noexcept : nsm_(nsm) {}

    // An empty nonce or public key is left out. Error: NsmFailed.
    Result<Bytes> document(std::string_view purpose, const Hash32& digest, ByteView nonce,
                           ByteView public_key);
    // Asked before a client's document is made, and before anything else is done for it. Error:
    // TooManyRequests.
    Status allow_statement(int count = 1);
    Status allow_identity();
    Status allow_change(); // of a key's state: whoever disables one must not wait behind others' statements

    // A P-384 signature costs the NSM some milliseconds.
    static constexpr int kStatementRate = 50, kStatementBurst = 100;
    static constexpr int kIdentityRate = 20, kIdentityBurst = 40;
    static constexpr int kChangeRate = 20, kChangeBurst = 40;

  private:
    nitro::Nsm& nsm_;
    RateLimit statements_{kStatementRate, kStatementBurst};
    RateLimit identities_{kIdentityRate, kIdentityBurst};
    RateLimit changes_{kChangeRate, kChangeBurst};
};

} // namespace redoubt::enclave
