// SPDX-License-Identifier: Apache-2.0
// IAM as far as devcloud has it: accounts, users with access keys, roles with a trust policy, and identity
// policies on both. Set through the admin endpoint (iam_admin.h).
#pragma once

#include "base/clock.h"
#include "devcloud/principal.h"
#include "devcloud/sqlite.h"

#include <optional>
#include <vector>

namespace redoubt::devcloud {

struct IamAccessKey {
    std::string id; // AKIA…
    std::string account;
    std::string user; // empty: the account's root user
    Secret secret;
    UnixMs created = 0;
};

struct IamUser {
    std::string account, name, id; // id: AIDA…
    UnixMs created = 0;
    std::vector<NamedPolicy> policies;
};

struct IamRole {
    std::string account, name, id; // id: AROA…
    UnixMs created = 0;
    std::string trust_policy;
    std::int64_t max_session_seconds = 3600;
    std::vector<NamedPolicy> policies;
};

// Errors of all: StoreFailed.
class IamStore {
  public:
    explicit IamStore(Database& database) noexcept : database_(database) {}

    Status put_account(std::string_view id, UnixMs now); // no change where it is there
    Result<bool> has_account(std::string_view id);
    Result<std::vector<std::string>> accounts();
    // The account with its users, roles and access keys, and its sessions. False: there was none.
    Result<bool> remove_account(std::string_view id);

    // Replaces the user's policies and keys (of user ''), but keeps its id and time of creation.
    Status put_user(const IamUser& user, const std::vector<IamAccessKey>& keys);
    Result<std::optional<IamUser>> user(std::string_view account, std::string_view name);
    Result<std::vector<std::string>> users(std::string_view account);
    Result<bool> remove_user(std::string_view account, std::string_view name);

    Status put_role(const IamRole& role); // keeps id and creation of an existing one
    Result<std::optional<IamRole>> role(std::string_view account, std::string_view name);
    Result<std::vector<std::string>> roles(std::string_view account);
    Result<bool> remove_role(std::string_view account, std::string_view name); // and its sessions

    Status put_root_keys(std::string_view account, const std::vector<IamAccessKey>& keys);
    Result<std::optional<IamAccessKey>> access_key(std::string_view id);
    Result<std::vector<IamAccessKey>> access_keys(std::string_view account, std::string_view user);

  private:
    Status set_policies(std::string_view account, std::string_view kind, std::string_view owner,
                        const std::vector<NamedPolicy>& policies);
    Result<std::vector<NamedPolicy>> policies(std::string_view account, std::string_view kind,
                                              std::string_view owner);
    Status set_keys(std::string_view account, std::string_view user, const std::vector<IamAccessKey>& keys);
    Result<std::vector<std::string>> names(std::string_view sql, std::string_view account);
    Database& database_;
};

} // namespace redoubt::devcloud
