// SPDX-License-Identifier: Apache-2.0
// Attestation documents with user_data that the enclave alone builds (design invariant 11): {version,
// purpose, digest}. Documents that clients cause are rate-limited, so that they can't starve KMS calls or the
// clock. Thread-safe.
#pragma once

#include "base/clock.h"
#include "nitro/nsm.h"

#include <mutex>
#include <string_view>

namespace redoubt::enclave {

class Attestor {
  public:
    explicit Attestor(nitro::Nsm& nsm) noexcept : nsm_(nsm) {}

    // An empty nonce or public key is left out. Error: NsmFailed.
    Result<Bytes> document(std::string_view purpose, const Hash32& digest, ByteView nonce,
                           ByteView public_key);
    // The same on a client's behalf: at most kClientRate a second. Error: TooManyRequests as well.
    Result<Bytes> document_for_client(std::string_view purpose, const Hash32& digest, ByteView nonce);

    static constexpr int kClientRate = 50; // a P-384 signature costs the NSM some milliseconds
    static constexpr int kClientBurst = 100;

  private:
    nitro::Nsm& nsm_;
    std::mutex mutex_;
    std::int64_t tokens_ms_ = kClientBurst * (1000 / kClientRate);
    std::int64_t filled_at_ = monotonic_ms();
};

} // namespace redoubt::enclave
