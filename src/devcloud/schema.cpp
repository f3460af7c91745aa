// SPDX-License-Identifier: Apache-2.0
#include "devcloud/schema.h"

#include "devcloud/schema_services.h"

#include <array>
#include <string>

namespace redoubt::devcloud {

namespace {

// Times are milliseconds since 1970. `sequence` is the order of creation, which listings page by.
constexpr const char* kFirst = R"sql(
CREATE TABLE keys (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    arn TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    description TEXT NOT NULL,
    policy TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    material_id TEXT NOT NULL
);
CREATE TABLE key_materials (
    id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys(id),
    bytes BLOB NOT NULL,
    created INTEGER NOT NULL
);
CREATE TABLE key_tags (
    key_id TEXT NOT NULL REFERENCES keys(id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (key_id, name)
);
CREATE TABLE secrets (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    arn TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    description TEXT NOT NULL,
    kms_key_id TEXT NOT NULL
);
CREATE TABLE secret_tags (
    arn TEXT NOT NULL REFERENCES secrets(arn),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (arn, name)
);
CREATE TABLE secret_versions (
    arn TEXT NOT NULL REFERENCES secrets(arn),
    id TEXT NOT NULL,
    created INTEGER NOT NULL,
    is_binary INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (arn, id)
);
CREATE TABLE secret_stages (
    arn TEXT NOT NULL,
    stage TEXT NOT NULL,
    version_id TEXT NOT NULL,
    PRIMARY KEY (arn, stage),
    FOREIGN KEY (arn, version_id) REFERENCES secret_versions(arn, id)
);
CREATE TABLE sessions (
    access_key_id TEXT PRIMARY KEY,
    secret_access_key BLOB NOT NULL,
    token BLOB NOT NULL,
    role TEXT NOT NULL,
    session_name TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
);
)sql";

// Accounts, regions, IAM; aliases, grants, rotation and deletion of keys. A key's and a secret's account and
// region stand in its ARN: arn:aws:SERVICE:REGION:ACCOUNT:… ("arn:aws:kms:" has 12 characters,
// "arn:aws:secretsmanager:" 23, an account 12). A session without an account is of devcloud's own.
constexpr const char* kAccountsAndIam = R"sql(
ALTER TABLE keys ADD COLUMN region TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN deletion INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN pending_days INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN rotation_days INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN next_rotation INTEGER NOT NULL DEFAULT 0;
UPDATE keys SET region = substr(arn, 13, instr(substr(arn, 13), ':') - 1);
UPDATE keys SET account = substr(arn, 13 + length(region) + 1, 12);
CREATE INDEX keys_by_place ON keys (account, region, sequence);
ALTER TABLE key_materials ADD COLUMN rotation TEXT NOT NULL DEFAULT '';
CREATE TABLE key_aliases (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES keys(id),
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    UNIQUE (account, region, name)
);
CREATE TABLE key_grants (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key_id TEXT NOT NULL REFERENCES keys(id),
    token TEXT NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    grantee TEXT NOT NULL,
    retiree TEXT NOT NULL,
    issuer TEXT NOT NULL,
    operations TEXT NOT NULL,
    constraint_kind TEXT NOT NULL
);
CREATE INDEX key_grants_by_key ON key_grants (key_id, sequence);
CREATE TABLE key_grant_context (
    grant_id TEXT NOT NULL REFERENCES key_grants(id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (grant_id, name)
);

CREATE TABLE secrets_2 (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    arn TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    description TEXT NOT NULL,
    kms_key_id TEXT NOT NULL,
    region TEXT NOT NULL,
    account TEXT NOT NULL,
    UNIQUE (account, region, name)
);
INSERT INTO secrets_2 SELECT sequence, arn, name, created, changed, description, kms_key_id,
    substr(arn, 24, instr(substr(arn, 24), ':') - 1),
    substr(arn, 24 + instr(substr(arn, 24), ':'), 12) FROM secrets;
DROP TABLE secrets;
ALTER TABLE secrets_2 RENAME TO secrets;

ALTER TABLE sessions ADD COLUMN account TEXT NOT NULL DEFAULT '';

CREATE TABLE iam_accounts (
    id TEXT PRIMARY KEY,
    created INTEGER NOT NULL
);
CREATE TABLE iam_users (
    account TEXT NOT NULL REFERENCES iam_accounts(id),
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (account, name)
);
CREATE TABLE iam_roles (
    account TEXT NOT NULL REFERENCES iam_accounts(id),
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    created INTEGER NOT NULL,
    trust_policy TEXT NOT NULL,
    max_session_seconds INTEGER NOT NULL,
    PRIMARY KEY (account, name)
);
-- Of a user, or of the account's root user where user is ''.
CREATE TABLE iam_access_keys (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES iam_accounts(id),
    user TEXT NOT NULL,
    secret BLOB NOT NULL,
    created INTEGER NOT NULL
);
-- Identity policies; kind is 'user' or 'role'.
CREATE TABLE iam_policies (
    account TEXT NOT NULL REFERENCES iam_accounts(id),
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    policy TEXT NOT NULL,
    PRIMARY KEY (account, kind, owner, name)
);
)sql";

constexpr std::array kSteps = {kFirst, kAccountsAndIam, kServicesSchema};

} // namespace

Status migrate(Database& database) {
    std::int64_t version = 0;
    {
        auto query = database.prepare("PRAGMA user_version");
        REDOUBT_TRY(const bool row, query.step());
        if (row)
            version = query.integer(0);
    }
    if (version < 0 || version > static_cast<std::int64_t>(kSteps.size()))
        return fail(Code::StoreFailed,
                    "devcloud's database is of a newer version of Redoubt; use another data folder",
                    std::to_string(version));
    // SQLite's way to rebuild a table that others refer to ("Making Other Kinds Of Table Schema Changes").
    REDOUBT_CHECK(database.execute("PRAGMA foreign_keys=OFF"));
    for (auto step = static_cast<std::size_t>(version); step < kSteps.size(); ++step) {
        REDOUBT_TRY(auto transaction, Transaction::begin(database));
        REDOUBT_CHECK(database.execute(kSteps[step]));
        REDOUBT_CHECK(database.execute(("PRAGMA user_version = " + std::to_string(step + 1)).c_str()));
        REDOUBT_CHECK(transaction.commit());
    }
    return database.execute("PRAGMA foreign_keys=ON");
}

} // namespace redoubt::devcloud
