// SPDX-License-Identifier: Apache-2.0
#include "gateway/held_keys.h"

#include "base/json.h"

#include <algorithm>
#include <bit>
#include <span>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kDefault = 100'000; // trust/manifest.h

} // namespace

// Sets are half full of what is held, so that few of it are pushed out by chance.
HeldKeys::HeldKeys(std::size_t most)
    : most_(std::max<std::size_t>(most, 1)),
      sets_(std::bit_ceil(std::clamp<std::size_t>(most, kWays, kMost) / (kWays / 2))),
      step_(std::max<std::size_t>(1, most_ / kTicks)), ticks_(std::min(most_, kMost) / step_),
      now_(static_cast<std::uint16_t>(ticks_)) {}

// Ids are random or digests.
std::size_t HeldKeys::hash(const sealed::KeyId& id) noexcept {
    return (std::size_t{id[0]} << 16) | (std::size_t{id[1]} << 8) | id[2];
}

std::uint16_t HeldKeys::tag(const sealed::KeyId& id) noexcept {
    return static_cast<std::uint16_t>((id[3] << 8) | id[4]);
}

bool HeldKeys::recent(const Slot& slot) const noexcept {
    return static_cast<std::uint16_t>(now_ - slot.used) < ticks_;
}

bool HeldKeys::holds(const sealed::KeyId& id) const noexcept {
    if (all_held())
        return true;
    if (slots_.empty())
        return false;
    const auto set = std::span(slots_).subspan((hash(id) & (sets_ - 1)) * kWays, kWays);
    const auto found = std::ranges::find(set, tag(id), &Slot::tag);
    return found != set.end() && recent(*found);
}

void HeldKeys::use(const sealed::KeyId& id) {
    if (all_held())
        return;
    if (slots_.empty())
        slots_.resize(sets_ * kWays);
    const auto set = std::span(slots_).subspan((hash(id) & (sets_ - 1)) * kWays, kWays);
    auto found = std::ranges::find(set, tag(id), &Slot::tag);
    if ((found == set.end() || !recent(*found)) && ++in_tick_ >= step_) {
        in_tick_ = 0;
        ++now_;
    }
    if (found == set.end())
        --found; // the set's least recently used one
    std::rotate(set.begin(), found, found + 1);
    set.front() = {tag(id), now_};
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
