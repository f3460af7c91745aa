// SPDX-License-Identifier: Apache-2.0
// The journal of transactions in the store's PostgreSQL database, in the connection's current schema: table
// redoubt_sent with the columns, indices and meaning of the SQLite journal's (sqlite_journal.cpp), and
// redoubt_sent_version, one row.
//
// Gateways that share the database need no lease: of two that signed for the same nonce the unique index
// redoubt_sent_by_nonce lets one put down its transaction; the other's was seen by nobody, and is signed
// again for the next nonce.
//
// A connection that broke is made anew, and its statement sent once more. What it changed is told apart from
// another's change by the bytes.
#include "store/journal_page.h"
#include "store/postgres_connection.h"

#include <mutex>
#include <set>

namespace redoubt::store {

namespace {

using namespace postgres;

constexpr std::size_t kMaxFetched = 100;
constexpr const char* kJournalVersion = "1";
constexpr const char* kSchema =
    "CREATE TABLE redoubt_sent(id bytea PRIMARY KEY CHECK(octet_length(id) = 16), chain bigint NOT NULL,"
    " account bytea NOT NULL CHECK(octet_length(account) = 20), nonce bigint NOT NULL, created bigint NOT "
    "NULL,"
    " revision bigint NOT NULL, live boolean NOT NULL, settled boolean NOT NULL, used boolean NOT NULL,"
    " key bytea CHECK(octet_length(key) = 32), entry bytea NOT NULL);"
    "CREATE UNIQUE INDEX redoubt_sent_by_nonce ON redoubt_sent(chain, account, nonce) WHERE live;"
    "CREATE UNIQUE INDEX redoubt_sent_by_key ON redoubt_sent(key) WHERE key IS NOT NULL;"
    "CREATE INDEX redoubt_sent_open ON redoubt_sent(chain, account, nonce, id) WHERE NOT settled;"
    "CREATE INDEX redoubt_sent_used ON redoubt_sent(chain, account, nonce) WHERE used;"
    "CREATE INDEX redoubt_sent_by_creation ON redoubt_sent(created, id);"
    "CREATE TABLE redoubt_sent_version(version integer NOT NULL);"
    "INSERT INTO redoubt_sent_version VALUES(1);";
constexpr const char* kInsert =
    "INSERT INTO redoubt_sent(id, chain, account, nonce, created, revision, live, settled, used, key, entry)"
    " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING";
constexpr const char* kUpdate =
    "UPDATE redoubt_sent SET revision = $2::bigint, live = $3, settled = $4, used = $5,"
    " entry = $6 WHERE id = $1 AND revision = $2::bigint - 1";
constexpr const char* kGet = "SELECT entry FROM redoubt_sent WHERE id = $1";
constexpr const char* kFind = "SELECT entry FROM redoubt_sent WHERE key = $1";
constexpr const char* kAt =
    "SELECT entry FROM redoubt_sent WHERE chain = $1 AND account = $2 AND nonce = $3 AND live";
constexpr const char* kOpen =
    "SELECT entry FROM redoubt_sent WHERE NOT settled AND"
    " (chain, account, nonce) > ($1, $2, $3) ORDER BY chain, account, nonce LIMIT $4";
constexpr const char* kUsed =
    "SELECT coalesce(max(nonce) + 1, 0)::bigint FROM redoubt_sent WHERE chain = $1 AND account = $2 AND used";
constexpr const char* kList = "SELECT entry FROM redoubt_sent WHERE (created, id) < ($1, $2)"
                              " ORDER BY created DESC, id DESC LIMIT $3";
constexpr const char* kPrune =
    "DELETE FROM redoubt_sent WHERE id IN (SELECT id FROM redoubt_sent AS old WHERE created < $1 AND settled"
    " AND EXISTS (SELECT 1 FROM redoubt_sent AS later WHERE later.chain = old.chain AND"
    " later.account = old.account AND later.nonce > old.nonce AND later.used) ORDER BY created, id LIMIT $2"
    " FOR UPDATE SKIP LOCKED)";

Status prepare_schema(Connection& connection) {
    if (!connection.simple("BEGIN").good() || !connection.simple(kSchemaLock).good())
        return connection.failed();
    const Answer present = connection.simple("SELECT to_regclass('redoubt_sent_version')::text");
    if (!present.good())
        return connection.failed();
    if (present.text().empty()) {
        if (!connection.simple(kSchema).good())
            return connection.failed();
    } else {
        const Answer version = connection.simple("SELECT version FROM redoubt_sent_version");
        if (!version.good())
            return connection.failed();
        if (version.text() != kJournalVersion)
            return fail(Code::StoreFailed, "the journal was written by a newer Redoubt; use that version",
                        "journal version " + std::string(version.text()));
    }
    return connection.simple("COMMIT").good() ? Status{} : connection.failed();
}

ByteArray<1> boolean(bool value) noexcept {
    return {static_cast<std::uint8_t>(value ? 1 : 0)};
}

class PostgresJournal final : public TransactionJournal {
  public:
    Status start(std::string target) {
        target_ = std::move(target);
        for (Connection* const connection : {&writer_, &reader_})
            REDOUBT_CHECK(connection->open(target_));
        return prepare_schema(writer_);
    }

