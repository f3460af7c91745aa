// SPDX-License-Identifier: Apache-2.0
// A Random that gives the same bytes in every run.
#pragma once

#include "crypto/random.h"

#include <random>

namespace redoubt::crypto {

class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out)
            byte = static_cast<std::uint8_t>(engine_());
    }
    Bytes bytes(std::size_t size) {
        Bytes out(size);
        fill(out);
        return out;
    }
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(engine_() % bound); }

  private:
    std::mt19937_64 engine_;
};

} // namespace redoubt::crypto
