// SPDX-License-Identifier: Apache-2.0
#include "devcloud/transfer.h"

#include "base/json.h"
#include "devcloud/data_lock.h"
#include "devcloud/schema.h"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>
#include <vector>

namespace redoubt::devcloud {

namespace {

constexpr std::uint64_t kFormat = 1;
constexpr json::Limits kLimits = {kMaxTransfer, 8, 1 << 24};

std::string database_path(const std::string& data_dir) {
    return data_dir + "/devcloud.db";
}

// Names come from our own schema or were compared with it; quoted all the same.
std::string sql_name(std::string_view name) {
    std::string out = "\"";
    for (const char c : name)
        out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
}

Result<std::vector<std::string>> table_names(Database& database) {
    auto query = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'"
                                  " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name");
    std::vector<std::string> names;
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            return names;
        names.push_back(query.text(0));
    }
}

Result<std::uint64_t> schema_version(Database& database) {
    auto query = database.prepare("PRAGMA user_version");
    REDOUBT_TRY(const bool row, query.step());
    return row ? static_cast<std::uint64_t>(query.integer(0)) : 0;
}

Status write_value(json::Writer& writer, const Statement& row, int column) {
    switch (row.kind(column)) {
    case Statement::Kind::Null:
        writer.null();
        return {};
    case Statement::Kind::Integer:
        writer.number(row.integer(column));
        return {};
    case Statement::Kind::Text:
        writer.string(row.text(column));
        return {};
    case Statement::Kind::Blob: {
        const auto blob = row.secret(column);
        auto text = to_base64(blob.view(SecretAccess("export devcloud's state")));
        writer.begin_object().member("base64", text).end_object();
        wipe(text);
        return {};
    }
    case Statement::Kind::Other:
        break;
    }
    return fail(Code::StoreFailed, "devcloud's database holds a value of a kind that it never writes");
}

Status write_table(json::Writer& writer, Database& database, const std::string& name) {
    auto query = database.prepare("SELECT * FROM " + sql_name(name));
    writer.key(name).begin_object().key("columns").begin_array();
    for (int column = 0; column < query.columns(); ++column)
        writer.string(query.column_name(column));
    writer.end_array().key("rows").begin_array();
    for (;;) {
        REDOUBT_TRY(const bool row, query.step());
        if (!row)
            break;
        writer.begin_array();
        for (int column = 0; column < query.columns(); ++column)
            REDOUBT_CHECK(write_value(writer, query, column));
        writer.end_array();
    }
    writer.end_array().end_object();
    return {};
}

std::unexpected<Error> bad_document(std::string why) {
    return fail(Code::InvalidField, "this is no export of devcloud's state", std::move(why));
}

// A value that is bound, and must outlive the statement.
struct Bound {
    Secret bytes;
    std::int64_t number = 0;
};

Status bind_value(Statement& insert, const json::Value& value, Bound& keep, const std::string& where) {
    switch (value.type()) {
    case json::Type::Null:
        insert.bind_null();
        return {};
    case json::Type::String:
        insert.bind(value.text());
        return {};
    case json::Type::Number: {
        const auto text = value.text();
        const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), keep.number);
        if (error != std::errc{} || rest != text.data() + text.size())
            return bad_document(where + ": a number is not whole, or too large");
        insert.bind(keep.number);
        return {};
    }
    case json::Type::Object: {
        const auto text = value.get("base64");
        auto bytes =
            text && text->is_string() && value.size() == 1 ? from_base64(text->text()) : std::nullopt;
        if (!bytes)
            return bad_document(where + ": an object is not {\"base64\":…}");
        keep.bytes = Secret::take(*bytes);
        insert.bind(keep.bytes.view(SecretAccess("import devcloud's state")));
        return {};
    }
    default:
        return bad_document(where + ": a value is of no kind that the database holds");
    }
}

Result<std::vector<std::string>> columns_of(Database& database, const std::string& table) {
    auto query = database.prepare("SELECT * FROM " + sql_name(table) + " LIMIT 0");
    REDOUBT_CHECK(query.run());
    std::vector<std::string> names;
    for (int column = 0; column < query.columns(); ++column)
        names.push_back(query.column_name(column));
    return names;
}

