// SPDX-License-Identifier: Apache-2.0
#include "devcloud/alias_store.h"

namespace redoubt::devcloud {

namespace {

#define ALIAS_COLUMNS "sequence, account, region, name, key_id, created, changed"

AliasRecord read_alias(const Statement& row) {
    return {row.integer(0), row.text(1),    row.text(2),   row.text(3),
            row.text(4),    row.integer(5), row.integer(6)};
}

} // namespace

Result<bool> AliasStore::create(const AliasRecord& alias) {
    REDOUBT_CHECK(database_
                      .prepare("INSERT OR IGNORE INTO key_aliases (account, region, name, key_id, created,"
                               " changed) VALUES (?, ?, ?, ?, ?, ?)")
                      .bind(alias.account)
                      .bind(alias.region)
                      .bind(alias.name)
                      .bind(alias.key_id)
                      .bind(alias.created)
                      .bind(alias.changed)
                      .run());
    return database_.changes() > 0;
}

Result<std::optional<AliasRecord>> AliasStore::find(std::string_view account, std::string_view region,
                                                    std::string_view name) {
    auto query = database_.prepare("SELECT " ALIAS_COLUMNS
                                   " FROM key_aliases WHERE account = ? AND region = ? AND name = ?");
    REDOUBT_TRY(const bool row, query.bind(account).bind(region).bind(name).step());
    if (!row)
        return std::nullopt;
    return read_alias(query);
}

Status AliasStore::point(const AliasRecord& alias) {
    return database_
        .prepare(
            "UPDATE key_aliases SET key_id = ?, changed = ? WHERE account = ? AND region = ? AND name = ?")
        .bind(alias.key_id)
        .bind(alias.changed)
        .bind(alias.account)
        .bind(alias.region)
        .bind(alias.name)
        .run();
}

Status AliasStore::remove(const AliasRecord& alias) {
    return database_.prepare("DELETE FROM key_aliases WHERE account = ? AND region = ? AND name = ?")
        .bind(alias.account)
        .bind(alias.region)
        .bind(alias.name)
        .run();
}

Result<std::vector<AliasRecord>> AliasStore::list(std::string_view account, std::string_view region,
                                                  std::string_view key_id, Page page) {
    auto query =
        database_.prepare("SELECT " ALIAS_COLUMNS " FROM key_aliases WHERE account = ? AND region = ?"
                          " AND (? = '' OR key_id = ?) AND sequence > ? ORDER BY sequence LIMIT ?");
    query.bind(account)
        .bind(region)
        .bind(key_id)
        .bind(key_id)
        .bind(page.after)
        .bind(static_cast<std::int64_t>(page.limit));
    std::vector<AliasRecord> out;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return out;
        out.push_back(read_alias(query));
    }
}

} // namespace redoubt::devcloud
