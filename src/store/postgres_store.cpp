// SPDX-License-Identifier: Apache-2.0
// The store for many hosts: tables in a PostgreSQL database (13 or later), through libpq. Schema, version 3,
// in the connection's current schema:
//
//   redoubt_store     version integer, one row
//   redoubt_keys      id bytea, 16 bytes, primary key   sealed::KeyId
//                     revision, created bigint          the head's; milliseconds since 1970
//                     vault, address bytea              the head's
//                     deletes bigint                    the head's while its deletion is pending, else NULL
//                     record bytea                      the sealed record, as put
//   redoubt_deleted_keys  id bytea                      ids that had a key: none is used twice
//   redoubt_vaults    id, created, record               the same of vault records
//   redoubt_policies  digest bytea, 32 bytes, document  policy documents by their SHA-256
//   redoubt_counters  id, record                      the record of a key's counters, by sealed::KeyId
//   indices           redoubt_keys_by_creation, …_by_vault, …_by_address, redoubt_vaults_by_creation: the
//                     order of listing, of all keys and of those of a vault or address;
//                     redoubt_keys_by_deletion: pending ones, by when
//
// A schema of version 2, which had no counters, becomes one of version 3 when it is opened.
//
// A statement is a transaction of its own; synchronous_commit stays on, so when it is done it is on the
// server's disk. Up to kConnections statements run at once, each on a connection of its own. A connection
// that broke is made anew, and its statement is sent once more: a record that is then there already, byte for
// byte, is the first attempt's.
#include "store/key_page.h"
#include "store/postgres_connection.h"
#include "store/record_checks.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace redoubt::store {

