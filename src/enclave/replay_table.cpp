// SPDX-License-Identifier: Apache-2.0
#include "enclave/replay_table.h"

#include "crypto/hash.h"

#include <algorithm>
#include <cstring>

namespace redoubt::enclave {

namespace {

ByteArray<16> shortened(const Hash32& digest) noexcept {
    ByteArray<16> out;
    std::copy_n(digest.begin(), out.size(), out.begin());
    return out;
}

} // namespace

std::size_t ReplayTable::Hasher::operator()(const Id& id) const noexcept {
    std::size_t out = 0;
    std::memcpy(&out, id.data(), sizeof out);
    return out;
}

ReplayTable::Id ReplayTable::id_of(const Hash32& principal, std::string_view nonce) {
    return shortened(crypto::sha256({principal, as_bytes(nonce)}));
}

void ReplayTable::forget(std::unordered_map<Id, Kept, Hasher>::iterator at) {
    const auto count = of_principal_.find(at->second.principal);
    if (--count->second == 0)
        of_principal_.erase(count);
    entries_.erase(at);
}

void ReplayTable::remove_ended(UnixMs now) {
    while (!by_end_.empty() && by_end_.begin()->first <= now) {
        for (const Id& id : by_end_.begin()->second) {
            const auto found = entries_.find(id);
            // One that was written again may end later than this mention of it.
            if (found != entries_.end() && found->second.entry.expires <= now)
                forget(found);
        }
        by_end_.erase(by_end_.begin());
    }
}

std::optional<ReplayTable::Entry> ReplayTable::find(const Hash32& principal, std::string_view nonce,
                                                    UnixMs now) {
    const Id id = id_of(principal, nonce);
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.entry.expires <= now)
        return std::nullopt;
    return found->second.entry;
}

bool ReplayTable::has_room(const Hash32& principal, UnixMs now) {
    const std::lock_guard lock(mutex_);
    remove_ended(now);
    if (entries_.size() >= kMaxEntries)
        return false;
    const auto count = of_principal_.find(shortened(principal));
    return count == of_principal_.end() || count->second < kMaxEntries / 2;
}

void ReplayTable::insert(const Hash32& principal, std::string_view nonce, const Entry& entry, UnixMs now) {
    if (entry.expires <= now)
        return;
    const Id id = id_of(principal, nonce);
    const std::lock_guard lock(mutex_);
    remove_ended(now);
    const auto [at, added] = entries_.insert_or_assign(id, Kept{entry, shortened(principal)});
    if (added)
        ++of_principal_[at->second.principal];
    by_end_[entry.expires].push_back(id);
}

std::size_t ReplayTable::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

} // namespace redoubt::enclave
