// SPDX-License-Identifier: Apache-2.0
// Secrets Manager's secrets at rest: a secret has versions, and staging labels that each stand on one
// version.
#pragma once

#include "base/clock.h"
#include "devcloud/key_store.h"
#include "devcloud/sqlite.h"

#include <map>
#include <optional>
#include <vector>

namespace redoubt::devcloud {

inline constexpr std::string_view kCurrentStage = "AWSCURRENT";
inline constexpr std::string_view kPreviousStage = "AWSPREVIOUS";

struct SecretRecord {
    std::int64_t sequence = 0; // set by the store
    std::string arn, name, region, account;
    UnixMs created = 0, changed = 0;
    std::string description, kms_key_id; // may be empty
    UnixMs deletion = 0;                 // when it goes for good; 0: it stays
    UnixMs accessed = 0;                 // the day (UTC) it was last read; 0: never
    std::string policy;                  // empty: none
};

struct SecretVersion {
    std::string id;
    UnixMs created = 0;
    bool binary = false;
    Secret value;
};

struct SecretVersionInfo {
    std::string id;
    UnixMs created = 0;
};

// Errors of all: StoreFailed.
class SecretStore {
  public:
    explicit SecretStore(Database& database) noexcept : database_(database) {}

    // A new secret, with its first version as AWSCURRENT when there is one.
    Status create(const SecretRecord& secret, const Tags& tags, const SecretVersion* first);
    Result<std::optional<SecretRecord>> find_by_name(std::string_view account, std::string_view region,
                                                     std::string_view name);
    Result<std::optional<SecretRecord>> find_by_arn(std::string_view arn);
    // In order of creation.
    Result<std::vector<SecretRecord>> list(std::string_view account, std::string_view region);
    Result<Tags> tags(std::string_view arn);

    Result<std::optional<SecretVersion>> version(std::string_view arn, std::string_view version_id);
    Result<std::vector<SecretVersionInfo>> versions(std::string_view arn); // in order of creation
    Result<std::optional<std::string>> version_of_stage(std::string_view arn, std::string_view stage);
    Result<std::map<std::string, std::vector<std::string>>> stages_by_version(std::string_view arn);

    // Stores what may change of the record, and adds a version with stages when one is given. A stage moves
    // from where it stood; when AWSCURRENT moves, AWSPREVIOUS takes the place it left. Versions without a
    // stage beyond the newest 100, and a day old, are forgotten.
    Status update(const SecretRecord& secret, const SecretVersion* added,
                  const std::vector<std::string>& stages);
    // Moves a stage (with AWSPREVIOUS, as above), or removes it where `version_id` is empty.
    Status move_stage(const SecretRecord& secret, std::string_view stage, std::string_view version_id);
    Status set_tags(std::string_view arn, const Tags& tags); // all of them
    Status remove(std::string_view arn);
    Status purge(UnixMs now); // secrets whose time has come

  private:
    Status add_version(std::string_view arn, const SecretVersion& version,
                       const std::vector<std::string>& stages);
    Status set_stage(std::string_view arn, std::string_view stage, std::string_view version_id);
    Status store_record(const SecretRecord& secret);
    Status erase(std::string_view arn);
    Database& database_;
};

} // namespace redoubt::devcloud
