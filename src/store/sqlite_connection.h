// SPDX-License-Identifier: Apache-2.0
// SQLite as the stores use it: connections that treat damage as an error, statements that are prepared once,
// and transactions that are undone unless they are committed. Not thread-safe: whoever shares a connection
// holds a lock. Errors: StoreFailed.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <sqlite3.h>

#include <string>
#include <utility>

namespace redoubt::store::sqlite {

inline constexpr int kBusyTimeoutMs = 5'000;
inline constexpr std::int64_t kApplicationId = 0x52445354; // "RDST"

// A prepared statement, used again and again. Parameters are bound by position; the memory stays valid until
// the statement is done, which is when the Use that ran it ends.
class Statement {
  public:
    Statement() noexcept = default;
    explicit Statement(sqlite3_stmt* statement) noexcept : statement_(statement) {}
    Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
    Statement& operator=(Statement&& other) noexcept {
        std::swap(statement_, other.statement_);
        return *this;
    }
    ~Statement() { sqlite3_finalize(statement_); }
    sqlite3_stmt* get() const noexcept { return statement_; }

  private:
    sqlite3_stmt* statement_ = nullptr;
};

class Use {
  public:
    explicit Use(const Statement& statement) noexcept : statement_(statement.get()) {}
    ~Use() {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    Use& bind(ByteView blob) noexcept {
        return bound(sqlite3_bind_blob64(statement_, next_++, blob.data(), blob.size(), SQLITE_STATIC));
    }
    Use& bind(std::int64_t value) noexcept { return bound(sqlite3_bind_int64(statement_, next_++, value)); }
    Use& bind_null() noexcept { return bound(sqlite3_bind_null(statement_, next_++)); }
    // SQLITE_ROW, SQLITE_DONE or an (extended) error.
    int step() noexcept { return result_ == SQLITE_OK ? sqlite3_step(statement_) : result_; }
    std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(statement_, column); }
    Bytes blob(int column) const {
        const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
        return data == nullptr ? Bytes{} : Bytes(data, data + size);
    }

  private:
    Use& bound(int result) noexcept {
        if (result != SQLITE_OK)
            result_ = result;
        return *this;
    }
    sqlite3_stmt* statement_;
    int next_ = 1;
    int result_ = SQLITE_OK;
};

class Connection {
  public:
    Connection() noexcept = default;
    ~Connection() { sqlite3_close_v2(handle_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Status open(const std::string& path) {
        constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        if (sqlite3_open_v2(path.c_str(), &handle_, kFlags, nullptr) != SQLITE_OK)
            return failed();
        sqlite3_busy_timeout(handle_, kBusyTimeoutMs);
        // A damaged page is to be an error, and a hostile schema is to run nothing.
        sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
        sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
        return execute("PRAGMA cell_size_check = ON;");
    }
    Status execute(const char* script) {
        if (sqlite3_exec(handle_, script, nullptr, nullptr, nullptr) != SQLITE_OK)
            return failed();
        return {};
    }
    Result<Statement> prepare(std::string_view sql) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                               &statement, nullptr) != SQLITE_OK)
            return failed();
        return Statement(statement);
    }
    // The one number that a query gives.
    Result<std::int64_t> number(std::string_view sql) {
        REDOUBT_TRY(const Statement statement, prepare(sql));
        Use use(statement);
        if (use.step() != SQLITE_ROW)
            return failed();
        return use.integer(0);
    }
    int changed() const noexcept { return sqlite3_changes(handle_); } // rows, by the last statement
    std::unexpected<Error> failed() const {
        return fail(Code::StoreFailed, "the store's database failed; check its file, disk and permissions",
                    handle_ != nullptr ? sqlite3_errmsg(handle_) : "out of memory");
    }

  private:
    sqlite3* handle_ = nullptr;
};

// SQLite keeps another mode, without an error, where the file system cannot share memory. While another
// program makes the same switch it answers "busy" at once, whatever the time-out.
inline Status use_write_ahead_log(Connection& connection) {
    for (int waited = 0;; waited += 10) {
        REDOUBT_TRY(const Statement statement, connection.prepare("PRAGMA journal_mode = WAL"));
        Use use(statement);
        const int result = use.step();
        if (result == SQLITE_ROW && as_text(use.blob(0)) == "wal")
            return {};
        if (result == SQLITE_ROW)
            return fail(Code::StoreFailed, "the store's file system cannot hold a write-ahead log");
        if ((result & 0xff) != SQLITE_BUSY || waited >= kBusyTimeoutMs)
            return connection.failed();
        sqlite3_sleep(10);
    }
}

// Of the connection that writes. What is not committed is undone.
class Transaction {
  public:
    static Result<Transaction> begin(Connection& connection) {
        // At once the writer, so that what it reads is what it changes.
        REDOUBT_CHECK(connection.execute("BEGIN IMMEDIATE"));
        return Transaction(connection);
    }
    Transaction(Transaction&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction() {
        if (connection_ != nullptr)
            (void)connection_->execute("ROLLBACK");
    }
    // When it is done, what was changed is in the log, and the log is on the disk.
    Status commit() {
        REDOUBT_CHECK(connection_->execute("COMMIT"));
        connection_ = nullptr;
        return {};
    }

  private:
    explicit Transaction(Connection& connection) noexcept : connection_(&connection) {}
    Connection* connection_;
};

} // namespace redoubt::store::sqlite
