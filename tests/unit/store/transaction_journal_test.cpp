// SPDX-License-Identifier: Apache-2.0
// The journal of transactions, in SQLite and PostgreSQL.
#include "contract.h"
#include "store/transaction_journal.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <set>
#include <sys/wait.h>
#include <thread>

namespace redoubt::store::tests {
namespace {

using Added = TransactionJournal::Added;
using Entries = std::vector<JournalEntry>;
using Nonces = std::vector<std::uint64_t>;

// Its id says account, nonce and `which`.
JournalEntry entry(std::uint8_t account, std::uint64_t nonce, std::uint8_t which = 0) {
    JournalEntry out;
    out.id[0] = account;
    out.id[1] = static_cast<std::uint8_t>(nonce >> 8);
    out.id[2] = static_cast<std::uint8_t>(nonce);
    out.id[3] = which;
    out.chain_id = 1;
    out.account[19] = account;
    out.nonce = nonce;
    out.created = 1'000 + static_cast<UnixMs>(nonce);
    out.caller = "é";
    out.request[0] = which;
    SignedVersion version;
    version.hash[0] = which;
    version.raw = Bytes(100, static_cast<std::uint8_t>(nonce));
    out.versions.push_back(version);
    return out;
}

JournalEntry settled(JournalEntry from, TransactionState state = TransactionState::Mined) {
    ++from.revision;
    from.state = state;
    from.settled = true;
    if (from.live())
        from.block = 77;
    return from;
}

class Journal : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        if (GetParam() == "Sqlite") {
            target_ = folder_.file();
        } else {
            if (PostgresServer::programs().empty())
                GTEST_SKIP() << "no PostgreSQL server is installed under /usr/lib/postgresql";
            ASSERT_TRUE(PostgresServer::instance().running());
            target_ = PostgresServer::instance().fresh_target();
        }
        ASSERT_TRUE(open_store(target_));
    }
    std::unique_ptr<TransactionJournal> open_it() const {
        auto journal = open_transaction_journal(target_);
        EXPECT_TRUE(journal) << (journal ? "" : journal.error().describe());
        return journal ? std::move(*journal) : nullptr;
    }
    static Added add(TransactionJournal& journal, const JournalEntry& one) {
        return journal.add(std::span(&one, 1)).value().at(0);
    }
    static bool update(TransactionJournal& journal, const JournalEntry& one) {
        return journal.update(std::span(&one, 1)).value().at(0);
    }

    Folder folder_;
    std::string target_;
};

TEST_P(Journal, gives_back_what_was_put_down_also_when_it_is_opened_again) {
    auto one = entry(1, 5);
    one.idempotency.emplace()[3] = 9;
    one.versions.push_back({VersionKind::Cancel, 7, Hash32{3}, Bytes{1, 2}});
    one.failure = "why";
    {
        const auto journal = open_it();
        EXPECT_EQ(add(*journal, one), Added::Done);
        EXPECT_EQ(journal->get(one.id).value(), one);
    }
    const auto journal = open_it();
    EXPECT_EQ(journal->get(one.id).value(), one);
    EXPECT_EQ(journal->find(*one.idempotency).value(), one);
    EXPECT_EQ(journal->at({1, one.account, 5}).value(), one);
    EXPECT_EQ(journal->at({1, one.account, 6}).value(), std::nullopt);
    EXPECT_EQ(journal->at({2, one.account, 5}).value(), std::nullopt);
    EXPECT_EQ(journal->find(Hash32{}).value(), std::nullopt);
    EXPECT_EQ(journal->get(TransactionId{}).value(), std::nullopt);
    EXPECT_TRUE(open_store(target_)) << "the store beside it is as it was";
}

