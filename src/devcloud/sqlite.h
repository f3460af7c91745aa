// SPDX-License-Identifier: Apache-2.0
// A thin, exception-free wrapper of SQLite's C interface: a connection, prepared statements with positional
// parameters, and transactions that roll back unless committed.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace redoubt::devcloud {

// Every failing call: StoreFailed, with SQLite's own words as context.
class Statement {
  public:
    Statement(Statement&& other) noexcept;
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement();

    // Binds the next parameter. The memory must stay valid until the statement is done.
    Statement& bind(std::string_view text);
    Statement& bind(const char* text) { return bind(std::string_view(text)); }
    Statement& bind(ByteView blob);
    Statement& bind(std::int64_t value);
    Statement& bind_null();
    Statement& bind(bool value) { return bind(static_cast<std::int64_t>(value)); }

    Result<bool> step(); // true: a row is there
    Status run();        // until done; rows are dropped

    std::string text(int column) const;
    Bytes blob(int column) const;
    Secret secret(int column) const; // of a blob
    std::int64_t integer(int column) const;
    // Of a statement that gives rows.
    int columns() const;
    std::string column_name(int column) const;
    enum class Kind { Null, Integer, Text, Blob, Other };
    Kind kind(int column) const; // of the value in the present row

  private:
    friend class Database;
    Statement(sqlite3* database, sqlite3_stmt* statement) noexcept;
    sqlite3* database_;
    sqlite3_stmt* statement_; // null when preparing failed
    int next_ = 1;
    bool failed_ = false;
};

class Database {
  public:
    // Creates the file with mode 0600 where absent; WAL, synchronous full, foreign keys on.
    static Result<Database> open(const std::string& path);
    Database(Database&& other) noexcept;
    Database& operator=(Database&& other) noexcept;
    ~Database();

    Status execute(const char* script);
    // A statement that failed to prepare fails when it is stepped.
    Statement prepare(std::string_view sql);
    std::int64_t changes() const; // rows changed by the last statement

  private:
    explicit Database(sqlite3* handle) noexcept : handle_(handle) {}
    sqlite3* handle_;
};

class Transaction {
  public:
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept;
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();
    Status commit(); // on disk when this returns success

  private:
    explicit Transaction(Database& database) noexcept : database_(&database) {}
    Database* database_; // null: finished
};

} // namespace redoubt::devcloud
