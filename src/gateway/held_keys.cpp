// SPDX-License-Identifier: Apache-2.0
#include "gateway/held_keys.h"

#include "base/json.h"

#include <algorithm>
#include <bit>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kDefault = 100'000; // trust/manifest.h

} // namespace

// Sets are half full of what is held, so that few of it are pushed out by chance.
HeldKeys::HeldKeys(std::size_t most)
    : sets_(std::bit_ceil(std::clamp<std::size_t>(most, kWays, kMost) / (kWays / 2))),
      step_(std::max<std::size_t>(1, std::min(most, kMost) / kTicks)),
      ticks_(std::max<std::size_t>(1, std::min(most, kMost) / step_)),
      now_(static_cast<std::uint16_t>(ticks_)) {}

bool HeldKeys::use(const sealed::KeyId& id) {
    if (slots_.empty())
        slots_.resize(sets_ * kWays);
    // Ids are random or digests.
    const std::size_t hash = (std::size_t{id[0]} << 16) | (std::size_t{id[1]} << 8) | id[2];
    const auto tag = static_cast<std::uint16_t>((id[3] << 8) | id[4]);
    const auto set = slots_.begin() + static_cast<std::ptrdiff_t>((hash & (sets_ - 1)) * kWays);
    const auto end = set + kWays;
    auto found = std::find_if(set, end, [&](const Slot& slot) { return slot.tag == tag; });
    const bool held = found != end && static_cast<std::uint16_t>(now_ - found->used) < ticks_;
    if (!held && ++in_tick_ >= step_) {
        in_tick_ = 0;
        ++now_;
    }
    if (found == end)
        found = end - 1; // the set's least recently used one
    std::rotate(set, found, found + 1);
    *set = {tag, now_};
    return held;
}

void HeldKeys::clear() noexcept {
    slots_ = {};
    in_tick_ = 0;
    now_ = static_cast<std::uint16_t>(ticks_);
}

std::size_t held_keys_of(std::string_view manifest) {
    json::Document document;
    const auto root = document.parse(manifest);
    const auto limits = root ? root->get("limits") : std::nullopt;
    const auto entries = limits ? limits->get("key_cache_entries") : std::nullopt;
    const auto most = entries ? entries->u64() : std::nullopt;
    return most && *most > 0 ? static_cast<std::size_t>(*most) : kDefault;
}

} // namespace redoubt::gateway
