// SPDX-License-Identifier: Apache-2.0
// Grants on KMS keys: what a grantee may do with one key, whatever the policies allow.
#pragma once

#include "devcloud/key_store.h"

namespace redoubt::devcloud {

struct Grant {
    std::int64_t sequence = 0;           // set by the store
    std::string id, key_id, token, name; // id: 64 lower-case hex digits; name may be empty
    UnixMs created = 0;
    std::string grantee, retiree, issuer; // ARNs; retiree may be empty
    std::vector<std::string> operations;
    // "EncryptionContextEquals", "EncryptionContextSubset", or empty: no constraint.
    std::string constraint;
    std::map<std::string, std::string> context;
};

// Errors of all: StoreFailed.
class GrantStore {
  public:
    explicit GrantStore(Database& database) noexcept : database_(database) {}

    Status create(const Grant& grant);
    Result<std::optional<Grant>> find(std::string_view id);
    Result<std::optional<Grant>> find_by_token(std::string_view token);
    Result<std::vector<Grant>> of_key(std::string_view key_id, Page page);
    // Of keys in the account and region.
    Result<std::vector<Grant>> of_retiree(std::string_view retiree, std::string_view account,
                                          std::string_view region, Page page);
    Status remove(std::string_view id);

  private:
    Result<std::vector<Grant>> read_all(Statement& query);
    Database& database_;
};

} // namespace redoubt::devcloud
