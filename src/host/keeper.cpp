// SPDX-License-Identifier: Apache-2.0
#include "host/keeper.h"

#include <algorithm>

namespace redoubt::host {

std::string_view phase_name(Keeper::Phase phase) noexcept {
    switch (phase) {
    case Keeper::Phase::Down:
        return "down";
    case Keeper::Phase::Starting:
        return "starting";
    case Keeper::Phase::Booting:
        return "booting";
    case Keeper::Phase::Working:
        return "working";
    case Keeper::Phase::Stopping:
        break;
    }
    return "stopping";
}

namespace {

bool as_far(const std::optional<SignedProbe>& probe, bool manifest_taken, std::uint64_t vaults_open) {
    return probe && probe->manifest_taken >= manifest_taken && probe->vaults_open >= vaults_open;
}

} // namespace

bool in_debug(const Keeper::Slot& slot) noexcept {
    return slot.enclave &&
           (slot.enclave->debug || (slot.last && !slot.last->pcr0.empty() &&
                                    slot.last->pcr0.find_first_not_of('0') == std::string::npos));
}

Keeper::Keeper(std::vector<std::uint32_t> cids, KeeperLimits limits, bool wants_debug)
    : limits_(limits), wants_debug_(wants_debug) {
    for (const std::uint32_t cid : cids) {
        slots_.emplace_back();
        slots_.back().cid = cid;
    }
}

const Keeper::Slot* Keeper::find(std::uint32_t cid) const noexcept {
    const auto found = std::ranges::find(slots_, cid, &Slot::cid);
    return found == slots_.end() ? nullptr : &*found;
}

Keeper::Slot* Keeper::slot_of(std::uint32_t cid) noexcept {
    const auto found = std::ranges::find(slots_, cid, &Slot::cid);
    return found == slots_.end() ? nullptr : &*found;
}

void Keeper::enter(Slot& slot, Phase phase, std::int64_t now) {
    slot.phase = phase;
    slot.since = now;
    ++generation_;
}

void Keeper::forget_old(Slot& slot, std::int64_t now) const {
    while (!slot.failures.empty() && slot.failures.front() + limits_.start_interval_ms <= now)
        slot.failures.pop_front();
}

// The slot is down from now on.
void Keeper::failed(Slot& slot, std::string why, std::int64_t now) {
    slot.enclave.reset();
    slot.last.reset();
    slot.trouble = std::move(why);
    ++slot.all_failures;
    slot.failures.push_back(now);
    forget_old(slot, now);
    // Doubling past 2^20 times the first delay would only overflow: the longest delay has long been reached.
    const std::int64_t delay =
        std::min(limits_.first_delay_ms << std::min(slot.in_a_row, 20u), limits_.longest_delay_ms);
    ++slot.in_a_row;
    slot.not_before = now + delay;
    slot.limited = slot.failures.size() >= limits_.start_limit;
    if (slot.limited)
        slot.not_before = std::max(slot.not_before, slot.failures.front() + limits_.start_interval_ms);
    enter(slot, Phase::Down, now);
}

void Keeper::adopt(const RunningEnclave& enclave, std::int64_t now) {
    Slot* const slot = slot_of(enclave.cid);
    if (slot == nullptr || slot->phase != Phase::Down)
        return;
    slot->enclave = enclave;
    slot->limited = false;
    slot->replaced_for.clear(); // this one was never replaced
    enter(*slot, Phase::Booting, now);
}

void Keeper::started(std::uint32_t cid, const Result<RunningEnclave>& result, std::int64_t now) {
    Slot* const slot = slot_of(cid);
    if (slot == nullptr || slot->phase != Phase::Starting)
        return;
    if (!result)
        return failed(*slot, result.error().describe(), now);
    slot->enclave = *result;
    slot->last.reset();
    enter(*slot, Phase::Booting, now);
}

void Keeper::stopped(std::uint32_t cid, const Status& status, std::int64_t now) {
    Slot* const slot = slot_of(cid);
    if (slot == nullptr || slot->phase != Phase::Stopping)
        return;
    slot->stop_asked = false;
    if (!status) { // it may run on: nothing is started in its place
        slot->trouble = status.error().describe();
        slot->not_before = now + limits_.stop_again_ms;
        ++generation_;
        return;
    }
    if (slot->stop_is_failure)
        return failed(*slot, slot->trouble, now);
    slot->enclave.reset();
    slot->last.reset();
    slot->not_before = now;
    enter(*slot, Phase::Down, now);
}

void Keeper::ended(const std::string& id, const std::string& why, std::int64_t now) {
    for (Slot& slot : slots_) {
        if (!slot.enclave || slot.enclave->id != id)
            continue;
        if (slot.phase == Phase::Stopping) // its stop() will say so
            return;
        return failed(slot, why, now);
    }
}

void Keeper::signed_now(std::uint32_t cid, const SignedProbe& probe, std::int64_t now) {
    Slot* const slot = slot_of(cid);
    if (slot == nullptr || (slot->phase != Phase::Booting && slot->phase != Phase::Working))
        return;
    slot->last = probe;
    slot->signed_at = now;
    if (slot->enclave->pcr0.empty())
        slot->enclave->pcr0 = probe.pcr0;
    if (slot->phase == Phase::Booting)
        enter(*slot, Phase::Working, now);
    if (now - slot->since >= limits_.healthy_after_ms)
        slot->in_a_row = 0;
}

void Keeper::image(const std::string& pcr0, std::int64_t now) {
    if (pcr0 == wanted_)
        return;
    const bool first = wanted_.empty();
    wanted_ = pcr0;
    if (first)
        return;
    // What failed with the old image may work with the new one; and one that was replaced for this image
    // before may have run another since.
    for (Slot& slot : slots_) {
        slot.replaced_for.clear();
        slot.failures.clear();
        slot.in_a_row = 0;
        slot.limited = false;
        if (slot.phase == Phase::Down)
            slot.not_before = now;
    }
}

bool Keeper::stale(const Slot& slot) const {
    if (!slot.enclave)
        return false;
    return unasked_debug(slot) ||
           (!wanted_.empty() && !slot.enclave->pcr0.empty() && slot.enclave->pcr0 != wanted_);
}

std::optional<std::uint32_t> Keeper::replacing() const noexcept {
    return replacement_ ? std::optional(slots_[replacement_->slot].cid) : std::nullopt;
}

std::size_t Keeper::working() const noexcept {
    return static_cast<std::size_t>(std::ranges::count(slots_, Phase::Working, &Slot::phase));
}

bool Keeper::given_up() const noexcept {
    return std::ranges::all_of(slots_,
                               [](const Slot& slot) { return slot.phase == Phase::Down && slot.limited; });
}

void Keeper::stop(Slot& slot, StopHow how, bool failure, std::string why, std::int64_t now,
                  std::vector<Action>& out) {
    slot.stop_is_failure = failure;
    slot.stop_asked = true;
    if (failure)
        slot.trouble = why;
    out.push_back({Action::Kind::Stop, slot.cid, slot.enclave->id, how, std::move(why)});
    enter(slot, Phase::Stopping, now);
}

void Keeper::replace_stale(std::int64_t now, std::vector<Action>& out) {
    if (replacement_) {
        const Slot& slot = slots_[replacement_->slot];
        // Stale again: the image changed meanwhile, and whose turn it is is decided anew.
        if (slot.phase == Phase::Working &&
            (stale(slot) ? !mismatched(slot)
                         : as_far(slot.last, replacement_->manifest_taken, replacement_->vaults_open)))
            replacement_.reset();
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (!stale(slot) || mismatched(slot) ||
            (slot.phase != Phase::Booting && slot.phase != Phase::Working))
            continue;
        const bool its_turn = replacement_ && replacement_->slot == i;
        const bool manifest_taken = slot.last && slot.last->manifest_taken;
        const std::uint64_t vaults_open = slot.last ? slot.last->vaults_open : 0;
        const bool others_do = std::ranges::all_of(slots_, [&](const Slot& other) {
            return &other == &slot ||
                   (other.phase == Phase::Working && as_far(other.last, manifest_taken, vaults_open));
        });
        // One that does not work is nobody's loss.
        if (slot.phase == Phase::Working && (replacement_ || !others_do))
            continue;
        if (slot.phase == Phase::Booting && !its_turn && slot.since + limits_.silent_limit_ms > now)
            continue; // found running a moment ago: it may work
        if (!replacement_)
            replacement_ = Replacement{i, manifest_taken, vaults_open};
        ++slot.replacements;
        slot.replaced_for = wanted_;
        stop(slot, StopHow::Orderly, false,
             unasked_debug(slot) ? "it runs in debug mode, which nobody asked for"
                                 : "the image on disk is another one",
             now, out);
    }
}

std::vector<Keeper::Action> Keeper::next(std::int64_t now) {
    if (last_next_ && now - *last_next_ > kStoodStillMs) {
        const std::int64_t lost = now - *last_next_;
        for (Slot& slot : slots_) {
            slot.signed_at += lost;
            if (slot.phase == Phase::Booting)
                slot.since += lost;
        }
    }
    last_next_ = now;
    std::vector<Action> out;
    for (Slot& slot : slots_) {
        switch (slot.phase) {
        case Phase::Down:
            forget_old(slot, now);
            if (now < slot.not_before)
                break;
            slot.limited = false;
            ++slot.starts;
            out.push_back({Action::Kind::Start, slot.cid, {}, StopHow::Orderly, slot.trouble});
            enter(slot, Phase::Starting, now);
            break;
        case Phase::Booting:
            if (now - slot.since > limits_.boot_limit_ms)
                stop(slot, StopHow::AtOnce, true, "it did not sign in time after its start", now, out);
            break;
        case Phase::Working:
            if (now - slot.signed_at > limits_.silent_limit_ms)
                stop(slot, StopHow::AtOnce, true, "it does not sign any more", now, out);
            break;
        case Phase::Stopping:
            if (!slot.stop_asked && now >= slot.not_before) {
                slot.stop_asked = true;
                out.push_back({Action::Kind::Stop, slot.cid, slot.enclave->id, StopHow::AtOnce,
                               "its end failed: " + slot.trouble});
            }
            break;
        case Phase::Starting:
            break;
        }
    }
    replace_stale(now, out);
    return out;
}

} // namespace redoubt::host
