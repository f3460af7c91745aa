// SPDX-License-Identifier: Apache-2.0
#include "devcloud/federation_store.h"

namespace redoubt::devcloud {

namespace {

#define CONTAINER_COLUMNS "id, authorization, account, role, session_name"
#define OIDC_COLUMNS "account, issuer, audiences, jwks"

ContainerCredential read_container(const Statement& row) {
    ContainerCredential out;
    out.id = row.text(0);
    out.authorization = row.secret(1);
    out.account = row.text(2);
    out.role = row.text(3);
    out.session_name = row.text(4);
    return out;
}

OidcProvider read_provider(const Statement& row) {
    return {row.text(0), row.text(1), row.text(2), row.text(3)};
}

template<class T>
Result<std::vector<T>> read_all(Statement& query, T (*read)(const Statement&)) {
    std::vector<T> out;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return out;
        out.push_back(read(query));
    }
}

template<class T>
Result<std::optional<T>> read_one(Statement& query, T (*read)(const Statement&)) {
    REDOUBT_TRY(const bool row, query.step());
    if (!row)
        return std::nullopt;
    return read(query);
}

} // namespace

Status ContainerStore::replace(const std::vector<ContainerCredential>& all) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(database_.execute("DELETE FROM container_credentials"));
    for (const auto& entry : all)
        REDOUBT_CHECK(
            database_
                .prepare("INSERT INTO container_credentials (" CONTAINER_COLUMNS ") VALUES (?, ?, ?, ?, ?)")
                .bind(entry.id)
                .bind(entry.authorization.view(SecretAccess("store a development token")))
                .bind(entry.account)
                .bind(entry.role)
                .bind(entry.session_name)
                .run());
    return transaction.commit();
}

Result<std::optional<ContainerCredential>> ContainerStore::find(std::string_view id) {
    auto query = database_.prepare("SELECT " CONTAINER_COLUMNS " FROM container_credentials WHERE id = ?");
    query.bind(id);
    return read_one(query, read_container);
}

Result<std::vector<ContainerCredential>> ContainerStore::list() {
    auto query = database_.prepare("SELECT " CONTAINER_COLUMNS " FROM container_credentials ORDER BY id");
    return read_all(query, read_container);
}

Status OidcStore::replace(const std::vector<OidcProvider>& all) {
    REDOUBT_TRY(auto transaction, Transaction::begin(database_));
    REDOUBT_CHECK(database_.execute("DELETE FROM oidc_providers"));
    for (const auto& entry : all)
        REDOUBT_CHECK(database_.prepare("INSERT INTO oidc_providers (" OIDC_COLUMNS ") VALUES (?, ?, ?, ?)")
                          .bind(entry.account)
                          .bind(entry.issuer)
                          .bind(entry.audiences)
                          .bind(entry.jwks)
                          .run());
    return transaction.commit();
}

Result<std::optional<OidcProvider>> OidcStore::find(std::string_view account, std::string_view issuer) {
    auto query =
        database_.prepare("SELECT " OIDC_COLUMNS " FROM oidc_providers WHERE account = ? AND issuer = ?");
    query.bind(account).bind(issuer);
    return read_one(query, read_provider);
}

Result<std::vector<OidcProvider>> OidcStore::list() {
    auto query = database_.prepare("SELECT " OIDC_COLUMNS " FROM oidc_providers ORDER BY account, issuer");
    return read_all(query, read_provider);
}

} // namespace redoubt::devcloud
