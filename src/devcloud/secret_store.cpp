// SPDX-License-Identifier: Apache-2.0
#include "devcloud/secret_store.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

#define SECRET_COLUMNS                                                                                       \
    "sequence, arn, name, created, changed, description, kms_key_id, region, account, deletion, accessed, "  \
    "policy"

constexpr std::size_t kKeptVersions = 100;
constexpr UnixMs kYoungVersionMs = 24LL * 60 * 60 * 1000;

SecretRecord read_secret(const Statement& row) {
    SecretRecord secret;
    secret.sequence = row.integer(0);
    secret.arn = row.text(1);
    secret.name = row.text(2);
    secret.created = row.integer(3);
    secret.changed = row.integer(4);
    secret.description = row.text(5);
    secret.kms_key_id = row.text(6);
    secret.region = row.text(7);
    secret.account = row.text(8);
    secret.deletion = row.integer(9);
    secret.accessed = row.integer(10);
    secret.policy = row.text(11);
    return secret;
}

Result<std::optional<SecretRecord>> read_one(Statement& query) {
    REDOUBT_TRY(const bool row, query.step());
    if (!row)
        return std::nullopt;
    return read_secret(query);
}

} // namespace

Status SecretStore::create(const SecretRecord& secret, const Tags& tags, const SecretVersion* first) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(database_
                      .prepare("INSERT INTO secrets (arn, name, created, changed, description, kms_key_id,"
                               " region, account) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                      .bind(secret.arn)
                      .bind(secret.name)
                      .bind(secret.created)
                      .bind(secret.changed)
                      .bind(secret.description)
                      .bind(secret.kms_key_id)
                      .bind(secret.region)
                      .bind(secret.account)
                      .run());
    for (const auto& [name, value] : tags)
        REDOUBT_CHECK(database_.prepare("INSERT INTO secret_tags (arn, name, value) VALUES (?, ?, ?)")
                          .bind(secret.arn)
                          .bind(name)
                          .bind(value)
                          .run());
    if (first != nullptr)
        REDOUBT_CHECK(add_version(secret.arn, *first, {std::string(kCurrentStage)}));
    return transaction.commit();
}

Result<std::optional<SecretRecord>>
SecretStore::find_by_name(std::string_view account, std::string_view region, std::string_view name) {
    auto query = database_.prepare("SELECT " SECRET_COLUMNS
                                   " FROM secrets WHERE account = ? AND region = ? AND name = ?");
    query.bind(account).bind(region).bind(name);
    return read_one(query);
}

Result<std::optional<SecretRecord>> SecretStore::find_by_arn(std::string_view arn) {
    auto query = database_.prepare("SELECT " SECRET_COLUMNS " FROM secrets WHERE arn = ?");
    query.bind(arn);
    return read_one(query);
}

Result<std::vector<SecretRecord>> SecretStore::list(std::string_view account, std::string_view region) {
    auto query = database_.prepare("SELECT " SECRET_COLUMNS
                                   " FROM secrets WHERE account = ? AND region = ? ORDER BY sequence");
    query.bind(account).bind(region);
    std::vector<SecretRecord> secrets;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return secrets;
        secrets.push_back(read_secret(query));
    }
}

Result<Tags> SecretStore::tags(std::string_view arn) {
    auto query = database_.prepare("SELECT name, value FROM secret_tags WHERE arn = ?");
    query.bind(arn);
    Tags tags;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return tags;
        tags.emplace(query.text(0), query.text(1));
    }
}

Result<std::optional<SecretVersion>> SecretStore::version(std::string_view arn, std::string_view version_id) {
    auto query = database_.prepare(
        "SELECT id, created, is_binary, value FROM secret_versions WHERE arn = ? AND id = ?");
    REDOUBT_TRY(const bool row, query.bind(arn).bind(version_id).step());
    if (!row)
        return std::nullopt;
    SecretVersion version;
    version.id = query.text(0);
    version.created = query.integer(1);
    version.binary = query.integer(2) != 0;
    version.value = query.secret(3);
    return version;
}

Result<std::optional<std::string>> SecretStore::version_of_stage(std::string_view arn,
                                                                 std::string_view stage) {
    auto query = database_.prepare("SELECT version_id FROM secret_stages WHERE arn = ? AND stage = ?");
    REDOUBT_TRY(const bool row, query.bind(arn).bind(stage).step());
    if (!row)
        return std::nullopt;
    return query.text(0);
}

Result<std::map<std::string, std::vector<std::string>>> SecretStore::stages_by_version(std::string_view arn) {
    auto query =
        database_.prepare("SELECT version_id, stage FROM secret_stages WHERE arn = ? ORDER BY stage");
    query.bind(arn);
    std::map<std::string, std::vector<std::string>> stages;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return stages;
        stages[query.text(0)].push_back(query.text(1));
    }
}

