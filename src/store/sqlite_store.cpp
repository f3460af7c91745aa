// SPDX-License-Identifier: Apache-2.0
// The store in one SQLite file. Schema, version 3 (PRAGMA user_version; application_id 0x52445354, "RDST"):
//
//   keys      id BLOB, 16 bytes, primary key    sealed::KeyId
//             created INTEGER                   the head's, milliseconds since 1970
//             vault, address BLOB               the head's
//             deletes INTEGER                   the head's while its deletion is pending, else NULL
//             record BLOB                       the sealed record, as put
//   vaults    id, created, record               the same of vault records
//   deleted_keys  id BLOB, 16 bytes             ids that had a key: none is used twice
//   policies  digest BLOB, 32 bytes, document   policy documents by their SHA-256
//   counters  id BLOB, 16 bytes, record         the record of a key's counters, by sealed::KeyId
//   indices   keys_by_creation, keys_by_vault, keys_by_address, vaults_by_creation: the order of listing, of
//             all keys and of those of a vault or address; keys_by_deletion: pending ones, by when
//
// A file of version 2, which had no counters, becomes one of version 3 when it is opened.
//
// Three connections: one writes, one reads single records, one lists, so that a read waits neither for
// another caller's fsync (WAL lets both go on) nor for a long list. Each has a mutex; other processes may
// have the same file open.
#include "store/key_page.h"
#include "store/record_checks.h"
#include "store/sqlite_connection.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

