// SPDX-License-Identifier: Apache-2.0
#include "devcloud/key_store.h"

namespace redoubt::devcloud {

namespace {

#define KEY_COLUMNS                                                                                          \
    "sequence, id, arn, created, description, policy, enabled, material_id, region, account, deletion,"      \
    " pending_days, rotation_days, next_rotation"

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
    key.region = row.text(8);
    key.account = row.text(9);
    key.deletion = row.integer(10);
    key.pending_days = row.integer(11);
    key.rotation_days = row.integer(12);
    key.next_rotation = row.integer(13);
    return key;
}

Result<std::vector<KeyRecord>> read_keys(Statement& query) {
    std::vector<KeyRecord> keys;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return keys;
        keys.push_back(read_key(query));
    }
}

Status add_material(Database& database, std::string_view key_id, const KeyRotation& rotation,
                    const Secret& material) {
    return database
        .prepare("INSERT INTO key_materials (id, key_id, bytes, created, rotation) VALUES (?, ?, ?, ?, ?)")
        .bind(rotation.material_id)
        .bind(key_id)
        .bind(material.view(SecretAccess("store a development KMS key's material")))
        .bind(rotation.time)
        .bind(rotation.type)
        .run();
}

} // namespace

Status KeyStore::create(const KeyRecord& key, const Secret& material, const Tags& tags) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(database_
                      .prepare("INSERT INTO keys (id, arn, created, description, policy, enabled,"
                               " material_id, region, account) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
                      .bind(key.id)
                      .bind(key.arn)
                      .bind(key.created)
                      .bind(key.description)
                      .bind(key.policy)
                      .bind(key.enabled)
                      .bind(key.material_id)
                      .bind(key.region)
                      .bind(key.account)
                      .run());
    REDOUBT_CHECK(add_material(database_, key.id, {key.material_id, key.created, ""}, material));
    REDOUBT_CHECK(insert_tags(key.id, tags));
    return transaction.commit();
}

Result<std::optional<KeyRecord>> KeyStore::find(std::string_view id) {
    auto query = database_.prepare("SELECT " KEY_COLUMNS " FROM keys WHERE id = ?");
    REDOUBT_TRY(const bool row, query.bind(id).step());
    if (!row)
        return std::nullopt;
    return read_key(query);
}

Result<std::vector<KeyRecord>> KeyStore::list(std::string_view account, std::string_view region, Page page) {
    auto query =
        database_.prepare("SELECT " KEY_COLUMNS " FROM keys WHERE account = ? AND region = ? AND sequence > ?"
                          " ORDER BY sequence LIMIT ?");
    query.bind(account).bind(region).bind(page.after).bind(static_cast<std::int64_t>(page.limit));
    return read_keys(query);
}

Status KeyStore::update(const KeyRecord& key) {
    return database_
        .prepare("UPDATE keys SET description = ?, policy = ?, enabled = ?, deletion = ?, pending_days = ?,"
                 " rotation_days = ?, next_rotation = ? WHERE id = ?")
        .bind(key.description)
        .bind(key.policy)
        .bind(key.enabled)
        .bind(key.deletion)
        .bind(key.pending_days)
        .bind(key.rotation_days)
        .bind(key.next_rotation)
        .bind(key.id)
        .run();
}

Status KeyStore::rotate(const KeyRecord& key, const KeyRotation& rotation, const Secret& material) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(add_material(database_, key.id, rotation, material));
    REDOUBT_CHECK(database_.prepare("UPDATE keys SET material_id = ?, next_rotation = ? WHERE id = ?")
                      .bind(rotation.material_id)
                      .bind(key.next_rotation)
                      .bind(key.id)
                      .run());
    return transaction.commit();
}

Result<std::optional<Secret>> KeyStore::material(std::string_view key_id, std::string_view material_id) {
    auto query = database_.prepare("SELECT bytes FROM key_materials WHERE key_id = ? AND id = ?");
    REDOUBT_TRY(const bool row, query.bind(key_id).bind(material_id).step());
    if (!row)
        return std::nullopt;
    return query.secret(0);
}

Result<std::vector<KeyRotation>> KeyStore::rotations(std::string_view key_id) {
    auto query = database_.prepare(
        "SELECT id, created, rotation FROM key_materials WHERE key_id = ? ORDER BY created, rowid");
    query.bind(key_id);
    std::vector<KeyRotation> out;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return out;
        out.push_back({query.text(0), query.integer(1), query.text(2)});
    }
}

Result<Tags> KeyStore::tags(std::string_view key_id) {
    auto query = database_.prepare("SELECT name, value FROM key_tags WHERE key_id = ?");
    query.bind(key_id);
    Tags tags;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return tags;
        tags.emplace(query.text(0), query.text(1));
    }
}

Status KeyStore::add_tags(std::string_view key_id, const Tags& tags) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(insert_tags(key_id, tags));
    return transaction.commit();
}

Status KeyStore::insert_tags(std::string_view key_id, const Tags& tags) {
    for (const auto& [name, value] : tags)
        REDOUBT_CHECK(
            database_.prepare("INSERT OR REPLACE INTO key_tags (key_id, name, value) VALUES (?, ?, ?)")
                .bind(key_id)
                .bind(name)
                .bind(value)
                .run());
    return {};
}

Status KeyStore::remove_tags(std::string_view key_id, const std::vector<std::string>& names) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    for (const auto& name : names)
        REDOUBT_CHECK(database_.prepare("DELETE FROM key_tags WHERE key_id = ? AND name = ?")
                          .bind(key_id)
                          .bind(name)
                          .run());
    return transaction.commit();
}

Status KeyStore::delete_due(UnixMs now) {
    {
        auto query = database_.prepare("SELECT 1 FROM keys WHERE deletion != 0 AND deletion <= ? LIMIT 1");
        REDOUBT_TRY(const bool any, query.bind(now).step());
        if (!any)
            return {};
    }
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
#define DUE "(SELECT id FROM keys WHERE deletion != 0 AND deletion <= ?)"
    for (const char* sql :
         {"DELETE FROM key_grant_context WHERE grant_id IN (SELECT id FROM key_grants WHERE key_id IN " DUE
          ")",
          "DELETE FROM key_grants WHERE key_id IN " DUE, "DELETE FROM key_aliases WHERE key_id IN " DUE,
          "DELETE FROM key_tags WHERE key_id IN " DUE, "DELETE FROM key_materials WHERE key_id IN " DUE,
          "DELETE FROM keys WHERE id IN " DUE})
        REDOUBT_CHECK(database_.prepare(sql).bind(now).run());
#undef DUE
    return transaction.commit();
}

Result<std::vector<KeyRecord>> KeyStore::rotation_due(UnixMs now) {
    auto query =
        database_.prepare("SELECT " KEY_COLUMNS " FROM keys WHERE rotation_days > 0 AND next_rotation <= ?"
                          " AND deletion = 0 AND enabled = 1");
    query.bind(now);
    return read_keys(query);
}

} // namespace redoubt::devcloud