    bool shared() const noexcept override { return true; }

    Result<std::vector<Added>> add(std::span<const JournalEntry> entries) override {
        const std::lock_guard lock(writer_mutex_);
        std::vector<Added> out;
        REDOUBT_CHECK(in_transaction([&](bool again) { return insert(entries, again, out); }));
        return out;
    }

    Result<std::vector<bool>> update(std::span<const JournalEntry> entries) override {
        const std::lock_guard lock(writer_mutex_);
        std::vector<bool> out;
        REDOUBT_CHECK(in_transaction([&](bool) { return change(entries, out); }));
        return out;
    }

    Result<std::optional<JournalEntry>> get(const TransactionId& id) override { return one(kGet, {id}); }
    Result<std::optional<JournalEntry>> find(const Hash32& idempotency) override {
        return one(kFind, {idempotency});
    }
    Result<std::optional<JournalEntry>> at(const OpenPosition& position) override {
        const Bigint chain = bigint_of(position.chain_id), nonce = bigint_of(position.nonce);
        return one(kAt, {chain, position.account, nonce});
    }

    Result<std::vector<JournalEntry>> open(std::optional<OpenPosition> after, std::size_t limit) override {
        const OpenPosition from = after.value_or(OpenPosition{});
        const Bigint chain = after ? bigint_of(from.chain_id) : bigint(-1);
        const Bigint nonce = bigint_of(from.nonce), most = bigint_of(limit);
        REDOUBT_TRY(const Answer answer, query(kOpen, {chain, from.account, nonce, most}));
        std::vector<JournalEntry> out;
        for (int row = 0; row < answer.rows(); ++row) {
            REDOUBT_TRY(auto entry, decode_journal_entry(answer.view(row, 0)));
            out.push_back(std::move(entry));
        }
        return out;
    }

    Result<std::uint64_t> settled_nonces(std::uint64_t chain_id,
                                         const JournalEntry::Address& account) override {
        const Bigint chain = bigint_of(chain_id);
        REDOUBT_TRY(const Answer answer, query(kUsed, {chain, account}));
        return static_cast<std::uint64_t>(answer.integer(0, 0));
    }

    Result<JournalPage> list(const JournalFilter& filter, std::optional<JournalPosition> before,
                             std::size_t limit) override {
        JournalPageBuilder page(filter, limit);
        for (;;) {
            // One row more than can be taken tells whether there are more.
            const std::size_t rows = std::min(page.wants(), kMaxFetched) + 1;
            const JournalPosition from =
                page.last() ? *page.last() : before.value_or(JournalPosition{INT64_MAX, {}});
            const Bigint created = bigint(from.created), most = bigint_of(rows);
            REDOUBT_TRY(const Answer answer, query(kList, {created, from.id, most}));
            for (int row = 0; row < answer.rows(); ++row) {
                if (page.full())
                    return page.finish(true);
                REDOUBT_TRY(auto entry, decode_journal_entry(answer.view(row, 0)));
                page.look(std::move(entry));
            }
            if (static_cast<std::size_t>(answer.rows()) < rows)
                return page.finish(false);
        }
    }

    Result<std::size_t> prune(UnixMs before, std::size_t limit) override {
        const Bigint time = bigint(before), most = bigint_of(limit);
        const std::lock_guard lock(writer_mutex_);
        REDOUBT_TRY(const Answer answer, run(writer_, kPrune, {time, most}));
        return answer.affected();
    }

