// SPDX-License-Identifier: Apache-2.0
#include "enclave/key_cache.h"

#include "base/cursor.h"
#include "crypto/hash.h"

#include <algorithm>
#include <cstring>

namespace redoubt::enclave {

std::size_t KeyCache::Hasher::operator()(const Hash32& id) const noexcept {
    std::size_t out = 0;
    std::memcpy(&out, id.data(), sizeof out);
    return out;
}

bool KeyCache::usable(const OpenKey& key, UnixMs now) const noexcept {
    return key.lease->valid(now) && now - key.opened < max_age_ms_;
}

void KeyCache::set_limits(std::size_t entries, UnixMs max_age_ms) {
    const std::lock_guard lock(mutex_);
    max_entries_ = entries;
    max_age_ms_ = max_age_ms;
}

std::shared_ptr<const OpenKey> KeyCache::find(const Hash32& id, UnixMs now) {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) {
        ++misses_;
        return nullptr;
    }
    if (!usable(*found->second->key, now)) {
        ++misses_;
        by_use_.erase(found->second);
        by_id_.erase(found);
        return nullptr;
    }
    ++hits_;
    by_use_.splice(by_use_.begin(), by_use_, found->second);
    return found->second->key;
}

void KeyCache::insert(const Hash32& id, std::shared_ptr<const OpenKey> key) {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_id_.find(id); found != by_id_.end()) {
        found->second->key = std::move(key);
        by_use_.splice(by_use_.begin(), by_use_, found->second);
        return;
    }
    while (by_use_.size() >= max_entries_) {
        by_id_.erase(by_use_.back().id);
        by_use_.pop_back();
    }
    by_use_.push_front({id, std::move(key)});
    by_id_.emplace(id, by_use_.begin());
}

void KeyCache::remove(const Hash32& id) {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_id_.find(id); found != by_id_.end()) {
        by_use_.erase(found->second);
        by_id_.erase(found);
    }
}

void KeyCache::clear() {
    const std::lock_guard lock(mutex_);
    by_id_.clear();
    by_use_.clear();
}

void KeyCache::remove_ended(UnixMs now) {
    const std::lock_guard lock(mutex_);
    for (auto entry = by_use_.begin(); entry != by_use_.end();) {
        if (usable(*entry->key, now)) {
            ++entry;
        } else {
            by_id_.erase(entry->id);
            entry = by_use_.erase(entry);
        }
    }
}

std::size_t KeyCache::size() const {
    const std::lock_guard lock(mutex_);
    return by_use_.size();
}

CacheUse KeyCache::use() const {
    const std::lock_guard lock(mutex_);
    return {by_use_.size(), hits_, misses_};
}

Hash32 cache_id(const sealed::KeyId& id) noexcept {
    Hash32 out{};
    std::copy(id.begin(), id.end(), out.begin());
    return out;
}

Hash32 cache_id(const sealed::KeyId& id, const crypto::HdPath& path) {
    Bytes indices;
    Writer writer(indices);
    for (const std::uint32_t index : path)
        writer.u32(index);
    return crypto::sha256({ByteView(id), ByteView(indices)});
}

} // namespace redoubt::enclave