Result<std::vector<SecretVersionInfo>> SecretStore::versions(std::string_view arn) {
    auto query =
        database_.prepare("SELECT id, created FROM secret_versions WHERE arn = ? ORDER BY created, rowid");
    query.bind(arn);
    std::vector<SecretVersionInfo> versions;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return versions;
        versions.push_back({query.text(0), query.integer(1)});
    }
}

Status SecretStore::store_record(const SecretRecord& secret) {
    return database_
        .prepare(
            "UPDATE secrets SET changed = ?, description = ?, kms_key_id = ?, deletion = ?, accessed = ?,"
            " policy = ? WHERE arn = ?")
        .bind(secret.changed)
        .bind(secret.description)
        .bind(secret.kms_key_id)
        .bind(secret.deletion)
        .bind(secret.accessed)
        .bind(secret.policy)
        .bind(secret.arn)
        .run();
}

Status SecretStore::update(const SecretRecord& secret, const SecretVersion* added,
                           const std::vector<std::string>& stages) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(store_record(secret));
    if (added != nullptr)
        REDOUBT_CHECK(add_version(secret.arn, *added, stages));
    return transaction.commit();
}

Status SecretStore::move_stage(const SecretRecord& secret, std::string_view stage,
                               std::string_view version_id) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(store_record(secret));
    REDOUBT_TRY(const auto left, version_of_stage(secret.arn, stage));
    if (version_id.empty()) {
        REDOUBT_CHECK(database_.prepare("DELETE FROM secret_stages WHERE arn = ? AND stage = ?")
                          .bind(secret.arn)
                          .bind(stage)
                          .run());
    } else {
        REDOUBT_CHECK(set_stage(secret.arn, stage, version_id));
    }
    if (stage == kCurrentStage && left && *left != version_id)
        REDOUBT_CHECK(set_stage(secret.arn, kPreviousStage, *left));
    return transaction.commit();
}

Status SecretStore::set_tags(std::string_view arn, const Tags& tags) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(database_.prepare("DELETE FROM secret_tags WHERE arn = ?").bind(arn).run());
    for (const auto& [name, value] : tags)
        REDOUBT_CHECK(database_.prepare("INSERT INTO secret_tags (arn, name, value) VALUES (?, ?, ?)")
                          .bind(arn)
                          .bind(name)
                          .bind(value)
                          .run());
    return transaction.commit();
}

Status SecretStore::erase(std::string_view arn) {
    for (const char* sql :
         {"DELETE FROM secret_stages WHERE arn = ?", "DELETE FROM secret_versions WHERE arn = ?",
          "DELETE FROM secret_tags WHERE arn = ?", "DELETE FROM secrets WHERE arn = ?"})
        REDOUBT_CHECK(database_.prepare(sql).bind(arn).run());
    return {};
}

Status SecretStore::remove(std::string_view arn) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(erase(arn));
    return transaction.commit();
}

Status SecretStore::purge(UnixMs now) {
    std::vector<std::string> due;
    {
        auto query = database_.prepare("SELECT arn FROM secrets WHERE deletion != 0 AND deletion <= ?");
        query.bind(now);
        for (;;) {
            REDOUBT_TRY(const bool row, query.step());
            if (!row)
                break;
            due.push_back(query.text(0));
        }
    }
    for (const auto& arn : due)
        REDOUBT_CHECK(remove(arn));
    return {};
}

Status SecretStore::add_version(std::string_view arn, const SecretVersion& version,
                                const std::vector<std::string>& stages) {
    REDOUBT_CHECK(database_
                      .prepare("INSERT INTO secret_versions (arn, id, created, is_binary, value)"
                               " VALUES (?, ?, ?, ?, ?)")
                      .bind(arn)
                      .bind(version.id)
                      .bind(version.created)
                      .bind(version.binary)
                      .bind(version.value.view(SecretAccess("store a development secret's value")))
                      .run());
    if (std::find(stages.begin(), stages.end(), kCurrentStage) != stages.end()) {
        REDOUBT_TRY(const auto left, version_of_stage(arn, kCurrentStage));
        if (left)
            REDOUBT_CHECK(set_stage(arn, kPreviousStage, *left));
    }
    for (const auto& stage : stages)
        REDOUBT_CHECK(set_stage(arn, stage, version.id));
    return database_
        .prepare("DELETE FROM secret_versions WHERE arn = ?1 AND created < ?2 AND id NOT IN"
                 " (SELECT version_id FROM secret_stages WHERE arn = ?1) AND rowid NOT IN"
                 " (SELECT rowid FROM secret_versions WHERE arn = ?1 ORDER BY created DESC, rowid DESC"
                 " LIMIT ?3)")
        .bind(arn)
        .bind(version.created - kYoungVersionMs)
        .bind(static_cast<std::int64_t>(kKeptVersions))
        .run();
}

Status SecretStore::set_stage(std::string_view arn, std::string_view stage, std::string_view version_id) {
    return database_.prepare("INSERT OR REPLACE INTO secret_stages (arn, stage, version_id) VALUES (?, ?, ?)")
        .bind(arn)
        .bind(stage)
        .bind(version_id)
        .run();
}

} // namespace redoubt::devcloud