namespace {

using namespace postgres;

constexpr std::size_t kConnections = 8;
// Of one change of counters, while others change them too.
constexpr int kCounterAttempts = 16;
constexpr std::size_t kKeysAtOnce = 32; // on one connection, while others have theirs
constexpr const char* kSchemaVersion = "3";
// Rows that a list fetches at once, at most.
constexpr std::size_t kMaxFetched = 500;
// Ciphertext does not compress; documents do.
constexpr const char* kSchema =
    "CREATE TABLE redoubt_keys(id bytea PRIMARY KEY CHECK(octet_length(id) = 16), revision bigint NOT NULL,"
    " created bigint NOT NULL, vault bytea NOT NULL, address bytea NOT NULL, deletes bigint,"
    " record bytea NOT NULL);"
    "ALTER TABLE redoubt_keys ALTER COLUMN record SET STORAGE EXTERNAL;"
    "CREATE INDEX redoubt_keys_by_creation ON redoubt_keys(created, id);"
    "CREATE INDEX redoubt_keys_by_vault ON redoubt_keys(vault, created, id);"
    "CREATE INDEX redoubt_keys_by_address ON redoubt_keys(address, created, id);"
    "CREATE INDEX redoubt_keys_by_deletion ON redoubt_keys(deletes, id) WHERE deletes IS NOT NULL;"
    "CREATE TABLE redoubt_deleted_keys(id bytea PRIMARY KEY CHECK(octet_length(id) = 16));"
    "CREATE TABLE redoubt_vaults(id bytea PRIMARY KEY CHECK(octet_length(id) = 16), created bigint NOT NULL,"
    " record bytea NOT NULL);"
    "CREATE INDEX redoubt_vaults_by_creation ON redoubt_vaults(created, id);"
    "CREATE TABLE redoubt_policies(digest bytea PRIMARY KEY CHECK(octet_length(digest) = 32),"
    " document bytea NOT NULL);"
    "CREATE TABLE redoubt_store(version integer NOT NULL);"
    "INSERT INTO redoubt_store VALUES(2);";
// From version 2 to 3, and the last part of a new schema.
constexpr const char* kAddCounters =
    "CREATE TABLE redoubt_counters(id bytea PRIMARY KEY CHECK(octet_length(id) = 16), record bytea NOT NULL);"
    "ALTER TABLE redoubt_counters ALTER COLUMN record SET STORAGE EXTERNAL;"
    "UPDATE redoubt_store SET version = 3;";

constexpr const char* kPutKey =
    "INSERT INTO redoubt_keys(id, revision, created, vault, address, deletes, record)"
    " SELECT $1::bytea, $2::bigint, $3::bigint, $4::bytea, $5::bytea, $6::bigint, $7::bytea WHERE NOT EXISTS"
    " (SELECT 1 FROM redoubt_deleted_keys WHERE id = $1::bytea) ON CONFLICT (id) DO NOTHING";
// Of two changes of the same record the second waits for the first, and then finds its revision.
constexpr const char* kUpdateKey =
    "UPDATE redoubt_keys SET revision = $2, created = $3, vault = $4, address = $5, deletes = $6, record = $7"
    " WHERE id = $1 AND revision < $2";
constexpr const char* kPutVault =
    "INSERT INTO redoubt_vaults(id, created, record) VALUES($1, $2, $3) ON CONFLICT (id) DO NOTHING";
constexpr const char* kPutPolicy =
    "INSERT INTO redoubt_policies(digest, document) VALUES($1, $2) ON CONFLICT (digest) DO NOTHING";
constexpr const char* kFirstCounters =
    "INSERT INTO redoubt_counters(id, record) SELECT $1::bytea, $2::bytea WHERE NOT EXISTS"
    " (SELECT 1 FROM redoubt_deleted_keys WHERE id = $1::bytea) ON CONFLICT (id) DO NOTHING";
constexpr const char* kNextCounters = "UPDATE redoubt_counters SET record = $2 WHERE id = $1 AND record = $3";
constexpr const char* kGetKey = "SELECT record FROM redoubt_keys WHERE id = $1";
constexpr const char* kGetKeys = "SELECT id, record FROM redoubt_keys WHERE id = ANY($1::bytea[])";
constexpr const char* kGetVault = "SELECT record FROM redoubt_vaults WHERE id = $1";
constexpr const char* kGetPolicy = "SELECT document FROM redoubt_policies WHERE digest = $1";
constexpr const char* kGetCounters = "SELECT record FROM redoubt_counters WHERE id = $1";
constexpr const char* kListKeys = "SELECT created, id, record FROM redoubt_keys WHERE"
                                  " (created, id) > ($1, $2) ORDER BY created, id LIMIT $3";
constexpr const char* kListKeysOfVault = "SELECT created, id, record FROM redoubt_keys WHERE vault = $4 AND"
                                         " (created, id) > ($1, $2) ORDER BY created, id LIMIT $3";
constexpr const char* kListKeysOfAddress =
    "SELECT created, id, record FROM redoubt_keys WHERE address = $4 AND"
    " (created, id) > ($1, $2) ORDER BY created, id LIMIT $3";
// What another gateway deletes right now is left to it.
constexpr const char* kDueKeys = "SELECT id, record FROM redoubt_keys WHERE deletes <= $1"
                                 " ORDER BY deletes, id LIMIT $2 FOR UPDATE SKIP LOCKED";
constexpr const char* kDeleteKey =
    "WITH gone AS (DELETE FROM redoubt_keys WHERE id = $1 RETURNING id),"
    " uncounted AS (DELETE FROM redoubt_counters WHERE id IN (SELECT id FROM gone))"
    " INSERT INTO redoubt_deleted_keys SELECT id FROM gone ON CONFLICT (id) DO NOTHING";
constexpr const char* kListVaults = "SELECT record FROM redoubt_vaults ORDER BY created, id";

// A bytea[] of one dimension, as the server takes it in binary.
Bytes bytea_array(std::span<const sealed::KeyId> ids) {
    constexpr std::uint32_t kByteaOid = 17; // pg_type's
    Bytes out;
    Writer writer(out);
    writer.u32(1).u32(0).u32(kByteaOid).u32(static_cast<std::uint32_t>(ids.size())).u32(1);
    for (const auto& id : ids)
        writer.u32(static_cast<std::uint32_t>(id.size())).bytes(id);
    return out;
}

Status prepare_schema(Connection& connection) {
    if (!connection.simple("BEGIN").good() || !connection.simple(kSchemaLock).good())
        return connection.failed();
    const Answer present = connection.simple("SELECT to_regclass('redoubt_store')::text");
    if (!present.good())
        return connection.failed();
    if (present.text().empty()) {
        if (!connection.simple(kSchema).good() || !connection.simple(kAddCounters).good())
            return connection.failed();
    } else {
        const Answer version = connection.simple("SELECT version FROM redoubt_store");
        if (!version.good())
            return connection.failed();
        if (version.text() == "1")
            return fail(
                Code::StoreFailed,
                "the store was written by an unreleased development version of Redoubt, whose records "
                "this one cannot read; name another database or schema");
        if (version.text() == "2") {
            if (!connection.simple(kAddCounters).good())
                return connection.failed();
        } else if (version.text() != kSchemaVersion)
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
        Lease connection(*this);
        bool again = false;
        REDOUBT_TRY(const bool changed, write_key(connection, kPutKey, head, record, again));
        return changed ? Status{} : exists(connection, kGetKey, head.id, record, again);
    }

    Status update_key(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_key_head(record));
        Lease connection(*this);
        bool again = false;
        REDOUBT_TRY(const bool changed, write_key(connection, kUpdateKey, head, record, again));
        if (changed)
            return {};
        REDOUBT_TRY(const Answer stored, run(connection, kGetKey, {head.id}, again));
        if (stored.rows() == 0)
            return unknown_key();
        if (same_bytes(stored.view(0, 0), record))
            return {};
        return newer_revision();
    }

