// SPDX-License-Identifier: Apache-2.0
#include "devcloud/secret_store.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

#define SECRET_COLUMNS "sequence, arn, name, created, changed, description, kms_key_id"

// "-" and six characters end a secret's ARN.
constexpr std::size_t kSuffixSize = 7;

SecretRecord read_secret(const Statement& row) {
    SecretRecord secret;
    secret.sequence = row.integer(0);
    secret.arn = row.text(1);
    secret.name = row.text(2);
    secret.created = row.integer(3);
    secret.changed = row.integer(4);
    secret.description = row.text(5);
    secret.kms_key_id = row.text(6);
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
                      .prepare("INSERT INTO secrets (arn, name, created, changed, description, kms_key_id)"
                               " VALUES (?, ?, ?, ?, ?, ?)")
                      .bind(secret.arn)
                      .bind(secret.name)
                      .bind(secret.created)
                      .bind(secret.changed)
                      .bind(secret.description)
                      .bind(secret.kms_key_id)
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

Result<std::optional<SecretRecord>> SecretStore::find(std::string_view id, std::string_view arn_prefix) {
    if (!id.starts_with(arn_prefix)) {
        auto by_name = database_.prepare("SELECT " SECRET_COLUMNS " FROM secrets WHERE name = ?");
        by_name.bind(id);
        return read_one(by_name);
    }
    auto by_arn = database_.prepare("SELECT " SECRET_COLUMNS " FROM secrets WHERE arn = ?");
    by_arn.bind(id);
    REDOUBT_TRY(auto exact, read_one(by_arn));
    if (exact)
        return exact;
    auto by_partial = database_.prepare("SELECT " SECRET_COLUMNS " FROM secrets WHERE name = ?");
    by_partial.bind(id.substr(arn_prefix.size()));
    REDOUBT_TRY(auto partial, read_one(by_partial));
    if (partial && partial->arn.size() == id.size() + kSuffixSize)
        return partial;
    return std::nullopt;
}

Result<std::vector<SecretRecord>> SecretStore::list(std::int64_t after_sequence, std::size_t limit) {
    auto query = database_.prepare("SELECT " SECRET_COLUMNS
                                   " FROM secrets WHERE sequence > ? ORDER BY sequence LIMIT ?");
    query.bind(after_sequence).bind(static_cast<std::int64_t>(limit));
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

Status SecretStore::update(const SecretRecord& secret, const SecretVersion* added,
                           const std::vector<std::string>& stages) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(
        database_.prepare("UPDATE secrets SET changed = ?, description = ?, kms_key_id = ? WHERE arn = ?")
            .bind(secret.changed)
            .bind(secret.description)
            .bind(secret.kms_key_id)
            .bind(secret.arn)
            .run());
    if (added != nullptr)
        REDOUBT_CHECK(add_version(secret.arn, *added, stages));
    return transaction.commit();
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
    return {};
}

Status SecretStore::set_stage(std::string_view arn, std::string_view stage, std::string_view version_id) {
    return database_.prepare("INSERT OR REPLACE INTO secret_stages (arn, stage, version_id) VALUES (?, ?, ?)")
        .bind(arn)
        .bind(stage)
        .bind(version_id)
        .run();
}

} // namespace redoubt::devcloud