TEST_P(Journal, gives_a_nonce_to_one_transaction_and_stops_the_account_there) {
    const auto journal = open_it();
    ASSERT_EQ(add(*journal, entry(1, 1)), Added::Done);
    const Entries batch{entry(1, 0), entry(1, 1, 7), entry(1, 2), entry(2, 1), entry(2, 2)};
    EXPECT_EQ(journal->add(batch).value(),
              (std::vector{Added::Done, Added::Taken, Added::Passed, Added::Done, Added::Done}));
    EXPECT_EQ(journal->at({1, batch[0].account, 1}).value(), entry(1, 1));
    EXPECT_EQ(journal->at({1, batch[0].account, 2}).value(), std::nullopt);
    auto other_chain = entry(1, 1, 8);
    other_chain.chain_id = 2;
    EXPECT_EQ(add(*journal, other_chain), Added::Done);
}

TEST_P(Journal, frees_the_nonce_of_what_failed_or_was_dropped) {
    const auto journal = open_it();
    for (const auto state : {TransactionState::Failed, TransactionState::Dropped}) {
        const auto which = static_cast<std::uint8_t>(state);
        const auto first = entry(1, which, 1);
        ASSERT_EQ(add(*journal, first), Added::Done);
        ASSERT_TRUE(update(*journal, settled(first, state)));
        EXPECT_EQ(journal->at({1, first.account, which}).value(), std::nullopt);
        EXPECT_EQ(add(*journal, entry(1, which, 2)), Added::Done);
        EXPECT_EQ(journal->get(first.id).value()->state, state);
    }
    EXPECT_EQ(journal->settled_nonces(1, entry(1, 0).account).value(), 0u) << "none of them was used";
}

TEST_P(Journal, takes_an_idempotency_key_once) {
    const auto journal = open_it();
    auto one = entry(1, 0), other = entry(2, 0);
    one.idempotency = other.idempotency = Hash32{4};
    EXPECT_EQ(add(*journal, one), Added::Done);
    EXPECT_EQ(add(*journal, other), Added::Taken);
    EXPECT_EQ(journal->find(Hash32{4}).value(), one);
}

TEST_P(Journal, changes_an_entry_only_from_the_revision_before) {
    const auto journal = open_it();
    auto one = entry(1, 0);
    ASSERT_EQ(add(*journal, one), Added::Done);
    one.revision = 3;
    EXPECT_FALSE(update(*journal, one));
    one.revision = 2;
    one.state = TransactionState::Broadcast;
    EXPECT_TRUE(update(*journal, one));
    EXPECT_TRUE(update(*journal, one)) << "the very same again";
    auto rival = one;
    rival.state = TransactionState::Mined;
    EXPECT_FALSE(update(*journal, rival));
    EXPECT_EQ(journal->get(one.id).value(), one);
    EXPECT_FALSE(update(*journal, entry(9, 9)));
}

TEST_P(Journal, lists_what_is_open_in_order_page_by_page) {
    const auto journal = open_it();
    Entries expected;
    for (const std::uint8_t account : Bytes{2, 1})
        for (const std::uint64_t nonce : Nonces{300, 2, 1})
            expected.push_back(entry(account, nonce));
    ASSERT_TRUE(journal->add(expected));
    ASSERT_TRUE(update(*journal, settled(entry(1, 2))));
    std::erase(expected, entry(1, 2));
    std::ranges::sort(expected, {}, [](const auto& e) { return std::pair(e.account, e.nonce); });
    Entries found;
    for (std::optional<OpenPosition> after;;) {
        const auto page = journal->open(after, 2).value();
        found.insert(found.end(), page.begin(), page.end());
        if (page.size() < 2)
            break;
        after = {page.back().chain_id, page.back().account, page.back().nonce};
    }
    EXPECT_EQ(found, expected);
}

TEST_P(Journal, knows_the_nonces_that_are_settled) {
    const auto journal = open_it();
    const auto account = entry(1, 0).account;
    EXPECT_EQ(journal->settled_nonces(1, account).value(), 0u);
    ASSERT_TRUE(journal->add(Entries{entry(1, 0), entry(1, 1), entry(1, 2)}));
    ASSERT_TRUE(update(*journal, settled(entry(1, 1), TransactionState::Cancelled)));
    EXPECT_EQ(journal->settled_nonces(1, account).value(), 2u);
    EXPECT_EQ(journal->settled_nonces(2, account).value(), 0u);
}

