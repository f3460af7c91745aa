// SPDX-License-Identifier: Apache-2.0
#include "store/secrets_index.h"

#include "store/record_checks.h"

namespace redoubt::store {

KeyPage SecretsIndex::list(const KeyFilter& filter, std::optional<Position> after, std::size_t limit) const {
    KeyPageBuilder page(filter, after, limit);
    const std::lock_guard lock(mutex_);
    auto entry = entries_.upper_bound(Place{page.last().created, page.last().id});
    for (; entry != entries_.end() && !page.full(); ++entry)
        page.look({entry->first.first, entry->first.second}, entry->second.record);
    return page.finish(entry != entries_.end());
}

std::vector<sealed::KeyHead> SecretsIndex::due(UnixMs now, std::size_t limit) const {
    const std::lock_guard lock(mutex_);
    std::vector<sealed::KeyHead> out;
    for (const auto& [place, entry] : entries_) {
        if (out.size() >= limit)
            break;
        auto head = sealed::read_key_head(entry.record);
        if (head && deletion_due(*head, now))
            out.push_back(std::move(*head));
    }
    return out;
}

std::optional<std::pair<SecretsIndex::Place, SecretsIndex::Entry>>
SecretsIndex::find(const sealed::KeyId& id, const std::string& version) const {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(id);
    if (place == places_.end())
        return std::nullopt;
    const auto& entry = entries_.at(place->second);
    if (entry.version != version)
        return std::nullopt;
    return std::pair(place->second, entry);
}

std::vector<sealed::KeyId> SecretsIndex::recent() const {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = monotonic_ms();
    std::vector<sealed::KeyId> out;
    for (const auto& [place, entry] : entries_)
        if (entry.changed >= 0 && now - entry.changed < kListLagMs)
            out.push_back(place.second);
    return out;
}

void SecretsIndex::put(const sealed::KeyHead& head, ByteView record, std::string version) {
    const Place place{head.created, head.id};
    const std::lock_guard lock(mutex_);
    erased_.erase(head.id);
    const auto known = places_.find(head.id);
    if (known != places_.end()) {
        // Of two changes at once the one that was made later may be told first.
        if (entries_.at(known->second).revision > head.revision)
            return;
        if (known->second != place)
            entries_.erase(known->second);
    }
    entries_[place] = {to_bytes(record), head.revision, std::move(version), monotonic_ms()};
    places_[head.id] = place;
}

void SecretsIndex::erase(const sealed::KeyHead& head) {
    const std::lock_guard lock(mutex_);
    erased_[head.id] = monotonic_ms();
    if (const auto known = places_.find(head.id); known != places_.end()) {
        entries_.erase(known->second);
        places_.erase(known);
    }
}

void SecretsIndex::replace(Entries entries, std::int64_t began) {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = monotonic_ms();
    std::erase_if(erased_, [&](const auto& erased) { return now - erased.second >= kListLagMs; });
    std::erase_if(entries, [&](const auto& entry) { return erased_.contains(entry.first.second); });
    std::map<sealed::KeyId, Place> places;
    for (const auto& [place, entry] : entries)
        places[place.second] = place;
    for (auto& [place, own] : entries_) {
        if (own.changed < 0 || now - own.changed >= kListLagMs)
            continue;
        const auto known = places.find(place.second);
        if (known == places.end() && own.changed < began)
            continue; // it was read by itself after the change, and is gone
        if (known != places.end()) {
            auto& read = entries.at(known->second);
            if (read.revision > own.revision) {
                read.changed = own.changed;
                continue;
            }
            entries.erase(known->second);
        }
        places[place.second] = place;
        entries[place] = std::move(own);
    }
    entries_ = std::move(entries);
    places_ = std::move(places);
    read_ = began;
}

std::optional<std::int64_t> SecretsIndex::age_ms() const {
    const std::lock_guard lock(mutex_);
    if (!read_)
        return std::nullopt;
    return monotonic_ms() - *read_;
}

} // namespace redoubt::store
