// SPDX-License-Identifier: Apache-2.0
// KMS keys at rest. A key names its current material; older materials stay, so that rotation loses no
// ciphertext. The material is not encrypted at rest: a stand-in has no hardware to do it.
#pragma once

#include "base/clock.h"
#include "devcloud/sqlite.h"

#include <map>
#include <optional>
#include <vector>

namespace redoubt::devcloud {

struct KeyRecord {
    std::int64_t sequence = 0; // set by the store
    std::string id, arn, region, account;
    UnixMs created = 0;
    std::string description, policy;
    bool enabled = true;
    std::string material_id; // 64 lower-case hex digits
    UnixMs deletion = 0;     // when it goes for good; 0: not to be deleted
    std::int64_t pending_days = 0;
    std::int64_t rotation_days = 0; // 0: no automatic rotation
    UnixMs next_rotation = 0;

    bool pending_deletion() const { return deletion != 0; }
};

struct KeyRotation {
    std::string material_id;
    UnixMs time = 0;
    std::string type; // "AUTOMATIC", "ON_DEMAND"; empty: the first material
};

// What is wanted of a listing: entries after this sequence number, at most so many.
struct Page {
    std::int64_t after = 0;
    std::size_t limit = 0;
};

using Tags = std::map<std::string, std::string>;

// Errors of all: StoreFailed.
class KeyStore {
  public:
    explicit KeyStore(Database& database) noexcept : database_(database) {}

    Status create(const KeyRecord& key, const Secret& material, const Tags& tags);
    Result<std::optional<KeyRecord>> find(std::string_view id);
    Result<std::vector<KeyRecord>> list(std::string_view account, std::string_view region, Page page);
    // Description, policy, enabled, deletion and rotation days; never identity or material.
    Status update(const KeyRecord& key);
    // A further material, which becomes the current one; sets next_rotation too.
    Status rotate(const KeyRecord& key, const KeyRotation& rotation, const Secret& material);
    // One of the key's materials, current or older.
    Result<std::optional<Secret>> material(std::string_view key_id, std::string_view material_id);
    Result<std::vector<KeyRotation>> rotations(std::string_view key_id); // oldest first

    Result<Tags> tags(std::string_view key_id);
    Status add_tags(std::string_view key_id, const Tags& tags); // or replaces; all or none
    Status remove_tags(std::string_view key_id, const std::vector<std::string>& names);

    // Deletes for good what is due at `now`, with aliases and grants.
    Status delete_due(UnixMs now);
    Result<std::vector<KeyRecord>> rotation_due(UnixMs now);

  private:
    Status insert_tags(std::string_view key_id, const Tags& tags);
    Database& database_;
};

} // namespace redoubt::devcloud
