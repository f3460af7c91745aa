// SPDX-License-Identifier: Apache-2.0
#include "store/inspect.h"

#include "crypto/hash.h"

#include <algorithm>
#include <memory>
#include <sqlite3.h>
#include <sys/stat.h>

namespace redoubt::store {

namespace {

constexpr int kBusyTimeoutMs = 5'000;
constexpr std::int64_t kApplicationId = 0x52445354, kSchemaVersion = 3; // sqlite_store.cpp

struct Close {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
};
struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Handle = std::unique_ptr<sqlite3, Close>;

std::unexpected<Error> failed(sqlite3* handle, const std::string& path) {
    return fail(Code::StoreFailed, "the store's database cannot be read",
                path + ": " + (handle != nullptr ? sqlite3_errmsg(handle) : "out of memory"));
}

// Calls `row` for each row.
Status query(sqlite3* handle, const std::string& path, const char* sql,
             const std::function<void(sqlite3_stmt*)>& row) {
    sqlite3_stmt* raw = nullptr;
    const int prepared = sqlite3_prepare_v2(handle, sql, -1, &raw, nullptr);
    const std::unique_ptr<sqlite3_stmt, Finalize> statement(raw);
    if (prepared != SQLITE_OK)
        return failed(handle, path);
    int result = sqlite3_step(raw);
    for (; result == SQLITE_ROW; result = sqlite3_step(raw))
        row(raw);
    return result == SQLITE_DONE ? Status{} : failed(handle, path);
}

ByteView blob(sqlite3_stmt* statement, int column) {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, column));
    return {data, data == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement, column))};
}

template<class Id>
bool same(ByteView stored, const Id& id) noexcept {
    return stored.size() == id.size() && std::equal(stored.begin(), stored.end(), id.begin());
}

} // namespace

Result<Inspection> inspect_sqlite_store(const std::string& path,
                                        const std::function<void(const sealed::KeyHead&)>& key) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
        return fail(Code::StoreFailed, "there is no store there", path);
    sqlite3* raw = nullptr;
    const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
    const int opened =
        sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
    const Handle handle(raw);
    if (opened != SQLITE_OK)
        return failed(raw, path);
    sqlite3_busy_timeout(raw, kBusyTimeoutMs);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);

    std::int64_t application = 0;
    REDOUBT_CHECK(query(raw, path, "PRAGMA application_id",
                        [&](sqlite3_stmt* row) { application = sqlite3_column_int64(row, 0); }));
    if (application != kApplicationId)
        return fail(Code::StoreFailed, "the file is no store of Redoubt's", path);
    std::int64_t version = 0;
    REDOUBT_CHECK(query(raw, path, "PRAGMA user_version",
                        [&](sqlite3_stmt* row) { version = sqlite3_column_int64(row, 0); }));
    // Version 2 had no counters; the gateway that opens it next adds their table.
    if (version != kSchemaVersion && version != 2)
        return fail(Code::StoreFailed,
                    "the store is of another version of Redoubt; use the doctor of that one",
                    path + ": schema version " + std::to_string(version));
    Inspection out;
    REDOUBT_CHECK(query(raw, path, "PRAGMA integrity_check(1)", [&](sqlite3_stmt* row) {
        const std::string text(as_text(blob(row, 0)));
        if (text != "ok" && out.integrity.empty())
            out.integrity = text.substr(0, text.find('\n'));
    }));
    if (!out.integrity.empty())
        return out; // what else it says is worth nothing
    constexpr const char* kKeys = "SELECT id, vault, address, created, ifnull(deletes, 0), record FROM keys";
    REDOUBT_CHECK(query(raw, path, kKeys, [&](sqlite3_stmt* row) {
        ++out.keys;
        const auto head = sealed::read_key_head(blob(row, 5));
        if (head && same(blob(row, 0), head->id) && same(blob(row, 1), head->vault) &&
            same(blob(row, 2), head->address) && sqlite3_column_int64(row, 3) == head->created &&
            sqlite3_column_int64(row, 4) == head->deletes)
            key(*head);
        else
            ++out.damaged_keys;
    }));
    REDOUBT_CHECK(query(raw, path, "SELECT digest, document FROM policies", [&](sqlite3_stmt* row) {
        ++out.policies;
        if (!same(blob(row, 0), crypto::sha256(blob(row, 1))))
            ++out.damaged_policies;
    }));
    if (version == kSchemaVersion)
        REDOUBT_CHECK(query(raw, path, "SELECT id, record FROM counters", [&](sqlite3_stmt* row) {
            ++out.counters;
            const auto head = sealed::read_counter_head(blob(row, 1));
            if (!head || !same(blob(row, 0), head->key))
                ++out.damaged_counters;
        }));
    REDOUBT_CHECK(query(raw, path, "SELECT id, record FROM vaults", [&](sqlite3_stmt* row) {
        auto vault = sealed::decode_vault(blob(row, 1));
        if (vault && same(blob(row, 0), vault->id))
            out.vaults.push_back(std::move(*vault));
        else
            ++out.damaged_vaults;
    }));
    return out;
}

} // namespace redoubt::store
