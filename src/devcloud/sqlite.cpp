// SPDX-License-Identifier: Apache-2.0
#include "devcloud/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

namespace redoubt::devcloud {

namespace {

std::unexpected<Error> store_failed(sqlite3* database) {
    return fail(Code::StoreFailed,
                "devcloud's database refused an operation; check the data folder's space and permissions",
                database != nullptr ? sqlite3_errmsg(database) : "out of memory");
}

} // namespace

Statement::Statement(sqlite3* database, sqlite3_stmt* statement) noexcept
    : database_(database), statement_(statement) {}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(other.statement_), next_(other.next_), failed_(other.failed_) {
    other.statement_ = nullptr;
}

Statement::~Statement() {
    sqlite3_finalize(statement_);
}

Statement& Statement::bind(std::string_view text) {
    // A null pointer would bind NULL; an empty text is a text.
    const char* data = text.data() != nullptr ? text.data() : "";
    failed_ |=
        sqlite3_bind_text64(statement_, next_++, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK;
    return *this;
}

Statement& Statement::bind(ByteView blob) {
    const void* data = blob.data() != nullptr ? static_cast<const void*>(blob.data()) : "";
    failed_ |= sqlite3_bind_blob64(statement_, next_++, data, blob.size(), SQLITE_STATIC) != SQLITE_OK;
    return *this;
}

Statement& Statement::bind(std::int64_t value) {
    failed_ |= sqlite3_bind_int64(statement_, next_++, value) != SQLITE_OK;
    return *this;
}

Statement& Statement::bind_null() {
    failed_ |= sqlite3_bind_null(statement_, next_++) != SQLITE_OK;
    return *this;
}

Result<bool> Statement::step() {
    if (statement_ == nullptr || failed_)
        return store_failed(database_);
    switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
        return true;
    case SQLITE_DONE:
        return false;
    default:
        return store_failed(database_);
    }
}

Status Statement::run() {
    for (;;) {
        REDOUBT_TRY(const bool row, step());
        if (!row)
            return {};
    }
}

std::string Statement::text(int column) const {
    return std::string(as_text(blob(column)));
}

Bytes Statement::blob(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? Bytes{} : Bytes(data, data + size);
}

Secret Statement::secret(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? Secret{} : Secret::copy_of({data, size});
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

int Statement::columns() const {
    return sqlite3_column_count(statement_);
}

std::string Statement::column_name(int column) const {
    const char* name = sqlite3_column_name(statement_, column);
    return name == nullptr ? "" : name;
}

Statement::Kind Statement::kind(int column) const {
    switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_NULL:
        return Kind::Null;
    case SQLITE_INTEGER:
        return Kind::Integer;
    case SQLITE_TEXT:
        return Kind::Text;
    case SQLITE_BLOB:
        return Kind::Blob;
    default:
        return Kind::Other;
    }
}

Result<Database> Database::open(const std::string& path) {
    // SQLite would create the file by the umask; it holds key material, if only of a development cloud.
    const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(Code::Io, "devcloud's database cannot be created; check the data folder", path);
    ::close(fd);

    sqlite3* handle = nullptr;
    const int opened =
        sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
    Database database(handle);
    if (opened != SQLITE_OK)
        return store_failed(handle);
    sqlite3_busy_timeout(handle, 5'000);
    REDOUBT_CHECK(database.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                                   "PRAGMA secure_delete=ON;"));
    return database;
}

Database::Database(Database&& other) noexcept : handle_(other.handle_) {
    other.handle_ = nullptr;
}

Database& Database::operator=(Database&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
}

Database::~Database() {
    sqlite3_close_v2(handle_);
}

Status Database::execute(const char* script) {
    if (sqlite3_exec(handle_, script, nullptr, nullptr, nullptr) != SQLITE_OK)
        return store_failed(handle_);
    return {};
}

Statement Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
    return Statement(handle_, statement);
}

std::int64_t Database::changes() const {
    return sqlite3_changes64(handle_);
}

Result<Transaction> Transaction::begin(Database& database) {
    REDOUBT_CHECK(database.execute("BEGIN IMMEDIATE"));
    return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept : database_(other.database_) {
    other.database_ = nullptr;
}

Transaction::~Transaction() {
    if (database_ != nullptr)
        (void)database_->execute("ROLLBACK");
}

Status Transaction::commit() {
    REDOUBT_CHECK(database_->execute("COMMIT"));
    database_ = nullptr;
    return {};
}

} // namespace redoubt::devcloud
