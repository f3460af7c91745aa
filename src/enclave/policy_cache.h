// SPDX-License-Identifier: Apache-2.0
// Policy documents that were needed lately, by their digest. Bounded; thread-safe.
#pragma once

#include "enclave/key_cache.h"
#include "policy/document.h"

#include <map>
#include <memory>
#include <mutex>

namespace redoubt::enclave {

class PolicyCache {
  public:
    static constexpr std::size_t kMaxDocuments = 1'024;
    // Of their texts together; compiled, a document takes up to some 80 times its text.
    static constexpr std::size_t kMaxText = 1 << 20;

    std::shared_ptr<const policy::Document> find(const Hash32& digest) const {
        const std::lock_guard lock(mutex_);
        const auto found = documents_.find(digest);
        ++(found != documents_.end() ? hits_ : misses_);
        return found != documents_.end() ? found->second : nullptr;
    }
    void insert(std::shared_ptr<const policy::Document> document) {
        const std::lock_guard lock(mutex_);
        const std::size_t size = document->canonical.size();
        if (documents_.size() >= kMaxDocuments || text_ + size > kMaxText) {
            documents_.clear();
            text_ = 0;
        }
        if (documents_.try_emplace(document->digest, document).second)
            text_ += size;
    }
    CacheUse use() const {
        const std::lock_guard lock(mutex_);
        return {documents_.size(), hits_, misses_};
    }

  private:
    mutable std::mutex mutex_;
    std::map<Hash32, std::shared_ptr<const policy::Document>> documents_;
    std::size_t text_ = 0;
    mutable std::uint64_t hits_ = 0, misses_ = 0;
};

} // namespace redoubt::enclave