    Status put_vault(ByteView record) override {
        REDOUBT_TRY(const auto vault, sealed::decode_vault(record));
        Lease connection(*this);
        bool again = false;
        const Bigint created = bigint(vault.created);
        REDOUBT_TRY(const Answer answer, run(connection, kPutVault, {vault.id, created, record}, again));
        return answer.changed() ? Status{} : exists(connection, kGetVault, vault.id, record, again);
    }

    Status put_policy(ByteView document) override {
        REDOUBT_TRY(const Hash32 digest, new_policy_digest(document));
        REDOUBT_CHECK(query(kPutPolicy, {digest, document}));
        return {};
    }

    Result<std::optional<Bytes>> get_policy(const Hash32& digest) override {
        REDOUBT_TRY(auto document, get(kGetPolicy, digest));
        return checked_policy(std::move(document), digest);
    }

    // Compare-and-set: what is there is replaced only if it is still what was judged.
    Status put_counters(ByteView record) override {
        REDOUBT_TRY(const auto head, sealed::read_counter_head(record));
        Lease connection(*this);
        for (int attempt = 0; attempt < kCounterAttempts; ++attempt) {
            bool again = false;
            REDOUBT_TRY(const Answer answer, run(connection, kGetCounters, {head.key}, again));
            const auto stored = answer.rows() == 0 ? std::nullopt : std::optional(answer.bytes(0));
            REDOUBT_TRY(const bool change, counters_change(stored, head));
            if (!change)
                return {};
            REDOUBT_TRY(const Answer changed,
                        stored ? run(connection, kNextCounters, {head.key, record, *stored}, again)
                               : run(connection, kFirstCounters, {head.key, record}, again));
            if (changed.changed())
                return {};
        }
        return counted_elsewhere(); // the key was deleted, or never is what was read still there
    }

    Result<std::optional<Bytes>> get_counters(const sealed::KeyId& id) override {
        REDOUBT_TRY(auto record, get(kGetCounters, id));
        return checked_counters(std::move(record), id);
    }

    Result<std::optional<Bytes>> get_key(const sealed::KeyId& id) override {
        REDOUBT_TRY(auto record, get(kGetKey, id));
        return checked_key(std::move(record), id);
    }

    // In one statement; ids that are not there have no row.
    std::vector<Result<std::optional<Bytes>>> get_keys(std::span<const sealed::KeyId> ids) override {
        const auto answer = query(kGetKeys, {bytea_array(ids)});
        if (!answer)
            return std::vector<Result<std::optional<Bytes>>>(ids.size(), std::unexpected(answer.error()));
        std::vector<Result<std::optional<Bytes>>> out(ids.size(), std::nullopt);
        for (int row = 0; row < answer->rows(); ++row)
            for (std::size_t i = 0; i < ids.size(); ++i)
                if (same_bytes(answer->view(row, 0), ids[i]))
                    out[i] = checked_key(answer->bytes(row, 1), ids[i]);
        return out;
    }
    std::size_t keys_at_once() const noexcept override { return kKeysAtOnce; }

    Result<std::optional<Bytes>> get_vault(const sealed::VaultId& id) override {
        REDOUBT_TRY(auto record, get(kGetVault, id));
        return checked_vault(std::move(record), id);
    }

