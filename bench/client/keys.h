// SPDX-License-Identifier: Apache-2.0
// The keys to sign with, a million of them if need be, and which one each signature is asked of.
#pragma once

#include "client/spec.h"
#include "ethereum/address.h"

#include <random>

namespace redoubt::bench {

class Keys {
  public:
    // Lines "key_id address". No file: no keys.
    explicit Keys(const std::string& file);
    std::size_t size() const noexcept { return addresses_.size(); }
    std::string_view id(std::size_t key) const noexcept {
        return std::string_view(ids_).substr(ends_[key], ends_[key + 1] - ends_[key]);
    }
    const ethereum::Address& address(std::size_t key) const noexcept { return addresses_[key]; }

  private:
    std::string ids_; // one after the other
    std::vector<std::uint32_t> ends_{0};
    std::vector<ethereum::Address> addresses_;
};

// Seeded: two runs ask the same keys in the same order.
class Picker {
  public:
    Picker(Pick how, std::size_t keys, std::uint64_t seed);
    std::uint32_t next();

  private:
    Pick how_;
    std::mt19937_64 random_;
    std::uniform_int_distribution<std::uint32_t> any_;
    std::vector<double> below_;       // Zipf: the share of the ranks up to each
    std::vector<std::uint32_t> rank_; // Zipf: which key has it
};

} // namespace redoubt::bench
