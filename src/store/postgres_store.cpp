// SPDX-License-Identifier: Apache-2.0
// The store for many hosts: tables in a PostgreSQL database (13 or later), through libpq. Schema, version 1,
// in the connection's current schema:
//
//   redoubt_store   version integer, one row
//   redoubt_keys    id bytea, 16 bytes, primary key   sealed::KeyId
//                   created bigint                    the head's, milliseconds since 1970
//                   record bytea                      the sealed record, as put
//   redoubt_vaults  id, created, record               the same of vault records
//   redoubt_keys_by_creation, redoubt_vaults_by_creation   indices on (created, id), the order of listing
//
// An INSERT is a transaction of its own; synchronous_commit stays on, so when it is done it is on the
// server's disk. Up to kConnections statements run at once, each on a connection of its own. A connection
// that broke is made anew, and its statement is sent once more: a record that is then there already, byte for
// byte, is the first attempt's.
#include "store/record_checks.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <utility>

namespace redoubt::store {

namespace {

constexpr std::size_t kConnections = 8;
constexpr const char* kSchemaVersion = "1";
// The lock under which the schema is made; "RDST", as the SQLite file's application_id.
constexpr const char* kSchemaLock = "SELECT pg_advisory_xact_lock(1380209492)";
constexpr const char* kSchema =
    "CREATE TABLE redoubt_keys(id bytea PRIMARY KEY CHECK(octet_length(id) = 16), created bigint NOT NULL,"
    " record bytea NOT NULL);"
    "ALTER TABLE redoubt_keys ALTER COLUMN record SET STORAGE PLAIN;" // ciphertext does not compress
    "CREATE INDEX redoubt_keys_by_creation ON redoubt_keys(created, id);"
    "CREATE TABLE redoubt_vaults(id bytea PRIMARY KEY CHECK(octet_length(id) = 16), created bigint NOT NULL,"
    " record bytea NOT NULL);"
    "CREATE INDEX redoubt_vaults_by_creation ON redoubt_vaults(created, id);"
    "CREATE TABLE redoubt_store(version integer NOT NULL);"
    "INSERT INTO redoubt_store VALUES(1);";

constexpr const char* kPutKey =
    "INSERT INTO redoubt_keys(id, created, record) VALUES($1, $2, $3) ON CONFLICT (id) DO NOTHING";
constexpr const char* kPutVault =
    "INSERT INTO redoubt_vaults(id, created, record) VALUES($1, $2, $3) ON CONFLICT (id) DO NOTHING";
constexpr const char* kGetKey = "SELECT record FROM redoubt_keys WHERE id = $1";
constexpr const char* kGetVault = "SELECT record FROM redoubt_vaults WHERE id = $1";
constexpr const char* kListFirst = "SELECT record FROM redoubt_keys ORDER BY created, id LIMIT $1";
// No row, and so no page, where the id is unknown: comparing with NULL is never true.
constexpr const char* kListAfter =
    "SELECT record FROM redoubt_keys WHERE (created, id) > (SELECT created, id FROM "
    "redoubt_keys WHERE id = $2) ORDER BY created, id LIMIT $1";
constexpr const char* kListVaults = "SELECT record FROM redoubt_vaults ORDER BY created, id";

using Bigint = ByteArray<8>; // as the server sends and takes it: big-endian
Bigint bigint(std::int64_t value) {
    Bigint out;
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (56 - 8 * i));
    return out;
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
    Bytes bytes(int row) const {
        const auto* data = reinterpret_cast<const std::uint8_t*>(PQgetvalue(result_, row, 0));
        return {data, data + PQgetlength(result_, row, 0)};
    }
    std::string_view text() const noexcept { return rows() == 1 ? PQgetvalue(result_, 0, 0) : ""; }
    // Rows that a statement inserted: "1" or "0".
    bool inserted() const noexcept { return std::string_view(PQcmdTuples(result_)) == "1"; }
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
        // A server that acknowledges before the disk has it would lose keys.
        for (const auto* setting : {"fsync", "full_page_writes", "synchronous_commit"}) {
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
    // Parameters and results in binary.
    Answer run(const char* sql, std::initializer_list<ByteView> parameters) {
        std::array<const char*, 3> values{};
        std::array<int, 3> sizes{}, formats{};
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

Status prepare_schema(Connection& connection) {
    if (!connection.simple("BEGIN").good() || !connection.simple(kSchemaLock).good())
        return connection.failed();
    const Answer present = connection.simple("SELECT to_regclass('redoubt_store')::text");
    if (!present.good())
        return connection.failed();
    if (present.text().empty()) {
        if (!connection.simple(kSchema).good())
            return connection.failed();
    } else {
        const Answer version = connection.simple("SELECT version FROM redoubt_store");
        if (!version.good())
            return connection.failed();
        if (version.text() != kSchemaVersion)
            return fail(Code::StoreFailed, "the store was written by a newer Redoubt; use that version",
                        "schema version " + std::string(version.text()));
    }
    if (!connection.simple("COMMIT").good())
        return connection.failed();
    return {};
}

class PostgresStore final : public Store {
  public:
    Status open(std::string target) {
        target_ = std::move(target);
        auto connection = std::make_unique<Connection>();
        REDOUBT_CHECK(connection->open(target_));
        REDOUBT_CHECK(prepare_schema(*connection));
        idle_.push_back(std::move(connection));
        return {};
    }

    Status put_key(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_key_head(record));
        return put(kPutKey, kGetKey, head.id, head.created, record);
    }

    Status put_vault(ByteView record) override {
        REDOUBT_TRY(const auto vault, sealed::decode_vault(record));
        return put(kPutVault, kGetVault, vault.id, vault.created, record);
    }

    Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) override {
        REDOUBT_TRY(auto record, get(kGetKey, id));
        return checked_key(std::move(record), id);
    }

    Result<std::optional<Bytes>> get_vault(const sealed::VaultId& id) override {
        REDOUBT_TRY(auto record, get(kGetVault, id));
        return checked_vault(std::move(record), id);
    }

    Result<std::vector<StoredKey>> list_keys(std::optional<sealed::KeyId> after, std::size_t limit) override {
        const Bigint rows = bigint(static_cast<std::int64_t>(
            std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max())));
        REDOUBT_TRY(const Answer answer,
                    after ? query(kListAfter, {rows, *after}) : query(kListFirst, {rows}));
        std::vector<StoredKey> out;
        out.reserve(static_cast<std::size_t>(answer.rows()));
        for (int row = 0; row < answer.rows(); ++row) {
            REDOUBT_TRY(auto key, listed_key(answer.bytes(row)));
            out.push_back(std::move(key));
        }
        return out;
    }