Status read_table(Database& database, const json::Value& table, const std::string& name) {
    const auto columns = table.get("columns"), rows = table.get("rows");
    if (!table.is_object() || table.size() != 2 || !columns || !columns->is_array() || !rows ||
        !rows->is_array())
        return bad_document("the table " + name + " needs columns and rows, and nothing more");
    REDOUBT_TRY(const auto known, columns_of(database, name));
    std::vector<std::string> asked;
    for (const auto column : *columns)
        asked.emplace_back(column.text());
    auto sorted = asked, sorted_known = known;
    std::sort(sorted.begin(), sorted.end());
    std::sort(sorted_known.begin(), sorted_known.end());
    if (sorted != sorted_known)
        return bad_document("the table " + name + " has other columns here");

    std::string sql = "INSERT INTO " + sql_name(name) + " (", marks;
    for (const auto& column : asked) {
        sql += (marks.empty() ? "" : ", ") + sql_name(column);
        marks += marks.empty() ? "?" : ", ?";
    }
    sql += ") VALUES (" + marks + ")";
    std::size_t number = 0;
    for (const auto row : *rows) {
        const std::string where = "the table " + name + ", row " + std::to_string(++number);
        if (!row.is_array() || row.size() != asked.size())
            return bad_document(where + " has not one value a column");
        std::vector<Bound> kept(asked.size());
        auto insert = database.prepare(sql);
        std::size_t at = 0;
        for (const auto value : row)
            REDOUBT_CHECK(bind_value(insert, value, kept[at++], where));
        if (!insert.run())
            return bad_document(where + " breaks a rule of the table");
    }
    return {};
}

Status fill(Database& database, const json::Value& root) {
    REDOUBT_TRY(const auto version, schema_version(database));
    if (!root.is_object() || root.size() != 3 || !root.get("redoubt_devcloud") ||
        root.get("redoubt_devcloud")->u64() != kFormat)
        return bad_document("redoubt_devcloud is not 1, or a member is missing or too many");
    const auto schema = root.get("schema"), tables = root.get("tables");
    if (!schema || schema->u64() != version)
        return bad_document("its schema is not " + std::to_string(version) +
                            "; import it with the version of Redoubt that exported it");
    if (!tables || !tables->is_object())
        return bad_document("tables is missing");
    REDOUBT_TRY(const auto names, table_names(database));
    if (tables->size() != names.size())
        return bad_document("it has other tables");
    // Rows refer to others in any order; all are there when the transaction ends.
    REDOUBT_CHECK(database.execute("PRAGMA foreign_keys=OFF"));
    REDOUBT_TRY(auto transaction, Transaction::begin(database));
    for (const auto& name : names) {
        const auto table = tables->get(name);
        if (!table)
            return bad_document("the table " + name + " is missing");
        REDOUBT_CHECK(read_table(database, *table, name));
    }
    {
        auto check = database.prepare("PRAGMA foreign_key_check");
        REDOUBT_TRY(const bool row, check.step());
        if (row)
            return bad_document("a row of the table " + check.text(0) + " refers to one that is not there");
    }
    return transaction.commit();
}

Status sync_folder(const std::string& path) {
    const net::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0)
        return fail(Code::Io, "the data folder cannot be written", path);
    return {};
}

void remove_database(const std::string& path) {
    std::error_code ignored;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"})
        std::filesystem::remove(path + suffix, ignored);
}

} // namespace

Result<std::string> export_state(const std::string& data_dir) {
    if (!std::filesystem::exists(database_path(data_dir)))
        return fail(Code::Io, "there is no devcloud.db; name devcloud's data folder", data_dir);
    REDOUBT_TRY(const auto lock, lock_data_folder(data_dir));
    REDOUBT_TRY(auto database, Database::open(database_path(data_dir)));
    REDOUBT_CHECK(migrate(database));
    REDOUBT_TRY(const auto version, schema_version(database));
    REDOUBT_TRY(const auto names, table_names(database));
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("redoubt_devcloud", kFormat).member("schema", version);
    writer.key("tables").begin_object();
    for (const auto& name : names) {
        if (const auto status = write_table(writer, database, name); !status) {
            wipe(out);
            return std::unexpected(status.error());
        }
    }
    writer.end_object().end_object();
    out.push_back('\n');
    if (out.size() > kMaxTransfer) {
        wipe(out);
        return fail(Code::TooLarge, "devcloud's state is larger than an export may be (256 MiB)");
    }
    return out;
}

Status import_state(const std::string& data_dir, std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, kLimits);
    if (!root)
        return root.error().code == Code::TooLarge
                   ? Status(fail(Code::TooLarge, "the document is larger than an export may be (256 MiB)"))
                   : Status(bad_document("it is not JSON, or a name stands in it twice"));
    REDOUBT_TRY(const auto lock, lock_data_folder(data_dir));
    const auto path = database_path(data_dir);
    if (std::filesystem::exists(path))
        return fail(Code::Conflict, "the data folder has a devcloud.db already; import into an empty one",
                    data_dir);
    // Made whole under another name, so that a crash leaves nothing that looks like a database.
    const auto making = path + ".import";
    remove_database(making);
    auto status = [&]() -> Status {
        REDOUBT_TRY(auto database, Database::open(making));
        REDOUBT_CHECK(migrate(database));
        REDOUBT_CHECK(fill(database, *root));
        // Everything into the one file that is renamed.
        return database.execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE");
    }();
    // A log without its database would be taken for the new one's.
    if (status)
        remove_database(path);
    if (status && ::rename(making.c_str(), path.c_str()) != 0)
        status = fail(Code::Io, "the new database cannot be put in place", path);
    if (!status)
        remove_database(making);
    return status ? sync_folder(data_dir) : status;
}

} // namespace redoubt::devcloud
