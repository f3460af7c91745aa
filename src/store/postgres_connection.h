// SPDX-License-Identifier: Apache-2.0
// libpq as the stores use it: connections to servers that lose nothing they acknowledged, statements with
// binary parameters and results. Not thread-safe. Errors: StoreFailed.
#pragma once

#include "base/cursor.h"
#include "base/result.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

namespace redoubt::store::postgres {

inline constexpr std::size_t kMostParameters = 12; // of a statement
// The lock under which the schema is made; "RDST", as the SQLite file's application_id.
inline constexpr const char* kSchemaLock = "SELECT pg_advisory_xact_lock(1380209492)";

using Bigint = ByteArray<8>; // as the server sends and takes it: big-endian
inline Bigint bigint(std::int64_t value) {
    Bigint out;
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (56 - 8 * i));
    return out;
}

inline Bigint bigint_of(std::size_t value) {
    return bigint(static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX)));
}

class Answer {
  public:
    explicit Answer(PGresult* result) noexcept : result_(result) {}
    Answer(Answer&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
    Answer& operator=(Answer&& other) noexcept {
        std::swap(result_, other.result_);
        return *this;
    }
    ~Answer() { PQclear(result_); }

    bool good() const noexcept {
        const auto status = PQresultStatus(result_);
        return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    }
    int rows() const noexcept { return PQntuples(result_); }
    ByteView view(int row, int column) const noexcept {
        return {reinterpret_cast<const std::uint8_t*>(PQgetvalue(result_, row, column)),
                static_cast<std::size_t>(PQgetlength(result_, row, column))};
    }
    Bytes bytes(int row, int column = 0) const { return to_bytes(view(row, column)); }
    std::int64_t integer(int row, int column) const noexcept {
        return static_cast<std::int64_t>(Cursor(view(row, column)).u64());
    }
    std::string_view text() const noexcept { return rows() == 1 ? PQgetvalue(result_, 0, 0) : ""; }
    // Whether an INSERT or UPDATE of one row found it free, or fit to change.
    bool changed() const noexcept { return std::string_view(PQcmdTuples(result_)) == "1"; }
    std::size_t affected() const noexcept { // rows, by an INSERT, UPDATE or DELETE
        std::size_t rows = 0;
        const std::string_view text = PQcmdTuples(result_);
        std::from_chars(text.data(), text.data() + text.size(), rows);
        return rows;
    }
    std::string error() const { return PQresultErrorMessage(result_); }

  private:
    PGresult* result_;
};

class Connection {
  public:
    Connection() noexcept = default;
    ~Connection() { PQfinish(handle_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Status open(const std::string& target) {
        PQfinish(std::exchange(handle_, nullptr));
        // What the target says itself comes after, and wins.
        const std::array names{
            "connect_timeout", "application_name", "tcp_user_timeout", "keepalives_idle",
            "options",         "client_encoding",  "dbname",           static_cast<const char*>(nullptr)};
        const std::array values{"5",
                                "redoubt",
                                "10000",
                                "30",
                                "-c statement_timeout=15000 -c lock_timeout=5000",
                                "UTF8",
                                target.c_str(),
                                static_cast<const char*>(nullptr)};
        handle_ = PQconnectdbParams(names.data(), values.data(), 1);
        if (PQstatus(handle_) != CONNECTION_OK)
            return failed();
        // Notices go nowhere: standard error is the log's.
        PQsetNoticeProcessor(
            handle_, [](void*, const char*) {}, nullptr);
        // A server that acknowledges before the disk has it would lose keys. Amazon Aurora has no pages of
        // its own on a disk: it acknowledges what its storage has in several zones, whatever the settings for
        // disks say.
        const Answer aurora = simple("SELECT to_regproc('pg_catalog.aurora_version') IS NOT NULL");
        if (!aurora.good())
            return failed();
        for (const auto* setting : {"fsync", "full_page_writes", "synchronous_commit"}) {
            if (aurora.text() == "t" && setting != std::string_view("synchronous_commit"))
                continue;
            const Answer answer = simple("SHOW " + std::string(setting));
            if (!answer.good())
                return failed();
            if (answer.text() == "off" || answer.text() == "local")
                return fail(Code::StoreFailed,
                            "the database server may lose what it acknowledged; turn this setting on",
                            setting);
        }
        return {};
    }
    bool broken() const noexcept { return handle_ == nullptr || PQstatus(handle_) != CONNECTION_OK; }

    Answer simple(const std::string& sql) { return Answer(PQexec(handle_, sql.c_str())); }
    // Parameters and results in binary. A view without memory is NULL.
    Answer run(const char* sql, std::initializer_list<ByteView> parameters) {
        std::array<const char*, kMostParameters> values{};
        std::array<int, kMostParameters> sizes{}, formats{};
        std::size_t n = 0;
        for (const ByteView parameter : parameters) {
            values[n] = reinterpret_cast<const char*>(parameter.data());
            sizes[n] = static_cast<int>(parameter.size());
            formats[n++] = 1;
        }
        return Answer(PQexecParams(handle_, sql, static_cast<int>(n), nullptr, values.data(), sizes.data(),
                                   formats.data(), 1));
    }
    std::unexpected<Error> failed() const {
        std::string context = handle_ != nullptr ? PQerrorMessage(handle_) : "out of memory";
        while (!context.empty() && context.back() == '\n')
            context.pop_back();
        return fail(Code::StoreFailed,
                    "the store's database server failed; check that it runs and takes this user",
                    std::move(context));
    }

  private:
    PGconn* handle_ = nullptr;
};

// libpq's own message about an address that it cannot read repeats it, a password in it too.
inline Status check_target(const std::string& target) {
    char* error = nullptr;
    PQconninfoOption* const options = PQconninfoParse(target.c_str(), &error);
    PQfreemem(error);
    if (options == nullptr)
        return fail(Code::StoreFailed,
                    "the store's address cannot be read; it has the form postgresql://user@host/database");
    bool password = false;
    for (const auto* option = options; option->keyword != nullptr; ++option)
        password = password || (std::string_view(option->keyword) == "password" && option->val != nullptr);
    PQconninfoFree(options);
    // Command lines are for everybody to read (/proc): no password belongs there.
    if (password)
        return fail(
            Code::StoreFailed,
            "the store's address holds a password, which every user of this machine could read; put it in "
            "~/.pgpass, or PGPASSFILE, or PGPASSWORD");
    return {};
}

} // namespace redoubt::store::postgres