    Result<std::vector<Bytes>> list_vaults() override {
        REDOUBT_TRY(const Answer answer, query(kListVaults, {}));
        std::vector<Bytes> out;
        for (int row = 0; row < answer.rows(); ++row) {
            REDOUBT_TRY(auto vault, listed_vault(answer.bytes(row)));
            out.push_back(std::move(vault));
        }
        return out;
    }

  private:
    // One of the connections, while this lives; waits for one when all are in use.
    class Lease {
      public:
        explicit Lease(PostgresStore& store) : store_(store) {
            std::unique_lock lock(store_.mutex_);
            store_.free_.wait(lock, [&] { return !store_.idle_.empty() || store_.made_ < kConnections; });
            if (store_.idle_.empty()) {
                ++store_.made_;
                connection_ = std::make_unique<Connection>();
            } else {
                connection_ = std::move(store_.idle_.back());
                store_.idle_.pop_back();
            }
        }
        ~Lease() {
            const std::lock_guard lock(store_.mutex_);
            store_.idle_.push_back(std::move(connection_));
            store_.free_.notify_one();
        }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Connection& operator*() const noexcept { return *connection_; }
        Connection* operator->() const noexcept { return connection_.get(); }

      private:
        PostgresStore& store_;
        std::unique_ptr<Connection> connection_;
    };

    // Runs a statement, a second time on a new connection if the first broke. `again` tells that it did.
    Result<Answer> run(Lease& connection, const char* sql, std::initializer_list<ByteView> parameters,
                       bool& again) {
        again = false;
        for (;;) {
            if (connection->broken())
                REDOUBT_CHECK(connection->open(target_));
            Answer answer = connection->run(sql, parameters);
            if (answer.good())
                return answer;
            if (again || !connection->broken())
                return connection->failed();
            again = true;
        }
    }

    Result<Answer> query(const char* sql, std::initializer_list<ByteView> parameters) {
        Lease connection(*this);
        bool again = false;
        return run(connection, sql, parameters, again);
    }

    Status put(const char* insert, const char* select, ByteView id, UnixMs created, ByteView record) {
        Lease connection(*this);
        bool again = false;
        const Bigint when = bigint(created);
        REDOUBT_TRY(const Answer answer, run(connection, insert, {id, when, record}, again));
        if (answer.inserted())
            return {};
        if (again) {
            REDOUBT_TRY(const Answer stored, run(connection, select, {id}, again));
            const Bytes found = stored.rows() == 1 ? stored.bytes(0) : Bytes{};
            if (std::equal(found.begin(), found.end(), record.begin(), record.end()))
                return {};
        }
        return fail(Code::Conflict, "the store has a record with this id already");
    }

    Result<std::optional<Bytes>> get(const char* sql, ByteView id) {
        REDOUBT_TRY(const Answer answer, query(sql, {id}));
        if (answer.rows() == 0)
            return std::nullopt;
        return answer.bytes(0);
    }

    std::string target_;
    std::mutex mutex_;
    std::condition_variable free_;
    std::vector<std::unique_ptr<Connection>> idle_;
    std::size_t made_ = 1; // connections, idle or in use
};

// libpq's own message about an address that it cannot read repeats it, a password in it too.
Status check_target(const std::string& target) {
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

} // namespace

Result<std::unique_ptr<Store>> open_postgres_store(const std::string& target) {
    REDOUBT_CHECK(check_target(target));
    auto store = std::make_unique<PostgresStore>();
    REDOUBT_CHECK(store->open(target));
    return store;
}

Result<std::unique_ptr<Store>> open_store(const std::string& target) {
    if (target.starts_with("postgresql://") || target.starts_with("postgres://"))
        return open_postgres_store(target);
    return open_sqlite_store(target);
}

} // namespace redoubt::store
