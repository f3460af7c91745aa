// SPDX-License-Identifier: Apache-2.0
// Randomness for keys: each 32 bytes are SHA-256 of 32 bytes from the NSM and 32 from the kernel's generator,
// so that either alone suffices. Thread-safe. A source that fails ends the process: no key is ever made from
// less.
#pragma once

#include "crypto/random.h"
#include "nitro/nsm.h"

#include <mutex>

namespace redoubt::enclave {

class MixedRandom final : public crypto::Random {
  public:
    explicit MixedRandom(nitro::Nsm& nsm) noexcept : nsm_(nsm) {}
    void fill(std::span<std::uint8_t> out) override;

  private:
    void take_nsm(std::span<std::uint8_t> out);
    nitro::Nsm& nsm_;
    crypto::SystemRandom kernel_;
    std::mutex mutex_;
    Secret pool_; // what the NSM gave and nobody used yet
    std::size_t used_ = 0;
};

} // namespace redoubt::enclave
