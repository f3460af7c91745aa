// SPDX-License-Identifier: Apache-2.0
// KMS keys at rest. A key names its current material; older materials stay, so that rotation can be added
// without losing ciphertexts. The material is not encrypted at rest: a stand-in has no hardware to do it.
#pragma once

#include "base/clock.h"
#include "devcloud/sqlite.h"

#include <map>
#include <optional>
#include <vector>

namespace redoubt::devcloud {

struct KeyRecord {
    std::int64_t sequence = 0; // set by the store
    std::string id, arn;
    UnixMs created = 0;
    std::string description, policy;
    bool enabled = true;
    std::string material_id; // 64 lower-case hex digits
};

using Tags = std::map<std::string, std::string>;

// Errors of all: StoreFailed.
class KeyStore {
  public:
    explicit KeyStore(Database& database) noexcept : database_(database) {}

    Status create(const KeyRecord& key, const Secret& material, const Tags& tags);
    Result<std::optional<KeyRecord>> find(std::string_view id);
    Result<std::vector<KeyRecord>> list(std::int64_t after_sequence, std::size_t limit);
    Status set_policy(std::string_view id, std::string_view policy);
    // One of the key's materials, current or older.
    Result<std::optional<Secret>> material(std::string_view key_id, std::string_view material_id);

  private:
    Database& database_;
};

} // namespace redoubt::devcloud
