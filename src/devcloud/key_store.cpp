// SPDX-License-Identifier: Apache-2.0
#include "devcloud/key_store.h"

namespace redoubt::devcloud {

namespace {

#define KEY_COLUMNS "sequence, id, arn, created, description, policy, enabled, material_id"

KeyRecord read_key(const Statement& row) {
    KeyRecord key;
    key.sequence = row.integer(0);
    key.id = row.text(1);
    key.arn = row.text(2);
    key.created = row.integer(3);
    key.description = row.text(4);
    key.policy = row.text(5);
    key.enabled = row.integer(6) != 0;
    key.material_id = row.text(7);
    return key;
}

} // namespace

Status KeyStore::create(const KeyRecord& key, const Secret& material, const Tags& tags) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(
        database_
            .prepare("INSERT INTO keys (id, arn, created, description, policy, enabled, material_id)"
                     " VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(key.id)
            .bind(key.arn)
            .bind(key.created)
            .bind(key.description)
            .bind(key.policy)
            .bind(key.enabled)
            .bind(key.material_id)
            .run());
    REDOUBT_CHECK(
        database_.prepare("INSERT INTO key_materials (id, key_id, bytes, created) VALUES (?, ?, ?, ?)")
            .bind(key.material_id)
            .bind(key.id)
            .bind(material.view(SecretAccess("store a development KMS key's material")))
            .bind(key.created)
            .run());
    for (const auto& [name, value] : tags)
        REDOUBT_CHECK(database_.prepare("INSERT INTO key_tags (key_id, name, value) VALUES (?, ?, ?)")
                          .bind(key.id)
                          .bind(name)
                          .bind(value)
                          .run());
    return transaction.commit();
}

Result<std::optional<KeyRecord>> KeyStore::find(std::string_view id) {
    auto query = database_.prepare("SELECT " KEY_COLUMNS " FROM keys WHERE id = ?");
    REDOUBT_TRY(const bool row, query.bind(id).step());
    if (!row)
        return std::nullopt;
    return read_key(query);
}

Result<std::vector<KeyRecord>> KeyStore::list(std::int64_t after_sequence, std::size_t limit) {
    auto query =
        database_.prepare("SELECT " KEY_COLUMNS " FROM keys WHERE sequence > ? ORDER BY sequence LIMIT ?");
    query.bind(after_sequence).bind(static_cast<std::int64_t>(limit));
    std::vector<KeyRecord> keys;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return keys;
        keys.push_back(read_key(query));
    }
}

Status KeyStore::set_policy(std::string_view id, std::string_view policy) {
    return database_.prepare("UPDATE keys SET policy = ? WHERE id = ?").bind(policy).bind(id).run();
}

Result<std::optional<Secret>> KeyStore::material(std::string_view key_id, std::string_view material_id) {
    auto query = database_.prepare("SELECT bytes FROM key_materials WHERE key_id = ? AND id = ?");
    REDOUBT_TRY(const bool row, query.bind(key_id).bind(material_id).step());
    if (!row)
        return std::nullopt;
    return query.secret(0);
}

} // namespace redoubt::devcloud
