// SPDX-License-Identifier: Apache-2.0
// Randomness as an injected dependency. SystemRandom is the kernel's generator (getrandom(2), blocking until
// seeded). The enclave mixes it with the NSM's (enclave/mixed_random.h). Implementations are thread-safe and
// never fail quietly: a generator that cannot deliver ends the process.
#pragma once

#include "base/secret.h"

namespace redoubt::crypto {

class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::uint8_t> out) = 0;

    template<std::size_t N>
    ByteArray<N> array() {
        ByteArray<N> out;
        fill(out);
        return out;
    }
    Secret secret(std::size_t size) {
        Secret out(size);
        fill(out.mutable_view(SecretAccess("fill a fresh secret with randomness")));
        return out;
    }
};

class SystemRandom final : public Random {
  public:
    void fill(std::span<std::uint8_t> out) override;
};

} // namespace redoubt::crypto