    Result<KeyPage> list_keys(const KeyFilter& filter, std::optional<Position> after,
                              std::size_t limit) override {
        KeyPageBuilder page(filter, after, limit);
        for (;;) {
            // One row more than can be taken tells whether there are more.
            const std::size_t rows = std::min(page.wants(), kMaxFetched) + 1;
            const Bigint created = bigint(page.last().created), most = bigint_of(rows);
            const sealed::KeyId id = page.last().id;
            REDOUBT_TRY(const Answer answer,
                        // An address has few keys, a vault may have all.
                        filter.address ? query(kListKeysOfAddress, {created, id, most, *filter.address})
                        : filter.vault ? query(kListKeysOfVault, {created, id, most, *filter.vault})
                                       : query(kListKeys, {created, id, most}));
            for (int row = 0; row < answer.rows(); ++row) {
                if (page.full())
                    return page.finish(true);
                const auto at = to_array<16>(answer.view(row, 1));
                if (!at)
                    return damaged_record();
                page.look({answer.integer(row, 0), *at}, answer.bytes(row, 2));
            }
            if (static_cast<std::size_t>(answer.rows()) < rows)
                return page.finish(false);
        }
    }

    Result<std::vector<sealed::KeyId>> delete_due_keys(UnixMs now, std::size_t limit) override {
        Lease connection(*this);
        std::vector<sealed::KeyId> first, out;
        if (!connection->broken()) {
            const Status done = delete_due(connection, now, limit, first);
            if (done || !connection->broken())
                return done ? Result<std::vector<sealed::KeyId>>(std::move(first))
                            : std::unexpected(done.error());
        }
        // Whether the broken connection's transaction was done is seen by what is gone.
        REDOUBT_CHECK(connection->open(target_));
        REDOUBT_CHECK(delete_due(connection, now, limit, out));
        for (const auto& id : first) {
            bool again = false;
            REDOUBT_TRY(const Answer stored, run(connection, kGetKey, {id}, again));
            if (stored.rows() == 0 && std::ranges::find(out, id) == out.end())
                out.push_back(id);
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

    // False: there is such a key already, or none that it may replace.
    Result<bool> write_key(Lease& connection, const char* sql, const sealed::KeyHead& head, ByteView record,
                           bool& again) {
        const Bigint revision = bigint(head.revision), created = bigint(head.created),
                     deletes = bigint(head.deletes);
        const bool pending = head.state == sealed::State::PendingDeletion;
        REDOUBT_TRY(const Answer answer, run(connection, sql,
                                             {head.id, revision, created, head.vault, head.address,
                                              pending ? ByteView(deletes) : ByteView(), record},
                                             again));
        return answer.changed();
    }

    // What an INSERT that found a record with its id comes to. `again`: it was sent twice.
    Status exists(Lease& connection, const char* select, ByteView id, ByteView record, bool again) {
        if (again) {
            REDOUBT_TRY(const Answer stored, run(connection, select, {id}, again));
            if (stored.rows() == 1 && same_bytes(stored.view(0, 0), record))
                return {};
        }
        return exists_already();
    }

    // In one transaction. `due` tells what it deletes, or may have deleted if the connection broke.
    Status delete_due(Lease& connection, UnixMs now, std::size_t limit, std::vector<sealed::KeyId>& due) {
        const Bigint time = bigint(now), most = bigint_of(limit);
        const auto failed = [&] {
            auto error = connection->failed();
            (void)connection->simple("ROLLBACK");
            return error;
        };
        if (!connection->simple("BEGIN").good())
            return failed();
        const Answer rows = connection->run(kDueKeys, {time, most});
        if (!rows.good())
            return failed();
        for (int row = 0; row < rows.rows(); ++row) {
            const auto head = sealed::read_key_head(rows.view(row, 1));
            if (head && same_bytes(rows.view(row, 0), head->id) && deletion_due(*head, now))
                due.push_back(head->id);
        }
        for (const auto& id : due)
            if (!connection->run(kDeleteKey, {id}).good())
                return failed();
        if (!connection->simple("COMMIT").good())
            return failed();
        return {};
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

} // namespace

Result<std::unique_ptr<Store>> open_postgres_store(const std::string& target) {
    REDOUBT_CHECK(check_target(target));
    auto store = std::make_unique<PostgresStore>();
    REDOUBT_CHECK(store->open(target));
    return store;
}

} // namespace redoubt::store
