// SPDX-License-Identifier: Apache-2.0
#include "devcloud/iam_store.h"

namespace redoubt::devcloud {

Status IamStore::put_account(std::string_view id, UnixMs now) {
    return database_.prepare("INSERT OR IGNORE INTO iam_accounts (id, created) VALUES (?, ?)")
        .bind(id)
        .bind(now)
        .run();
}

Result<bool> IamStore::has_account(std::string_view id) {
    auto query = database_.prepare("SELECT 1 FROM iam_accounts WHERE id = ?");
    return query.bind(id).step();
}

Result<std::vector<std::string>> IamStore::accounts() {
    auto query = database_.prepare("SELECT id FROM iam_accounts ORDER BY id");
    std::vector<std::string> out;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return out;
        out.push_back(query.text(0));
    }
}

Result<bool> IamStore::remove_account(std::string_view id) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    for (const char* sql :
         {"DELETE FROM iam_access_keys WHERE account = ?", "DELETE FROM iam_policies WHERE account = ?",
          "DELETE FROM iam_users WHERE account = ?", "DELETE FROM iam_roles WHERE account = ?",
          "DELETE FROM sessions WHERE account = ?"})
        REDOUBT_CHECK(database_.prepare(sql).bind(id).run());
    REDOUBT_CHECK(database_.prepare("DELETE FROM iam_accounts WHERE id = ?").bind(id).run());
    const bool was_there = database_.changes() > 0;
    REDOUBT_CHECK(transaction.commit());
    return was_there;
}

Status IamStore::put_user(const IamUser& user, const std::vector<IamAccessKey>& keys) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(
        database_.prepare("INSERT OR IGNORE INTO iam_users (account, name, id, created) VALUES (?, ?, ?, ?)")
            .bind(user.account)
            .bind(user.name)
            .bind(user.id)
            .bind(user.created)
            .run());
    REDOUBT_CHECK(set_policies(user.account, "user", user.name, user.policies));
    REDOUBT_CHECK(set_keys(user.account, user.name, keys));
    return transaction.commit();
}

Result<std::optional<IamUser>> IamStore::user(std::string_view account, std::string_view name) {
    auto query = database_.prepare("SELECT id, created FROM iam_users WHERE account = ? AND name = ?");
    REDOUBT_TRY(const bool row, query.bind(account).bind(name).step());
    if (!row)
        return std::nullopt;
    IamUser user{std::string(account), std::string(name), query.text(0), query.integer(1), {}};
    REDOUBT_TRY(user.policies, policies(account, "user", name));
    return user;
}

Result<std::vector<std::string>> IamStore::users(std::string_view account) {
    return names("SELECT name FROM iam_users WHERE account = ? ORDER BY name", account);
}

Result<bool> IamStore::remove_user(std::string_view account, std::string_view name) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(set_policies(account, "user", name, {}));
    REDOUBT_CHECK(set_keys(account, name, {}));
    REDOUBT_CHECK(database_.prepare("DELETE FROM iam_users WHERE account = ? AND name = ?")
                      .bind(account)
                      .bind(name)
                      .run());
    const bool was_there = database_.changes() > 0;
    REDOUBT_CHECK(transaction.commit());
    return was_there;
}

Status IamStore::put_role(const IamRole& role) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(
        database_
            .prepare("INSERT INTO iam_roles (account, name, id, created, trust_policy, max_session_seconds)"
                     " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, name) DO UPDATE SET"
                     " trust_policy = excluded.trust_policy,"
                     " max_session_seconds = excluded.max_session_seconds")
            .bind(role.account)
            .bind(role.name)
            .bind(role.id)
            .bind(role.created)
            .bind(role.trust_policy)
            .bind(role.max_session_seconds)
            .run());
    REDOUBT_CHECK(set_policies(role.account, "role", role.name, role.policies));
    return transaction.commit();
}

Result<std::optional<IamRole>> IamStore::role(std::string_view account, std::string_view name) {
    auto query = database_.prepare("SELECT id, created, trust_policy, max_session_seconds FROM iam_roles"
                                   " WHERE account = ? AND name = ?");
    REDOUBT_TRY(const bool row, query.bind(account).bind(name).step());
    if (!row)
        return std::nullopt;
    IamRole role{std::string(account),
                 std::string(name),
                 query.text(0),
                 query.integer(1),
                 query.text(2),
                 query.integer(3),
                 {}};
    REDOUBT_TRY(role.policies, policies(account, "role", name));
    return role;
}

