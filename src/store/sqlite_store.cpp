// SPDX-License-Identifier: Apache-2.0
// The store in one SQLite file. Schema, version 1 (PRAGMA user_version; application_id 0x52445354, "RDST"):
//
//   keys    id BLOB, 16 bytes, primary key      sealed::KeyId
//           created INTEGER                     the head's, milliseconds since 1970
//           record BLOB                         the sealed record, as put
//   vaults  id, created, record                 the same of vault records
//   keys_by_creation, vaults_by_creation        indices on (created, id), the order of listing
//
// Two connections: one writes, one reads, so that a read does not wait for another caller's fsync (WAL lets
// both go on). Each has a mutex; other processes may have the same file open.
#include "store/record_checks.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <mutex>
#include <utility>

namespace redoubt::store {

namespace {

constexpr int kBusyTimeoutMs = 5'000;
constexpr std::int64_t kApplicationId = 0x52445354;
constexpr std::int64_t kSchemaVersion = 1;
constexpr const char* kSchema =
    "CREATE TABLE keys(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16), created INTEGER NOT NULL,"
    " record BLOB NOT NULL) WITHOUT ROWID, STRICT;"
    "CREATE INDEX keys_by_creation ON keys(created, id);"
    "CREATE TABLE vaults(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16), created INTEGER NOT NULL,"
    " record BLOB NOT NULL) WITHOUT ROWID, STRICT;"
    "CREATE INDEX vaults_by_creation ON vaults(created, id);"
    "PRAGMA application_id = 1380209492; PRAGMA user_version = 1;";
static_assert(kApplicationId == 1'380'209'492 && kSchemaVersion == 1);

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
    std::unexpected<Error> failed() const {
        return fail(Code::StoreFailed, "the store's database failed; check its file, disk and permissions",
                    handle_ != nullptr ? sqlite3_errmsg(handle_) : "out of memory");
    }

  private:
    sqlite3* handle_ = nullptr;
};

// Creates the schema in an empty database, and refuses one that is not this program's.
Status prepare_schema(Connection& connection) {
    REDOUBT_TRY(const auto application, connection.number("PRAGMA application_id"));
    REDOUBT_TRY(const auto version, connection.number("PRAGMA user_version"));
    if (application == kApplicationId && version == kSchemaVersion)
        return {};
    if (application == kApplicationId && version > kSchemaVersion)
        return fail(Code::StoreFailed, "the store was written by a newer Redoubt; use that version",
                    "schema version " + std::to_string(version));
    REDOUBT_TRY(const auto objects, connection.number("SELECT count(*) FROM sqlite_schema"));
    if (application != 0 || version != 0 || objects != 0)
        return fail(Code::StoreFailed, "the store's file is another program's database; name another file");
    return connection.execute(kSchema);
}

// SQLite keeps another mode, without an error, where the file system cannot share memory. While another
// program makes the same switch it answers "busy" at once, whatever the time-out.
Status use_write_ahead_log(Connection& connection) {
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

Status prepare_database(Connection& connection) {
    REDOUBT_CHECK(use_write_ahead_log(connection));
    REDOUBT_CHECK(connection.execute("PRAGMA synchronous = FULL"));
    // Within a transaction, so that of two programs that start on an empty file one waits.
    REDOUBT_CHECK(connection.execute("BEGIN IMMEDIATE"));
    const Status prepared = prepare_schema(connection);
    if (!prepared) {
        (void)connection.execute("ROLLBACK");
        return prepared;
    }
    return connection.execute("COMMIT");
}

class SqliteStore final : public Store {
  public:
    Status open(const std::string& path) {
        REDOUBT_CHECK(writer_.open(path));
        REDOUBT_CHECK(prepare_database(writer_));
        REDOUBT_CHECK(reader_.open(path));
        REDOUBT_CHECK(reader_.execute("PRAGMA query_only = ON"));
        REDOUBT_TRY(put_key_, writer_.prepare("INSERT INTO keys(id, created, record) VALUES(?, ?, ?)"));
        REDOUBT_TRY(put_vault_, writer_.prepare("INSERT INTO vaults(id, created, record) VALUES(?, ?, ?)"));
        REDOUBT_TRY(get_key_, reader_.prepare("SELECT record FROM keys WHERE id = ?"));
        REDOUBT_TRY(get_vault_, reader_.prepare("SELECT record FROM vaults WHERE id = ?"));
        REDOUBT_TRY(list_first_, reader_.prepare("SELECT record FROM keys ORDER BY created, id LIMIT ?"));
        // No row, and so no page, where the id is unknown: comparing with NULL is never true.
        REDOUBT_TRY(list_after_,
                    reader_.prepare("SELECT record FROM keys WHERE (created, id) > (SELECT created, id FROM "
                                    "keys WHERE id = ?) ORDER BY created, id LIMIT ?"));
        REDOUBT_TRY(list_vaults_, reader_.prepare("SELECT record FROM vaults ORDER BY created, id"));
        return {};
    }

    Status put_key(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_key_head(record));
        return put(put_key_, head.id, head.created, record);
    }

    Status put_vault(ByteView record) override {
        REDOUBT_TRY(const auto vault, sealed::decode_vault(record));
        return put(put_vault_, vault.id, vault.created, record);
    }

    Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) override {
        REDOUBT_TRY(auto record, get(get_key_, id));
        return checked_key(std::move(record), id);
    }

