// SPDX-License-Identifier: Apache-2.0
// Aliases of KMS keys: a name in an account and region that stands for one key there.
#pragma once

#include "devcloud/key_store.h"

namespace redoubt::devcloud {

struct AliasRecord {
    std::int64_t sequence = 0;         // set by the store
    std::string account, region, name; // "alias/…"
    std::string key_id;
    UnixMs created = 0, changed = 0;
    std::string arn() const { return "arn:aws:kms:" + region + ":" + account + ":" + name; }
};

// Errors of all: StoreFailed.
class AliasStore {
  public:
    explicit AliasStore(Database& database) noexcept : database_(database) {}

    Result<bool> create(const AliasRecord& alias); // false: the name is taken
    Result<std::optional<AliasRecord>> find(std::string_view account, std::string_view region,
                                            std::string_view name);
    Status point(const AliasRecord& alias); // sets key_id and changed
    Status remove(const AliasRecord& alias);
    // Of one key where `key_id` is not empty.
    Result<std::vector<AliasRecord>> list(std::string_view account, std::string_view region,
                                          std::string_view key_id, Page page);

  private:
    Database& database_;
};

} // namespace redoubt::devcloud