Result<std::vector<std::string>> IamStore::roles(std::string_view account) {
    return names("SELECT name FROM iam_roles WHERE account = ? ORDER BY name", account);
}

Result<bool> IamStore::remove_role(std::string_view account, std::string_view name) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(set_policies(account, "role", name, {}));
    REDOUBT_CHECK(database_.prepare("DELETE FROM sessions WHERE account = ? AND role = ?")
                      .bind(account)
                      .bind(name)
                      .run());
    REDOUBT_CHECK(database_.prepare("DELETE FROM iam_roles WHERE account = ? AND name = ?")
                      .bind(account)
                      .bind(name)
                      .run());
    const bool was_there = database_.changes() > 0;
    REDOUBT_CHECK(transaction.commit());
    return was_there;
}

Status IamStore::put_root_keys(std::string_view account, const std::vector<IamAccessKey>& keys) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(set_keys(account, "", keys));
    return transaction.commit();
}

Result<std::optional<IamAccessKey>> IamStore::access_key(std::string_view id) {
    auto query = database_.prepare("SELECT account, user, secret, created FROM iam_access_keys WHERE id = ?");
    REDOUBT_TRY(const bool row, query.bind(id).step());
    if (!row)
        return std::nullopt;
    IamAccessKey key{std::string(id), query.text(0), query.text(1), query.secret(2), query.integer(3)};
    return key;
}

Result<std::vector<IamAccessKey>> IamStore::access_keys(std::string_view account, std::string_view user) {
    auto query = database_.prepare("SELECT id, secret, created FROM iam_access_keys"
                                   " WHERE account = ? AND user = ? ORDER BY id");
    query.bind(account).bind(user);
    std::vector<IamAccessKey> keys;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return keys;
        keys.push_back(
            {query.text(0), std::string(account), std::string(user), query.secret(1), query.integer(2)});
    }
}

Status IamStore::set_policies(std::string_view account, std::string_view kind, std::string_view owner,
                              const std::vector<NamedPolicy>& policies) {
    REDOUBT_CHECK(database_.prepare("DELETE FROM iam_policies WHERE account = ? AND kind = ? AND owner = ?")
                      .bind(account)
                      .bind(kind)
                      .bind(owner)
                      .run());
    for (const auto& policy : policies)
        REDOUBT_CHECK(
            database_
                .prepare(
                    "INSERT INTO iam_policies (account, kind, owner, name, policy) VALUES (?, ?, ?, ?, ?)")
                .bind(account)
                .bind(kind)
                .bind(owner)
                .bind(policy.name)
                .bind(policy.text)
                .run());
    return {};
}

Result<std::vector<NamedPolicy>> IamStore::policies(std::string_view account, std::string_view kind,
                                                    std::string_view owner) {
    auto query = database_.prepare("SELECT name, policy FROM iam_policies"
                                   " WHERE account = ? AND kind = ? AND owner = ? ORDER BY name");
    query.bind(account).bind(kind).bind(owner);
    std::vector<NamedPolicy> out;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return out;
        out.push_back({query.text(0), query.text(1)});
    }
}

Status IamStore::set_keys(std::string_view account, std::string_view user,
                          const std::vector<IamAccessKey>& keys) {
    REDOUBT_CHECK(database_.prepare("DELETE FROM iam_access_keys WHERE account = ? AND user = ?")
                      .bind(account)
                      .bind(user)
                      .run());
    for (const auto& key : keys)
        REDOUBT_CHECK(
            database_
                .prepare(
                    "INSERT INTO iam_access_keys (id, account, user, secret, created) VALUES (?, ?, ?, ?, ?)")
                .bind(key.id)
                .bind(account)
                .bind(user)
                .bind(key.secret.view(SecretAccess("store a development access key")))
                .bind(key.created)
                .run());
    return {};
}

Result<std::vector<std::string>> IamStore::names(std::string_view sql, std::string_view account) {
    auto query = database_.prepare(sql);
    query.bind(account);
    std::vector<std::string> out;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return out;
        out.push_back(query.text(0));
    }
}

} // namespace redoubt::devcloud
