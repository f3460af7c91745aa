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
    std::string arn, name;
    UnixMs created = 0, changed = 0;
    std::string description, kms_key_id; // may be empty
};

struct SecretVersion {
    std::string id;
    UnixMs created = 0;
    bool binary = false;
    Secret value;
};

// Errors of all: StoreFailed.
class SecretStore {
  public:
    explicit SecretStore(Database& database) noexcept : database_(database) {}

    // A new secret, with its first version as AWSCURRENT when there is one.
    Status create(const SecretRecord& secret, const Tags& tags, const SecretVersion* first);
    // Name, full ARN, or ARN without the random suffix.
    Result<std::optional<SecretRecord>> find(std::string_view id, std::string_view arn_prefix);
    Result<std::vector<SecretRecord>> list(std::int64_t after_sequence, std::size_t limit);
    Result<Tags> tags(std::string_view arn);

    Result<std::optional<SecretVersion>> version(std::string_view arn, std::string_view version_id);
    Result<std::optional<std::string>> version_of_stage(std::string_view arn, std::string_view stage);
    Result<std::map<std::string, std::vector<std::string>>> stages_by_version(std::string_view arn);

    // Stores description, key and time of change, and adds a version with stages when one is given. A stage
    // moves from where it stood; when AWSCURRENT moves, AWSPREVIOUS takes the place it left.
    Status update(const SecretRecord& secret, const SecretVersion* added,
                  const std::vector<std::string>& stages);

  private:
    Status add_version(std::string_view arn, const SecretVersion& version,
                       const std::vector<std::string>& stages);
    Status set_stage(std::string_view arn, std::string_view stage, std::string_view version_id);
    Database& database_;
};

} // namespace redoubt::devcloud