TEST_P(Journal, lists_the_newest_first_by_filter) {
    const auto journal = open_it();
    for (std::uint64_t nonce = 0; nonce < 9; ++nonce)
        ASSERT_EQ(add(*journal, entry(nonce % 2 == 0 ? 1 : 2, nonce)), Added::Done);
    JournalFilter filter;
    filter.account = entry(1, 0).account;
    std::vector<std::uint64_t> nonces;
    for (std::optional<JournalPosition> before;;) {
        const auto page = journal->list(filter, before, 2).value();
        for (const auto& each : page.entries)
            nonces.push_back(each.nonce);
        before = page.next;
        if (!before)
            break;
    }
    EXPECT_EQ(nonces, (std::vector<std::uint64_t>{8, 6, 4, 2, 0}));
    filter.state = TransactionState::Mined;
    EXPECT_TRUE(journal->list(filter, std::nullopt, 9).value().entries.empty());
    EXPECT_EQ(journal->list({.caller = "é"}, std::nullopt, 20).value().entries.size(), 9u);
    EXPECT_TRUE(journal->list({.chain_id = 5}, std::nullopt, 20).value().entries.empty());
}

TEST_P(Journal, prunes_old_settled_entries_but_no_accounts_last) {
    const auto journal = open_it();
    Entries all;
    for (const std::uint64_t nonce : Nonces{0, 1, 2, 3})
        all.push_back(entry(1, nonce));
    ASSERT_TRUE(journal->add(all));
    for (const std::uint64_t nonce : Nonces{0, 2, 3})
        ASSERT_TRUE(update(*journal, settled(entry(1, nonce))));
    EXPECT_EQ(journal->prune(1'000, 10).value(), 0u) << "none is so old";
    EXPECT_EQ(journal->prune(5'000, 1).value(), 1u);
    EXPECT_EQ(journal->prune(5'000, 10).value(), 1u);
    EXPECT_EQ(journal->prune(5'000, 10).value(), 0u);
    EXPECT_TRUE(journal->get(all[1].id).value()) << "open";
    EXPECT_TRUE(journal->get(all[3].id).value()) << "the last";
    EXPECT_EQ(journal->settled_nonces(1, all[0].account).value(), 4u);
}

TEST_P(Journal, of_many_that_want_a_nonce_one_gets_it) {
    constexpr std::size_t kRivals = 6;
    std::vector<std::unique_ptr<TransactionJournal>> journals; // as many gateways
    for (std::size_t i = 0; i < kRivals; ++i)
        journals.push_back(open_it());
    for (std::uint64_t nonce = 0; nonce < 20; ++nonce) {
        std::atomic<int> done{0}, taken{0};
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < kRivals; ++i)
            threads.emplace_back([&, i] {
                const auto one = entry(1, nonce, static_cast<std::uint8_t>(i));
                ++(add(*journals[i], one) == Added::Done ? done : taken);
            });
        for (auto& thread : threads)
            thread.join();
        EXPECT_EQ(done, 1);
        EXPECT_EQ(taken, static_cast<int>(kRivals) - 1);
    }
}

INSTANTIATE_TEST_SUITE_P(Journals, Journal, testing::Values("Sqlite", "Postgres"),
                         [](const auto& tested) { return tested.param; });

TEST(SqliteJournal, loses_nothing_acknowledged_when_its_process_is_killed) {
    const Folder folder;
    ASSERT_TRUE(open_sqlite_store(folder.file()));
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        auto journal = open_sqlite_journal(folder.file());
        for (std::uint64_t nonce = 0; journal; ++nonce) {
            const auto one = entry(1, nonce);
            if (!(*journal)->add(std::span(&one, 1)) || write(ends[1], &nonce, sizeof nonce) != sizeof nonce)
                _exit(1);
        }
        _exit(2);
    }
    close(ends[1]);
    std::uint64_t acknowledged = 0;
    for (std::uint64_t nonce; acknowledged < 40 && read(ends[0], &nonce, sizeof nonce) == sizeof nonce;)
        acknowledged = nonce + 1;
    ASSERT_EQ(kill(child, SIGKILL), 0);
    for (std::uint64_t nonce; read(ends[0], &nonce, sizeof nonce) == sizeof nonce;)
        acknowledged = nonce + 1;
    close(ends[0]);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    const auto journal = *open_sqlite_journal(folder.file());
    const auto found = journal->open(std::nullopt, 100'000).value();
    EXPECT_GE(acknowledged, 40u);
    ASSERT_TRUE(found.size() == acknowledged || found.size() == acknowledged + 1) << found.size();
    for (std::uint64_t nonce = 0; nonce < found.size(); ++nonce)
        EXPECT_EQ(found[nonce], entry(1, nonce));
}

TEST(TransactionJournal, is_refused_where_there_is_none) {
    const Folder folder;
    const auto secrets = open_transaction_journal("secretsmanager:redoubt");
    ASSERT_FALSE(secrets);
    EXPECT_EQ(secrets.error().code, Code::StoreFailed);
    EXPECT_FALSE(open_transaction_journal(folder.file("missing.db")));
    execute(folder.file("other.db"), "CREATE TABLE other(x)");
    EXPECT_FALSE(open_transaction_journal(folder.file("other.db")));
    EXPECT_FALSE(open_transaction_journal(""));
    ASSERT_TRUE(open_sqlite_store(folder.file()));
    ASSERT_TRUE(open_transaction_journal(folder.file()));
    execute(folder.file(), "UPDATE sent_transactions_version SET version = 2");
    EXPECT_FALSE(open_transaction_journal(folder.file())) << "a newer one's";
}

TEST(TransactionJournal, refuses_every_damaged_entry) {
    auto one = entry(1, 5);
    one.idempotency = Hash32{1};
    one.block = 4;
    const Bytes good = encode_journal_entry(one);
    ASSERT_EQ(decode_journal_entry(good).value(), one);
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(decode_journal_entry(ByteView(good).first(size)));
    Bytes longer = good;
    longer.push_back(0);
    EXPECT_FALSE(decode_journal_entry(longer));
    const auto with = [&](auto change) {
        auto bad = one;
        change(bad);
        return decode_journal_entry(encode_journal_entry(bad));
    };
    EXPECT_FALSE(with([](JournalEntry& e) { e.versions.clear(); }));
    EXPECT_FALSE(with([](JournalEntry& e) { e.mined_version = 1; }));
    EXPECT_FALSE(with([](JournalEntry& e) { e.caller = "\xff"; }));
    EXPECT_FALSE(with([](JournalEntry& e) { e.nonce = ~std::uint64_t{0}; }));
    EXPECT_FALSE(with([](JournalEntry& e) { e.state = static_cast<TransactionState>(8); }));
    EXPECT_FALSE(with([](JournalEntry& e) { e.versions.resize(kMaxVersions + 1); }));
}

TEST(TransactionJournal, writes_ids_and_states_as_it_reads_them) {
    const auto id = entry(3, 4).id;
    EXPECT_EQ(parse_transaction_id(transaction_id_text(id)), id);
    for (const auto* const text :
         {"", "tx-", "tx-00", "key-00000000000000000000000000000000", "tx-0000000000000000000000000000000A",
          "tx-000000000000000000000000000000000"})
        EXPECT_EQ(parse_transaction_id(text), std::nullopt) << text;
    for (int state = 1; state <= 7; ++state)
        EXPECT_EQ(parse_transaction_state(transaction_state_name(static_cast<TransactionState>(state))),
                  static_cast<TransactionState>(state));
    EXPECT_EQ(parse_transaction_state(""), std::nullopt);
    EXPECT_EQ(parse_transaction_state("queued"), std::nullopt);
}

} // namespace
} // namespace redoubt::store::tests
