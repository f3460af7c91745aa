// SPDX-License-Identifier: Apache-2.0
// The journal of transactions in the store's SQLite file. Schema, version 1 (the table's own; the file's
// user_version is the store's):
//
//   sent_transactions  id BLOB, 16 bytes, primary key
//                      chain, nonce INTEGER, account BLOB    whose nonce
//                      created INTEGER                       milliseconds since 1970
//                      revision INTEGER
//                      live INTEGER                          it holds the nonce
//                      settled INTEGER, used INTEGER         nothing will change it; its nonce was used
//                      key BLOB                              idempotency, or NULL
//                      entry BLOB                            encode_journal_entry
//   sent_transactions_version  version INTEGER, one row
//   indices            sent_by_nonce: of the live ones, unique; sent_by_key: unique; sent_open: those to
//   watch;
//                      sent_used: the nonces that are settled; sent_by_creation: the order of listing
//
// Two connections, each with a mutex: one writes, one reads.
#include "store/journal_page.h"
#include "store/sqlite_connection.h"
#include "store/transaction_journal.h"

#include <algorithm>
#include <mutex>
#include <set>

namespace redoubt::store {

namespace {

using namespace sqlite;

constexpr std::int64_t kJournalVersion = 1;
constexpr const char* kSchema =
    "CREATE TABLE sent_transactions(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16), chain INTEGER NOT "
    "NULL,"
    " account BLOB NOT NULL CHECK(length(account) = 20), nonce INTEGER NOT NULL, created INTEGER NOT NULL,"
    " revision INTEGER NOT NULL, live INTEGER NOT NULL, settled INTEGER NOT NULL, used INTEGER NOT NULL,"
    " key BLOB CHECK(length(key) = 32), entry BLOB NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX sent_by_nonce ON sent_transactions(chain, account, nonce) WHERE live = 1;"
    "CREATE UNIQUE INDEX sent_by_key ON sent_transactions(key) WHERE key IS NOT NULL;"
    "CREATE INDEX sent_open ON sent_transactions(chain, account, nonce, id) WHERE settled = 0;"
    "CREATE INDEX sent_used ON sent_transactions(chain, account, nonce) WHERE used = 1;"
    "CREATE INDEX sent_by_creation ON sent_transactions(created, id);"
    "CREATE TABLE sent_transactions_version(version INTEGER NOT NULL) STRICT;"
    "INSERT INTO sent_transactions_version VALUES(1);";
constexpr const char* kColumns =
    "id, chain, account, nonce, created, revision, live, settled, used, key, entry";

Status prepare_schema(Connection& connection) {
    REDOUBT_TRY(const auto application, connection.number("PRAGMA application_id"));
    if (application != kApplicationId)
        return fail(Code::StoreFailed, "the journal belongs into a store's file, and this is none");
    REDOUBT_TRY(const auto there, connection.number("SELECT count(*) FROM sqlite_schema WHERE name ="
                                                    " 'sent_transactions_version'"));
    if (there == 0)
        return connection.execute(kSchema);
    REDOUBT_TRY(const auto version, connection.number("SELECT max(version) FROM sent_transactions_version"));
    if (version != kJournalVersion)
        return fail(Code::StoreFailed, "the journal was written by a newer Redoubt; use that version",
                    "journal version " + std::to_string(version));
    return {};
}

bool is_used(const JournalEntry& entry) noexcept {
    return entry.settled && entry.live();
}

class SqliteJournal final : public TransactionJournal {
  public:
    Status start(const std::string& path) {
        REDOUBT_CHECK(writer_.open(path));
        REDOUBT_CHECK(use_write_ahead_log(writer_));
        REDOUBT_CHECK(writer_.execute("PRAGMA synchronous = FULL"));
        {
            REDOUBT_TRY(auto transaction, Transaction::begin(writer_));
            REDOUBT_CHECK(prepare_schema(writer_));
            REDOUBT_CHECK(transaction.commit());
        }
        REDOUBT_CHECK(reader_.open(path));
        REDOUBT_CHECK(reader_.execute("PRAGMA query_only = ON"));
        const std::string columns = kColumns;
        REDOUBT_TRY(insert_, writer_.prepare("INSERT INTO sent_transactions(" + columns +
                                             ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
        REDOUBT_TRY(update_,
                    writer_.prepare("UPDATE sent_transactions SET revision = ?, live = ?, settled = ?,"
                                    " used = ?, entry = ? WHERE id = ? AND revision = ?"));
        REDOUBT_TRY(stored_, writer_.prepare("SELECT entry FROM sent_transactions WHERE id = ?"));
        REDOUBT_TRY(prune_,
                    writer_.prepare("DELETE FROM sent_transactions WHERE id IN (SELECT id FROM"
                                    " sent_transactions AS old WHERE created < ? AND settled = 1 AND"
                                    " EXISTS (SELECT 1 FROM sent_transactions AS later WHERE"
                                    " later.chain = old.chain AND later.account = old.account AND"
                                    " later.nonce > old.nonce AND later.used = 1) ORDER BY created, id"
                                    " LIMIT ?)"));
        REDOUBT_TRY(get_, reader_.prepare("SELECT entry FROM sent_transactions WHERE id = ?"));
        REDOUBT_TRY(find_, reader_.prepare("SELECT entry FROM sent_transactions WHERE key = ?"));
        REDOUBT_TRY(at_, reader_.prepare("SELECT entry FROM sent_transactions WHERE chain = ? AND account = ?"
                                         " AND nonce = ? AND live = 1"));
        REDOUBT_TRY(open_,
                    reader_.prepare("SELECT entry FROM sent_transactions WHERE settled = 0 AND"
                                    " (chain, account, nonce) > (?, ?, ?) ORDER BY chain, account, nonce"
                                    " LIMIT ?"));
        REDOUBT_TRY(used_, reader_.prepare("SELECT coalesce(max(nonce) + 1, 0) FROM sent_transactions WHERE"
                                           " chain = ? AND account = ? AND used = 1"));
        REDOUBT_TRY(list_, reader_.prepare("SELECT entry FROM sent_transactions WHERE (created, id) < (?, ?)"
                                           " ORDER BY created DESC, id DESC"));
        return {};
    }

    bool shared() const noexcept override { return false; }

    Result<std::vector<Added>> add(std::span<const JournalEntry> entries) override {
        const std::lock_guard lock(writer_mutex_);
        REDOUBT_TRY(auto transaction, Transaction::begin(writer_));
        std::vector<Added> out;
        std::set<std::pair<std::uint64_t, JournalEntry::Address>> stopped;
        for (const auto& entry : entries) {
            const std::pair account(entry.chain_id, entry.account);
            if (stopped.contains(account)) {
                out.push_back(Added::Passed);
                continue;
            }
            const Bytes bytes = encode_journal_entry(entry);
            Use use(insert_);
            use.bind(entry.id).bind(number(entry.chain_id)).bind(entry.account).bind(number(entry.nonce));
            use.bind(entry.created).bind(std::int64_t{entry.revision}).bind(std::int64_t{entry.live()});
            use.bind(std::int64_t{entry.settled}).bind(std::int64_t{is_used(entry)});
            entry.idempotency ? use.bind(*entry.idempotency) : use.bind_null();
            const int result = use.bind(bytes).step();
            if (result == SQLITE_CONSTRAINT_UNIQUE || result == SQLITE_CONSTRAINT_PRIMARYKEY) {
                out.push_back(Added::Taken);
                stopped.insert(account);
            } else if (result == SQLITE_DONE) {
                out.push_back(Added::Done);
            } else {
                return writer_.failed();
            }
        }
        REDOUBT_CHECK(transaction.commit());
        return out;
    }

    Result<std::vector<bool>> update(std::span<const JournalEntry> entries) override {
        const std::lock_guard lock(writer_mutex_);
        REDOUBT_TRY(auto transaction, Transaction::begin(writer_));
        std::vector<bool> out;
        for (const auto& entry : entries) {
            const Bytes bytes = encode_journal_entry(entry);
            {
                Use use(update_);
                use.bind(std::int64_t{entry.revision}).bind(std::int64_t{entry.live()});
                use.bind(std::int64_t{entry.settled}).bind(std::int64_t{is_used(entry)}).bind(bytes);
                if (use.bind(entry.id).bind(std::int64_t{entry.revision} - 1).step() != SQLITE_DONE)
                    return writer_.failed();
            }
            bool done = writer_.changed() == 1;
            if (!done) {
                Use use(stored_);
                done = use.bind(entry.id).step() == SQLITE_ROW && use.blob(0) == bytes;
            }
            out.push_back(done);
        }
        REDOUBT_CHECK(transaction.commit());
        return out;
    }

    Result<std::optional<JournalEntry>> get(const TransactionId& id) override { return one(get_, id); }
    Result<std::optional<JournalEntry>> find(const Hash32& idempotency) override {
        return one(find_, idempotency);
    }

    Result<std::optional<JournalEntry>> at(const OpenPosition& position) override {
        const std::lock_guard lock(reader_mutex_);
        Use use(at_);
        use.bind(number(position.chain_id)).bind(position.account).bind(number(position.nonce));
        return first(use);
    }

    Result<std::vector<JournalEntry>> open(std::optional<OpenPosition> after, std::size_t limit) override {
        const OpenPosition from = after.value_or(OpenPosition{});
        const std::lock_guard lock(reader_mutex_);
        Use use(open_);
        use.bind(after ? number(from.chain_id) : -1).bind(from.account).bind(number(from.nonce));
        use.bind(number(limit));
        std::vector<JournalEntry> out;
        int result = use.step();
        for (; result == SQLITE_ROW; result = use.step()) {
            REDOUBT_TRY(auto entry, decode_journal_entry(use.blob(0)));
            out.push_back(std::move(entry));
        }
        if (result != SQLITE_DONE)
            return reader_.failed();
        return out;
    }

    Result<std::uint64_t> settled_nonces(std::uint64_t chain_id,
                                         const JournalEntry::Address& account) override {
        const std::lock_guard lock(reader_mutex_);
        Use use(used_);
        if (use.bind(number(chain_id)).bind(account).step() != SQLITE_ROW)
            return reader_.failed();
        return static_cast<std::uint64_t>(use.integer(0));
    }

    Result<JournalPage> list(const JournalFilter& filter, std::optional<JournalPosition> before,
                             std::size_t limit) override {
        const JournalPosition from = before.value_or(JournalPosition{INT64_MAX, {}});
        const std::lock_guard lock(reader_mutex_);
        Use use(list_);
        use.bind(from.created).bind(from.id);
        JournalPageBuilder page(filter, limit);
        int result = use.step();
        for (; result == SQLITE_ROW && !page.full(); result = use.step()) {
            REDOUBT_TRY(auto entry, decode_journal_entry(use.blob(0)));
            page.look(std::move(entry));
        }
        if (result != SQLITE_ROW && result != SQLITE_DONE)
            return reader_.failed();
        return page.finish(result == SQLITE_ROW);
    }

    Result<std::size_t> prune(UnixMs before, std::size_t limit) override {
        const std::lock_guard lock(writer_mutex_);
        Use use(prune_);
        if (use.bind(before).bind(number(limit)).step() != SQLITE_DONE)
            return writer_.failed();
        return static_cast<std::size_t>(writer_.changed());
    }

  private:
    static std::int64_t number(std::uint64_t value) noexcept {
        return static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX));
    }
    Result<std::optional<JournalEntry>> one(const Statement& statement, ByteView key) {
        const std::lock_guard lock(reader_mutex_);
        Use use(statement);
        use.bind(key);
        return first(use);
    }
    Result<std::optional<JournalEntry>> first(Use& use) {
        const int result = use.step();
        if (result == SQLITE_DONE)
            return std::nullopt;
        if (result != SQLITE_ROW)
            return reader_.failed();
        REDOUBT_TRY(auto entry, decode_journal_entry(use.blob(0)));
        return entry;
    }

    std::mutex writer_mutex_, reader_mutex_;
    Connection writer_, reader_;
    // After the connections, so that they are gone before these close.
    Statement insert_, update_, stored_, prune_;
    Statement get_, find_, at_, open_, used_, list_;
};

} // namespace

Result<std::unique_ptr<TransactionJournal>> open_sqlite_journal(const std::string& path) {
    if (path.empty())
        return fail(Code::StoreFailed, "the store needs a file");
    auto journal = std::make_unique<SqliteJournal>();
    // SQLite has names that are no files (":memory:"); none of them holds a '/'.
    REDOUBT_CHECK(journal->start(path.find('/') == path.npos ? "./" + path : path));
    return journal;
}

} // namespace redoubt::store
