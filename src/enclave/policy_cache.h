// SPDX-License-Identifier: Apache-2.0
// Policy documents that were needed lately, by their digest. Bounded; thread-safe.
#pragma once

#include "policy/document.h"

#include <map>
#include <memory>
#include <mutex>

namespace redoubt::enclave {

class PolicyCache {
  public:
    static constexpr std::size_t kMaxDocuments = 1'024; // of at most policy::kMaxDocument bytes

    std::shared_ptr<const policy::Document> find(const Hash32& digest) const {
        const std::lock_guard lock(mutex_);
        const auto found = documents_.find(digest);
        return found != documents_.end() ? found->second : nullptr;
    }
    void insert(std::shared_ptr<const policy::Document> document) {
        const std::lock_guard lock(mutex_);
        if (documents_.size() >= kMaxDocuments)
            documents_.clear();
        documents_.insert_or_assign(document->digest, std::move(document));
    }

  private:
    mutable std::mutex mutex_;
    std::map<Hash32, std::shared_ptr<const policy::Document>> documents_;
};

} // namespace redoubt::enclave