namespace redoubt::store {

namespace {

using namespace sqlite;

constexpr std::int64_t kSchemaVersion = 3;
constexpr std::size_t kKeysAtOnce = 32; // while they are read nobody else reads
constexpr const char* kSchema =
    "CREATE TABLE keys(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16), created INTEGER NOT NULL,"
    " vault BLOB NOT NULL, address BLOB NOT NULL, deletes INTEGER, record BLOB NOT NULL)"
    " WITHOUT ROWID, STRICT;"
    "CREATE INDEX keys_by_creation ON keys(created, id);"
    "CREATE INDEX keys_by_vault ON keys(vault, created, id);"
    "CREATE INDEX keys_by_address ON keys(address, created, id);"
    "CREATE INDEX keys_by_deletion ON keys(deletes, id) WHERE deletes IS NOT NULL;"
    "CREATE TABLE deleted_keys(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16)) WITHOUT ROWID, STRICT;"
    "CREATE TABLE vaults(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16), created INTEGER NOT NULL,"
    " record BLOB NOT NULL) WITHOUT ROWID, STRICT;"
    "CREATE INDEX vaults_by_creation ON vaults(created, id);"
    "CREATE TABLE policies(digest BLOB PRIMARY KEY NOT NULL CHECK(length(digest) = 32),"
    " document BLOB NOT NULL) STRICT;" // with a rowid: documents are too large for the nodes of a tree
    "PRAGMA application_id = 1380209492;";
// From version 2 to 3, and the last part of a new schema.
constexpr const char* kAddCounters =
    "CREATE TABLE counters(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16), record BLOB NOT NULL) STRICT;"
    "PRAGMA user_version = 3;";
static_assert(kApplicationId == 1'380'209'492 && kSchemaVersion == 3);

constexpr const char* kListKeys = "SELECT created, id, record FROM keys WHERE"
                                  " (created, id) > (?, ?) ORDER BY created, id";
constexpr const char* kListKeysOfVault = "SELECT created, id, record FROM keys WHERE vault = ? AND"
                                         " (created, id) > (?, ?) ORDER BY created, id";
constexpr const char* kListKeysOfAddress = "SELECT created, id, record FROM keys WHERE address = ? AND"
                                           " (created, id) > (?, ?) ORDER BY created, id";
// All of the head that has a column.
Use& bind(Use& use, const sealed::KeyHead& head) noexcept {
    use.bind(head.created).bind(head.vault).bind(head.address);
    return head.state == sealed::State::PendingDeletion ? use.bind(head.deletes) : use.bind_null();
}

// Creates the schema in an empty database, and refuses one that is not this program's.
Status prepare_schema(Connection& connection) {
    REDOUBT_TRY(const auto application, connection.number("PRAGMA application_id"));
    REDOUBT_TRY(const auto version, connection.number("PRAGMA user_version"));
    if (application == kApplicationId && version == kSchemaVersion)
        return {};
    if (application == kApplicationId && version == 2)
        return connection.execute(kAddCounters);
    if (application == kApplicationId && version == 1)
        return fail(Code::StoreFailed,
                    "the store was written by an unreleased development version of Redoubt, "
                    "whose records this one cannot read; name another file");
    if (application == kApplicationId && version > kSchemaVersion)
        return fail(Code::StoreFailed, "the store was written by a newer Redoubt; use that version",
                    "schema version " + std::to_string(version));
    REDOUBT_TRY(const auto objects, connection.number("SELECT count(*) FROM sqlite_schema"));
    if (application != 0 || version != 0 || objects != 0)
        return fail(Code::StoreFailed, "the store's file is another program's database; name another file");
    REDOUBT_CHECK(connection.execute(kSchema));
    return connection.execute(kAddCounters);
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
        for (Connection* const reader : {&reader_, &lister_}) {
            REDOUBT_CHECK(reader->open(path));
            REDOUBT_CHECK(reader->execute("PRAGMA query_only = ON"));
        }
        REDOUBT_TRY(put_key_, writer_.prepare("INSERT INTO keys(id, created, vault, address, deletes, record)"
                                              " SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS"
                                              " (SELECT 1 FROM deleted_keys WHERE id = ?1)"));
        REDOUBT_TRY(bury_key_, writer_.prepare("INSERT OR IGNORE INTO deleted_keys(id) VALUES(?)"));
        REDOUBT_TRY(stored_key_, writer_.prepare("SELECT record FROM keys WHERE id = ?"));
        REDOUBT_TRY(update_key_, writer_.prepare("UPDATE keys SET created = ?, vault = ?, address = ?,"
                                                 " deletes = ?, record = ? WHERE id = ?"));
        REDOUBT_TRY(due_keys_, writer_.prepare("SELECT id, record FROM keys WHERE deletes IS NOT NULL AND"
                                               " deletes <= ? ORDER BY deletes, id"));
        REDOUBT_TRY(delete_key_, writer_.prepare("DELETE FROM keys WHERE id = ?"));
        REDOUBT_TRY(put_vault_, writer_.prepare("INSERT INTO vaults(id, created, record) VALUES(?, ?, ?)"));
        REDOUBT_TRY(put_policy_, writer_.prepare("INSERT INTO policies(digest, document) VALUES(?, ?)"
                                                 " ON CONFLICT(digest) DO NOTHING"));
        REDOUBT_TRY(stored_counters_, writer_.prepare("SELECT record FROM counters WHERE id = ?"));
        REDOUBT_TRY(put_counters_, writer_.prepare("INSERT INTO counters(id, record) SELECT ?1, ?2"
                                                   " WHERE NOT EXISTS (SELECT 1 FROM deleted_keys WHERE"
                                                   " id = ?1) ON CONFLICT(id) DO UPDATE SET"
                                                   " record = excluded.record"));
        REDOUBT_TRY(delete_counters_, writer_.prepare("DELETE FROM counters WHERE id = ?"));
        REDOUBT_TRY(begin_reading_, reader_.prepare("BEGIN"));
        REDOUBT_TRY(end_reading_, reader_.prepare("COMMIT"));
        REDOUBT_TRY(get_key_, reader_.prepare("SELECT record FROM keys WHERE id = ?"));
        REDOUBT_TRY(get_vault_, reader_.prepare("SELECT record FROM vaults WHERE id = ?"));
        REDOUBT_TRY(get_policy_, reader_.prepare("SELECT document FROM policies WHERE digest = ?"));
        REDOUBT_TRY(get_counters_, reader_.prepare("SELECT record FROM counters WHERE id = ?"));
        REDOUBT_TRY(list_keys_, lister_.prepare(kListKeys));
        REDOUBT_TRY(list_keys_of_vault_, lister_.prepare(kListKeysOfVault));
        REDOUBT_TRY(list_keys_of_address_, lister_.prepare(kListKeysOfAddress));
        REDOUBT_TRY(list_vaults_, lister_.prepare("SELECT record FROM vaults ORDER BY created, id"));
        return {};
    }

    Status put_key(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_key_head(record));
        const std::lock_guard lock(writer_mutex_);
        Use use(put_key_);
        REDOUBT_CHECK(inserted(bind(use.bind(head.id), head).bind(record)));
        return writer_.changed() == 1 ? Status{} : exists_already(); // its id was a deleted key's
    }

