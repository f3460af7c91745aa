// SPDX-License-Identifier: Apache-2.0
#include "devcloud/state.h"

#include <filesystem>

namespace redoubt::devcloud {

namespace {

constexpr std::int64_t kSchemaVersion = 1;

// Times are milliseconds since 1970. `sequence` is the order of creation, which listings page by.
constexpr const char* kSchema = R"sql(
BEGIN IMMEDIATE;
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
PRAGMA user_version = 1;
COMMIT;
)sql";

} // namespace

Result<std::unique_ptr<State>> State::open(const std::string& data_dir) {
    std::error_code error;
    if (std::filesystem::create_directories(data_dir, error))
        std::filesystem::permissions(data_dir, std::filesystem::perms::owner_all, error);
    if (error)
        return fail(Code::Io, "devcloud's data folder cannot be created", data_dir);

    REDOUBT_TRY(auto database, Database::open(data_dir + "/devcloud.db"));
    std::int64_t version = 0;
    {
        auto query = database.prepare("PRAGMA user_version");
        REDOUBT_TRY(const bool row, query.step());
        if (row)
            version = query.integer(0);
    }
    if (version == 0) {
        REDOUBT_CHECK(database.execute(kSchema));
    } else if (version != kSchemaVersion)
        return fail(Code::StoreFailed,
                    "devcloud's database is of another version of Redoubt; use another data folder",
                    std::to_string(version));
    return std::unique_ptr<State>(new State(std::move(database)));
}

} // namespace redoubt::devcloud
