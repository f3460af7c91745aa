// SPDX-License-Identifier: Apache-2.0
#include "enclave/revision_table.h"

#include <cstring>
#include <utility>

namespace redoubt::enclave {

namespace {

constexpr std::size_t kFirstSlots = 1024;

} // namespace

std::size_t RevisionTable::Hasher::operator()(const sealed::KeyId& id) const noexcept {
    std::size_t out = 0;
    std::memcpy(&out, id.data(), sizeof out);
    return out;
}

// Where the id is, or the free slot where it would be.
std::size_t RevisionTable::find_slot(const std::vector<Slot>& slots, const sealed::KeyId& id) const noexcept {
    const std::size_t mask = slots.size() - 1;
    std::size_t at = Hasher()(id) & mask;
    while (slots[at].revision != 0 && slots[at].id != id)
        at = (at + 1) & mask;
    return at;
}

std::uint32_t RevisionTable::known(const sealed::KeyId& id) const {
    if (used_ == 0) // on the path of every signature
        return 0;
    const std::lock_guard lock(mutex_);
    return slots_[find_slot(slots_, id)].revision;
}

bool RevisionTable::raise(const sealed::KeyId& id, std::uint32_t revision, std::size_t most) {
    if (revision == 0)
        return true;
    const std::lock_guard lock(mutex_);
    if (slots_.empty())
        slots_.resize(kFirstSlots);
    std::size_t at = find_slot(slots_, id);
    if (slots_[at].revision == 0) {
        if (used_ >= most)
            return false;
        if (3 * (used_ + 1) > 2 * slots_.size()) {
            std::vector<Slot> larger(2 * slots_.size());
            for (const auto& slot : slots_)
                if (slot.revision != 0)
                    larger[find_slot(larger, slot.id)] = slot;
            slots_ = std::move(larger);
            at = find_slot(slots_, id);
        }
        ++used_;
        slots_[at] = {id, revision};
    } else if (slots_[at].revision < revision) {
        slots_[at].revision = revision;
    }
    return true;
}

bool RevisionTable::keep(const sealed::KeyId& id, std::uint32_t revision, Bytes record, Bytes policy) {
    const std::lock_guard lock(mutex_);
    if (unstored_.size() >= kMaxUnstored && !unstored_.contains(id))
        return false;
    unstored_.insert_or_assign(id, Kept{revision, std::move(record), std::move(policy)});
    unstored_count_ = unstored_.size();
    return true;
}

void RevisionTable::stored(const sealed::KeyId& id, std::uint32_t revision) {
    const std::lock_guard lock(mutex_);
    const auto found = unstored_.find(id);
    if (found != unstored_.end() && found->second.revision <= revision)
        unstored_.erase(found);
    unstored_count_ = unstored_.size();
}

std::vector<RevisionTable::Unstored> RevisionTable::some_unstored(std::size_t most) const {
    std::vector<Unstored> out;
    if (!has_unstored())
        return out;
    const std::lock_guard lock(mutex_);
    for (auto entry = unstored_.begin(); entry != unstored_.end() && out.size() < most; ++entry)
        out.push_back({entry->first, entry->second.record, entry->second.policy});
    return out;
}

std::optional<Bytes> RevisionTable::unstored(const sealed::KeyId& id) const {
    auto found = unstored_with_policy(id);
    return found ? std::optional(std::move(found->record)) : std::nullopt;
}

std::optional<RevisionTable::Unstored> RevisionTable::unstored_with_policy(const sealed::KeyId& id) const {
    if (!has_unstored())
        return std::nullopt;
    const std::lock_guard lock(mutex_);
    const auto found = unstored_.find(id);
    if (found == unstored_.end())
        return std::nullopt;
    return Unstored{id, found->second.record, found->second.policy};
}

} // namespace redoubt::enclave
