// SPDX-License-Identifier: Apache-2.0
#include "devcloud/session_store.h"

namespace redoubt::devcloud {

namespace {

constexpr UnixMs kRememberExpiredMs = 24LL * 60 * 60 * 1000;

#define SESSION_COLUMNS                                                                                      \
    "access_key_id, secret_access_key, token, role, session_name, created, expires, account, policy, origin"

Result<std::optional<Session>> read_one(Statement& query) {
    REDOUBT_TRY(const bool row, query.step());
    if (!row)
        return std::nullopt;
    Session session;
    session.access_key_id = query.text(0);
    session.secret_access_key = query.secret(1);
    session.token = query.secret(2);
    session.role = query.text(3);
    session.session_name = query.text(4);
    session.created = query.integer(5);
    session.expires = query.integer(6);
    session.account = query.text(7);
    session.policy = query.text(8);
    session.origin = query.text(9);
    return session;
}

} // namespace

Status SessionStore::add(const Session& session) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(database_.prepare("DELETE FROM sessions WHERE expires < ?")
                      .bind(session.created - kRememberExpiredMs)
                      .run());
    REDOUBT_CHECK(
        database_.prepare("INSERT INTO sessions (" SESSION_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(session.access_key_id)
            .bind(session.secret_access_key.view(SecretAccess("store a development session")))
            .bind(session.token.view(SecretAccess("store a development session")))
            .bind(session.role)
            .bind(session.session_name)
            .bind(session.created)
            .bind(session.expires)
            .bind(session.account)
            .bind(session.policy)
            .bind(session.origin)
            .run());
    return transaction.commit();
}

Result<std::optional<Session>> SessionStore::find(std::string_view access_key_id) {
    auto query = database_.prepare("SELECT " SESSION_COLUMNS " FROM sessions WHERE access_key_id = ?");
    query.bind(access_key_id);
    return read_one(query);
}

Result<std::optional<Session>> SessionStore::newest(std::string_view account, std::string_view role,
                                                    std::string_view session_name, UnixMs until) {
    auto query = database_.prepare("SELECT " SESSION_COLUMNS " FROM sessions WHERE account = ? AND role = ?"
                                   " AND session_name = ? AND origin = ? AND expires >= ?"
                                   " ORDER BY expires DESC LIMIT 1");
    query.bind(account).bind(role).bind(session_name).bind(kMetadataOrigin).bind(until);
    return read_one(query);
}

} // namespace redoubt::devcloud
