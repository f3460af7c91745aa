// SPDX-License-Identifier: Apache-2.0
#include "devcloud/grant_store.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

#define GRANT_COLUMNS                                                                                        \
    "sequence, id, key_id, token, name, created, grantee, retiree, issuer, operations, constraint_kind"

} // namespace

Status GrantStore::create(const Grant& grant) {
    std::string operations; // names of operations, with commas between them
    for (const auto& operation : grant.operations)
        operations += (operations.empty() ? "" : ",") + operation;
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(database_
                      .prepare("INSERT INTO key_grants (id, key_id, token, name, created, grantee, retiree,"
                               " issuer, operations, constraint_kind) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
                      .bind(grant.id)
                      .bind(grant.key_id)
                      .bind(grant.token)
                      .bind(grant.name)
                      .bind(grant.created)
                      .bind(grant.grantee)
                      .bind(grant.retiree)
                      .bind(grant.issuer)
                      .bind(operations)
                      .bind(grant.constraint)
                      .run());
    for (const auto& [name, value] : grant.context)
        REDOUBT_CHECK(
            database_.prepare("INSERT INTO key_grant_context (grant_id, name, value) VALUES (?, ?, ?)")
                .bind(grant.id)
                .bind(name)
                .bind(value)
                .run());
    return transaction.commit();
}

Result<std::vector<Grant>> GrantStore::read_all(Statement& query) {
    std::vector<Grant> out;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            break;
        Grant grant;
        grant.sequence = query.integer(0);
        grant.id = query.text(1);
        grant.key_id = query.text(2);
        grant.token = query.text(3);
        grant.name = query.text(4);
        grant.created = query.integer(5);
        grant.grantee = query.text(6);
        grant.retiree = query.text(7);
        grant.issuer = query.text(8);
        const auto operations = query.text(9);
        for (std::size_t at = 0; at < operations.size();) {
            const auto comma = std::min(operations.find(',', at), operations.size());
            grant.operations.push_back(operations.substr(at, comma - at));
            at = comma + 1;
        }
        grant.constraint = query.text(10);
        out.push_back(std::move(grant));
    }
    for (auto& grant : out) {
        if (grant.constraint.empty())
            continue;
        auto context = database_.prepare("SELECT name, value FROM key_grant_context WHERE grant_id = ?");
        context.bind(grant.id);
        for (;;) {
            REDOUBT_TRY(const bool row, context.step());
            if (!row)
                break;
            grant.context.emplace(context.text(0), context.text(1));
        }
    }
    return out;
}

Result<std::optional<Grant>> GrantStore::find(std::string_view id) {
    auto query = database_.prepare("SELECT " GRANT_COLUMNS " FROM key_grants WHERE id = ?");
    query.bind(id);
    REDOUBT_TRY(auto found, read_all(query));
    if (found.empty())
        return std::nullopt;
    return std::move(found.front());
}

Result<std::optional<Grant>> GrantStore::find_by_token(std::string_view token) {
    auto query = database_.prepare("SELECT " GRANT_COLUMNS " FROM key_grants WHERE token = ?");
    query.bind(token);
    REDOUBT_TRY(auto found, read_all(query));
    if (found.empty())
        return std::nullopt;
    return std::move(found.front());
}

Result<std::vector<Grant>> GrantStore::of_key(std::string_view key_id, Page page) {
    auto query =
        database_.prepare("SELECT " GRANT_COLUMNS " FROM key_grants WHERE key_id = ? AND sequence > ?"
                          " ORDER BY sequence LIMIT ?");
    query.bind(key_id).bind(page.after).bind(static_cast<std::int64_t>(page.limit));
    return read_all(query);
}

Result<std::vector<Grant>> GrantStore::of_retiree(std::string_view retiree, std::string_view account,
                                                  std::string_view region, Page page) {
    auto query = database_.prepare(
        "SELECT " GRANT_COLUMNS " FROM key_grants WHERE retiree = ?"
        " AND key_id IN (SELECT id FROM keys WHERE account = ? AND region = ?) AND sequence > ?"
        " ORDER BY sequence LIMIT ?");
    query.bind(retiree)
        .bind(account)
        .bind(region)
        .bind(page.after)
        .bind(static_cast<std::int64_t>(page.limit));
    return read_all(query);
}

Status GrantStore::remove(std::string_view id) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(database_.prepare("DELETE FROM key_grant_context WHERE grant_id = ?").bind(id).run());
    REDOUBT_CHECK(database_.prepare("DELETE FROM key_grants WHERE id = ?").bind(id).run());
    return transaction.commit();
}

} // namespace redoubt::devcloud