    Status update_key(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_key_head(record));
        const std::lock_guard lock(writer_mutex_);
        REDOUBT_TRY(auto transaction, Transaction::begin(writer_));
        REDOUBT_TRY(const auto stored, one(writer_, stored_key_, head.id));
        if (!stored)
            return unknown_key();
        const auto before = sealed::read_key_head(*stored);
        if (!before || before->id != head.id)
            return damaged_record();
        if (same_bytes(*stored, record))
            return {};
        if (before->revision >= head.revision)
            return newer_revision();
        {
            Use use(update_key_);
            if (bind(use, head).bind(record).bind(head.id).step() != SQLITE_DONE)
                return writer_.failed();
        }
        return transaction.commit();
    }

    Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) override {
        REDOUBT_TRY(auto record, get(get_key_, id));
        return checked_key(std::move(record), id);
    }

    // In one transaction, so that the file's locks are taken once. Where it cannot begin, each read has its
    // own.
    std::vector<Result<std::optional<Bytes>>> get_keys(std::span<const sealed::KeyId> ids) override {
        std::vector<Result<std::optional<Bytes>>> out;
        out.reserve(ids.size());
        {
            const std::lock_guard lock(reader_mutex_);
            (void)Use(begin_reading_).step();
            for (const auto& id : ids)
                out.push_back(one(reader_, get_key_, id));
            if (Use(end_reading_).step() != SQLITE_DONE)
                (void)reader_.execute("ROLLBACK"); // or later reads would see the file as it was now
        }
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (out[i])
                out[i] = checked_key(std::move(*out[i]), ids[i]);
        return out;
    }
    std::size_t keys_at_once() const noexcept override { return kKeysAtOnce; }

    Result<KeyPage> list_keys(const KeyFilter& filter, std::optional<Position> after,
                              std::size_t limit) override {
        KeyPageBuilder page(filter, after, limit);
        const Position from = page.last();
        const std::lock_guard lock(lister_mutex_);
        // An address has few keys, a vault may have all.
        Use use(filter.address ? list_keys_of_address_ : filter.vault ? list_keys_of_vault_ : list_keys_);
        if (filter.address)
            use.bind(ByteView(*filter.address));
        else if (filter.vault)
            use.bind(ByteView(*filter.vault));
        use.bind(from.created).bind(from.id);
        int result = use.step();
        for (; result == SQLITE_ROW && !page.full(); result = use.step()) {
            const auto id = to_array<16>(use.blob(1));
            if (!id)
                return damaged_record();
            page.look({use.integer(0), *id}, use.blob(2));
        }
        if (result != SQLITE_ROW && result != SQLITE_DONE)
            return lister_.failed();
        return page.finish(result == SQLITE_ROW);
    }

    Result<std::vector<sealed::KeyId>> delete_due_keys(UnixMs now, std::size_t limit) override {
        const std::lock_guard lock(writer_mutex_);
        REDOUBT_TRY(auto transaction, Transaction::begin(writer_));
        std::vector<sealed::KeyId> due;
        {
            Use use(due_keys_);
            use.bind(now);
            int result = use.step();
            for (; result == SQLITE_ROW && due.size() < limit; result = use.step()) {
                const auto head = sealed::read_key_head(use.blob(1));
                if (head && same_bytes(use.blob(0), head->id) && deletion_due(*head, now))
                    due.push_back(head->id);
            }
            if (result != SQLITE_ROW && result != SQLITE_DONE)
                return writer_.failed();
        }
        for (const auto& id : due) {
            for (const Statement* const statement : {&delete_key_, &delete_counters_, &bury_key_}) {
                Use use(*statement);
                if (use.bind(id).step() != SQLITE_DONE)
                    return writer_.failed();
            }
        }
        REDOUBT_CHECK(transaction.commit());
        return due;
    }

    Status put_vault(ByteView record) override {
        REDOUBT_TRY(const auto vault, sealed::decode_vault(record));
        const std::lock_guard lock(writer_mutex_);
        Use use(put_vault_);
        return inserted(use.bind(vault.id).bind(vault.created).bind(record));
    }

    Result<std::optional<Bytes>> get_vault(const sealed::VaultId& id) override {
        REDOUBT_TRY(auto record, get(get_vault_, id));
        return checked_vault(std::move(record), id);
    }

    Result<std::vector<Bytes>> list_vaults() override {
        const std::lock_guard lock(lister_mutex_);
        Use use(list_vaults_);
        std::vector<Bytes> out;
        int result = use.step();
        for (; result == SQLITE_ROW; result = use.step()) {
            REDOUBT_TRY(auto vault, listed_vault(use.blob(0)));
            out.push_back(std::move(vault));
        }
        if (result != SQLITE_DONE)
            return lister_.failed();
        return out;
    }

    Status put_policy(ByteView document) override {
        REDOUBT_TRY(const Hash32 digest, new_policy_digest(document));
        const std::lock_guard lock(writer_mutex_);
        Use use(put_policy_);
        return inserted(use.bind(digest).bind(document));
    }

    Result<std::optional<Bytes>> get_policy(const Hash32& digest) override {
        REDOUBT_TRY(auto document, get(get_policy_, digest));
        return checked_policy(std::move(document), digest);
    }

    Status put_counters(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_counter_head(record));
        const std::lock_guard lock(writer_mutex_);
        REDOUBT_TRY(auto transaction, Transaction::begin(writer_));
        REDOUBT_TRY(const auto stored, one(writer_, stored_counters_, head.key));
        REDOUBT_TRY(const bool change, counters_change(stored, head));
        if (!change)
            return {};
        {
            Use use(put_counters_);
            if (use.bind(head.key).bind(record).step() != SQLITE_DONE)
                return writer_.failed();
        }
        if (writer_.changed() != 1)
            return counted_elsewhere(); // the key was deleted
        return transaction.commit();
    }

    Result<std::optional<Bytes>> get_counters(const sealed::KeyId& id) override {
        REDOUBT_TRY(auto record, get(get_counters_, id));
        return checked_counters(std::move(record), id);
    }

  private:
    // Outside a transaction an INSERT is one of its own: when it is done it is in the log, and the log is on
    // the disk.
    Status inserted(Use& use) {
        const int result = use.step();
        if (result == SQLITE_CONSTRAINT_PRIMARYKEY)
            return exists_already();
        if (result != SQLITE_DONE)
            return writer_.failed();
        return {};
    }

    Result<std::optional<Bytes>> get(const Statement& statement, ByteView id) {
        const std::lock_guard lock(reader_mutex_);
        return one(reader_, statement, id);
    }

    static Result<std::optional<Bytes>> one(const Connection& connection, const Statement& statement,
                                            ByteView id) {
        Use use(statement);
        use.bind(id);
        const int result = use.step();
        if (result == SQLITE_ROW)
            return use.blob(0);
        if (result != SQLITE_DONE)
            return connection.failed();
        return std::nullopt;
    }

    std::mutex writer_mutex_, reader_mutex_, lister_mutex_;
    Connection writer_, reader_, lister_;
    // After the connections, so that they are gone before these close.
    Statement put_key_, stored_key_, update_key_, due_keys_, delete_key_, bury_key_, put_vault_, put_policy_;
    Statement stored_counters_, put_counters_, delete_counters_;
    Statement begin_reading_, end_reading_, get_key_, get_vault_, get_policy_, get_counters_;
    Statement list_keys_, list_keys_of_vault_, list_keys_of_address_, list_vaults_;
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
