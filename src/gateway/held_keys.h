// SPDX-License-Identifier: Apache-2.0
// A guess at the keys that an enclave holds open, from those that it was asked to use lately. Right or wrong,
// the enclave decides the same: a key that it was thought to hold costs one more message when it asks for the
// record after all, and one that it does hold a read of the store. Not thread-safe.
#pragma once

#include "sealed/key_record.h"

#include <vector>

namespace redoubt::gateway {

class HeldKeys {
  public:
    static constexpr std::size_t kMost = 1'000'000; // keys; of an enclave with more, each is said to be held
    // `most`: how many an enclave holds, the least recently used being the first to go. From the first use on
    // it takes 8 to 16 bytes for each, 64 at the least.
    explicit HeldKeys(std::size_t most);

    bool holds(const sealed::KeyId& id) const noexcept; // whether the enclave should still hold the key
    void use(const sealed::KeyId& id);                  // from now on it does, as the latest
    // As one that has just started.
    void clear() noexcept;

  private:
    // Time is counted in keys that came to be held, `step_` of them a tick; it wraps around, so that a key
    // unused for very long may be taken for a recent one.
    struct Slot {
        std::uint16_t tag, used; // of the id; and when
    };
    static constexpr std::size_t kWays = 8;
    static constexpr std::size_t kTicks = 1024; // that a key is held for, if so many fit

    static std::size_t hash(const sealed::KeyId& id) noexcept;
    static std::uint16_t tag(const sealed::KeyId& id) noexcept;
    bool recent(const Slot& slot) const noexcept;
    bool all_held() const noexcept { return most_ > kMost; }

    std::size_t most_, sets_, step_, ticks_, in_tick_ = 0;
    std::uint16_t now_;
    std::vector<Slot> slots_; // sets of kWays, each with its latest first
};

// What a manifest says of how many keys an enclave holds open; the format's default where that cannot be
// read.
std::size_t held_keys_of(std::string_view manifest);

} // namespace redoubt::gateway