    Result<std::optional<Bytes>> get_vault(const sealed::VaultId& id) override {
        REDOUBT_TRY(auto record, get(get_vault_, id));
        return checked_vault(std::move(record), id);
    }

    Result<std::vector<StoredKey>> list_keys(std::optional<sealed::KeyId> after, std::size_t limit) override {
        const auto rows = static_cast<std::int64_t>(
            std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max()));
        const std::lock_guard lock(reader_mutex_);
        Use use(after ? list_after_ : list_first_);
        if (after)
            use.bind(ByteView(*after));
        use.bind(rows);
        std::vector<StoredKey> out;
        int result = use.step();
        for (; result == SQLITE_ROW; result = use.step()) {
            REDOUBT_TRY(auto key, listed_key(use.blob(0)));
            out.push_back(std::move(key));
        }
        if (result != SQLITE_DONE)
            return reader_.failed();
        return out;
    }

    Result<std::vector<Bytes>> list_vaults() override {
        const std::lock_guard lock(reader_mutex_);
        Use use(list_vaults_);
        std::vector<Bytes> out;
        int result = use.step();
        for (; result == SQLITE_ROW; result = use.step()) {
            REDOUBT_TRY(auto vault, listed_vault(use.blob(0)));
            out.push_back(std::move(vault));
        }
        if (result != SQLITE_DONE)
            return reader_.failed();
        return out;
    }

  private:
    // Outside a transaction an INSERT is one of its own: when it is done it is in the log, and the log is on
    // the disk.
    Status put(const Statement& statement, ByteView id, UnixMs created, ByteView record) {
        const std::lock_guard lock(writer_mutex_);
        Use use(statement);
        use.bind(id).bind(created).bind(record);
        const int result = use.step();
        if (result == SQLITE_CONSTRAINT_PRIMARYKEY)
            return fail(Code::Conflict, "the store has a record with this id already");
        if (result != SQLITE_DONE)
            return writer_.failed();
        return {};
    }

    Result<std::optional<Bytes>> get(const Statement& statement, ByteView id) {
        const std::lock_guard lock(reader_mutex_);
        Use use(statement);
        use.bind(id);
        const int result = use.step();
        if (result == SQLITE_ROW)
            return use.blob(0);
        if (result != SQLITE_DONE)
            return reader_.failed();
        return std::nullopt;
    }

    std::mutex writer_mutex_, reader_mutex_;
    Connection writer_, reader_;
    // After the connections, so that they are gone before these close.
    Statement put_key_, put_vault_;
    Statement get_key_, get_vault_, list_first_, list_after_, list_vaults_;
};

} // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path) {
    if (path.empty())
        return fail(Code::StoreFailed, "the store needs a file");
    // SQLite has names that are no files (":memory:"); none of them holds a '/'.
    const std::string file = path.find('/') == path.npos ? "./" + path : path;
    // SQLite would create the file as the umask says. Its log and index take over the file's mode. A file
    // that exists is left to SQLite: closing a descriptor of it would drop the locks that this process holds
    // on it.
    const int fd = ::open(file.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return fail(Code::StoreFailed, "the store's file cannot be created; check its folder and permissions",
                    path);
    if (fd >= 0)
        ::close(fd);
    auto store = std::make_unique<SqliteStore>();
    REDOUBT_CHECK(store->open(file));
    return store;
}

} // namespace redoubt::store