  private:
    // `work` between BEGIN and COMMIT; once more from the beginning, on a new connection, if that one broke.
    template<class Work>
    Status in_transaction(const Work& work) {
        for (bool again = false;; again = true) {
            if (writer_.broken())
                REDOUBT_CHECK(writer_.open(target_));
            Status done = writer_.simple("BEGIN").good() ? work(again) : writer_.failed();
            if (done && !writer_.simple("COMMIT").good())
                done = writer_.failed();
            if (done)
                return done;
            if (!writer_.broken())
                (void)writer_.simple("ROLLBACK");
            if (again || !writer_.broken())
                return done;
        }
    }

    Status insert(std::span<const JournalEntry> entries, bool again, std::vector<Added>& out) {
        out.clear();
        std::set<std::pair<std::uint64_t, JournalEntry::Address>> stopped;
        for (const auto& entry : entries) {
            const std::pair account(entry.chain_id, entry.account);
            if (stopped.contains(account)) {
                out.push_back(Added::Passed);
                continue;
            }
            const Bytes bytes = encode_journal_entry(entry);
            const Bigint chain = bigint_of(entry.chain_id), nonce = bigint_of(entry.nonce),
                         created = bigint(entry.created), revision = bigint_of(entry.revision);
            const auto live = boolean(entry.live()), settled = boolean(entry.settled),
                       used = boolean(entry.live() && entry.settled);
            const Answer answer = writer_.run(
                kInsert, {entry.id, chain, entry.account, nonce, created, revision, live, settled, used,
                          entry.idempotency ? ByteView(*entry.idempotency) : ByteView(), bytes});
            if (!answer.good())
                return writer_.failed();
            bool done = answer.changed();
            if (!done && again) { // put down by the first attempt?
                REDOUBT_TRY(done, stored_is(entry.id, bytes));
            }
            out.push_back(done ? Added::Done : Added::Taken);
            if (!done)
                stopped.insert(account);
        }
        return {};
    }

    Status change(std::span<const JournalEntry> entries, std::vector<bool>& out) {
        out.clear();
        for (const auto& entry : entries) {
            const Bytes bytes = encode_journal_entry(entry);
            const Bigint revision = bigint_of(entry.revision);
            const auto live = boolean(entry.live()), settled = boolean(entry.settled),
                       used = boolean(entry.live() && entry.settled);
            const Answer answer = writer_.run(kUpdate, {entry.id, revision, live, settled, used, bytes});
            if (!answer.good())
                return writer_.failed();
            bool done = answer.changed();
            if (!done) {
                REDOUBT_TRY(done, stored_is(entry.id, bytes));
            }
            out.push_back(done);
        }
        return {};
    }

    Result<bool> stored_is(const TransactionId& id, ByteView bytes) {
        const Answer stored = writer_.run(kGet, {id});
        if (!stored.good())
            return writer_.failed();
        return stored.rows() == 1 && std::ranges::equal(stored.view(0, 0), bytes);
    }

    Result<Answer> run(Connection& connection, const char* sql, std::initializer_list<ByteView> parameters) {
        for (bool again = false;; again = true) {
            if (connection.broken())
                REDOUBT_CHECK(connection.open(target_));
            Answer answer = connection.run(sql, parameters);
            if (answer.good())
                return answer;
            if (again || !connection.broken())
                return connection.failed();
        }
    }
    Result<Answer> query(const char* sql, std::initializer_list<ByteView> parameters) {
        const std::lock_guard lock(reader_mutex_);
        return run(reader_, sql, parameters);
    }
    Result<std::optional<JournalEntry>> one(const char* sql, std::initializer_list<ByteView> parameters) {
        REDOUBT_TRY(const Answer answer, query(sql, parameters));
        if (answer.rows() == 0)
            return std::nullopt;
        REDOUBT_TRY(auto entry, decode_journal_entry(answer.view(0, 0)));
        return entry;
    }

    std::string target_;
    std::mutex writer_mutex_, reader_mutex_;
    Connection writer_, reader_;
};

} // namespace

Result<std::unique_ptr<TransactionJournal>> open_postgres_journal(const std::string& target) {
    REDOUBT_CHECK(check_target(target));
    auto journal = std::make_unique<PostgresJournal>();
    REDOUBT_CHECK(journal->start(target));
    return journal;
}

} // namespace redoubt::store
