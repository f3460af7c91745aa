// SPDX-License-Identifier: Apache-2.0
#include "gateway/receipt_log.h"

#include "base/cursor.h"
#include "crypto/ed25519.h"
#include "support.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <random>

namespace redoubt::gateway {
namespace {

constexpr UnixMs kMorning = 1'790'000'000'000; // 2026-09-21
constexpr UnixMs kDay = 86'400'000;
constexpr const char* kToday = "receipts-20260921.log";
constexpr const char* kTomorrow = "receipts-20260922.log";

// An enclave's receipts and heads, with a document that only an audit would look into.
class TestChain {
  public:
    TestChain() : key_(crypto::Ed25519Key::generate(random_)) {
        previous_ = trust::chain_start(key_.public_key());
    }
    trust::ChainId id() const { return trust::chain_id(key_.public_key()); }
    Bytes start() const {
        trust::ChainStart start;
        start.public_key = key_.public_key();
        start.module_id = "i-1-enc1";
        start.attestation = Bytes(500, 0x88);
        return trust::encode_chain_start(start);
    }
    Bytes receipt() {
        trust::Receipt receipt;
        receipt.sequence = next_++;
        receipt.previous = previous_;
        receipt.decision = trust::Decision::Allowed;
        Bytes out = trust::encode_receipt(receipt);
        previous_ = trust::receipt_hash(out);
        return out;
    }
    std::vector<Bytes> receipts(int count) {
        std::vector<Bytes> out;
        for (int i = 0; i < count; ++i)
            out.push_back(receipt());
        return out;
    }
    Bytes head() const {
        trust::ReceiptHead head;
        head.chain = id();
        head.sequence = next_ - 1;
        head.hash = previous_;
        head.signature = key_.sign(trust::receipt_head_message(head));
        return trust::encode_receipt_head(head);
    }

  private:
    crypto::SystemRandom random_;
    crypto::Ed25519Key key_;
    std::uint64_t next_ = 0;
    Hash32 previous_{};
};

class ReceiptLogs : public testing::Test {
  protected:
    void SetUp() override { open(); }
    void open() {
        log_.reset();
        auto opened = ReceiptLog::open(folder(), [this] { return now_; });
        ASSERT_TRUE(opened) << opened.error().describe();
        log_ = std::move(*opened);
    }
    // As a process that was killed: what it had not written, and the index, are gone.
    void crash(const std::vector<std::string>& files = {kToday}) {
        std::vector<std::string> contents;
        for (const auto& file : files)
            contents.push_back(text(file));
        log_.reset();
        std::filesystem::remove(folder() + "/receipts.index");
        for (std::size_t i = 0; i < files.size(); ++i)
            tests::write_text(folder() + "/" + files[i], contents[i]);
    }
    std::string folder() const { return folder_.file("receipts"); }
    std::string text(const std::string& file) const {
        std::ifstream in(folder() + "/" + file, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    // The entries of the files as "S", "R0", "H3" … of one chain.
    std::string entries(const trust::ChainId& of, const std::vector<std::string>& files = {kToday}) const {
        std::string out;
        for (const auto& file : files) {
            const std::string bytes = text(file);
            Cursor cursor(as_bytes(bytes));
            while (!cursor.empty()) {
                Cursor entry(cursor.block32(1 << 20));
                const auto kind = static_cast<trust::LogEntry>(entry.u8());
                if (entry.array<16>() != of)
                    continue;
                if (kind == trust::LogEntry::Start)
                    out += "S ";
                else if (kind == trust::LogEntry::Receipt)
                    out += "R" + std::to_string(*trust::receipt_sequence(entry.rest())) + " ";
                else
                    out += "H" + std::to_string(trust::decode_receipt_head(entry.rest())->sequence) + " ";
            }
            EXPECT_TRUE(cursor.ok());
        }
        return out;
    }

    tests::Folder folder_;
    UnixMs now_ = kMorning;
    std::unique_ptr<ReceiptLog> log_;
    TestChain chain_;
};

TEST_F(ReceiptLogs, a_chain_is_written_as_its_start_its_receipts_and_its_head) {
    EXPECT_FALSE(log_->through(chain_.id()));
    EXPECT_FALSE(log_->started(chain_.id()));
    log_->start(chain_.id(), chain_.start());
    EXPECT_TRUE(log_->started(chain_.id()));
    log_->take(chain_.id(), chain_.receipt());
    log_->take(chain_.id(), chain_.receipt());
    log_->head(chain_.id(), chain_.head());
    EXPECT_TRUE(log_->unwritten());
    EXPECT_FALSE(log_->through(chain_.id())); // not yet written
    ASSERT_TRUE(log_->write());
    EXPECT_FALSE(log_->unwritten());
    EXPECT_EQ(log_->through(chain_.id()), 1u);
    EXPECT_EQ(entries(chain_.id()), "S R0 R1 H1 ");
    log_->sync();
    struct stat status {};
    ASSERT_EQ(::stat(folder().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0700u);
    ASSERT_EQ(::stat((folder() + "/" + kToday).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(ReceiptLogs, receipts_in_any_order_and_more_than_once_are_written_once_and_in_order) {
    std::mt19937 random(1);
    for (int round = 0; round < 20; ++round) {
        TestChain chain;
        std::vector<std::function<void()>> steps;
        std::string expected = "S ";
        for (int i = 0; i < 30; ++i) {
            const Bytes bytes = chain.receipt();
            for (int times = 0; times < 2; ++times)
                steps.push_back([this, &chain, bytes] { log_->take(chain.id(), bytes); });
            expected += "R" + std::to_string(i) + " ";
        }
        for (int times = 0; times < 3; ++times)
            steps.push_back([&] { log_->start(chain.id(), chain.start()); });
        steps.push_back([&] { ASSERT_TRUE(log_->write()); });
        std::shuffle(steps.begin(), steps.end(), random);
        for (const auto& step : steps)
            step();
        ASSERT_TRUE(log_->write());
        EXPECT_EQ(entries(chain.id()), expected);
        EXPECT_EQ(log_->through(chain.id()), 29u);
    }
}

TEST_F(ReceiptLogs, a_receipt_waits_for_those_before_it_and_for_its_chains_start) {
    const auto receipts = chain_.receipts(3);
    log_->take(chain_.id(), receipts[2]);
    log_->take(chain_.id(), receipts[0]);
    ASSERT_TRUE(log_->write());
    EXPECT_EQ(entries(chain_.id()), "");
    log_->start(chain_.id(), chain_.start());
    ASSERT_TRUE(log_->write());
    EXPECT_EQ(entries(chain_.id()), "S R0 ");
    EXPECT_EQ(log_->through(chain_.id()), 0u);
    log_->take(chain_.id(), receipts[1]);
    ASSERT_TRUE(log_->write());
    EXPECT_EQ(entries(chain_.id()), "S R0 R1 R2 ");
    EXPECT_EQ(log_->through(chain_.id()), 2u);
}

TEST_F(ReceiptLogs, heads_wait_for_their_receipts_and_no_older_one_follows_a_later_one) {
    const Bytes r0 = chain_.receipt(), h0 = chain_.head(), r1 = chain_.receipt(), h1 = chain_.head(),
                r2 = chain_.receipt(), h2 = chain_.head(), r3 = chain_.receipt(), h3 = chain_.head();
    for (const auto& head : {h1, h2, h3}) // of those that wait, the first and the last stay
        log_->head(chain_.id(), head);
    log_->start(chain_.id(), chain_.start());
    log_->take(chain_.id(), r0);
    log_->take(chain_.id(), r1);
    log_->take(chain_.id(), r2);
    log_->head(chain_.id(), h0); // late
    log_->head(chain_.id(), h1); // again
    log_->head(chain_.id(), h2);
    log_->take(chain_.id(), r3);
    ASSERT_TRUE(log_->write());
    EXPECT_EQ(entries(chain_.id()), "S R0 R1 H1 R2 H2 R3 H3 ");
}

TEST_F(ReceiptLogs, what_is_not_of_the_chain_is_left_out) {
    TestChain other;
    log_->start(chain_.id(), other.start());
    log_->start(chain_.id(), Bytes{1, 2, 3});
    EXPECT_FALSE(log_->started(chain_.id()));
    log_->start(chain_.id(), chain_.start());
    log_->take(chain_.id(), Bytes{1, 2, 3});
    log_->take(chain_.id(), chain_.receipt());
    (void)other.receipt();
    log_->head(chain_.id(), other.head());
    log_->head(chain_.id(), Bytes{1});
    ASSERT_TRUE(log_->write());
    EXPECT_EQ(entries(chain_.id()), "S R0 ");
}

TEST_F(ReceiptLogs, only_so_many_receipts_wait_and_the_earliest_of_them_stay) {
    log_->start(chain_.id(), chain_.start());
    const auto receipts = chain_.receipts(static_cast<int>(ReceiptLog::kMaxWaiting) + 11);
    for (std::size_t i = receipts.size() - 1; i > 0; --i)
        log_->take(chain_.id(), receipts[i]);
    log_->take(chain_.id(), receipts[0]);
    ASSERT_TRUE(log_->write());
    EXPECT_EQ(log_->through(chain_.id()), ReceiptLog::kMaxWaiting);
    for (const auto& receipt : receipts) // as the enclave gives them once more
        log_->take(chain_.id(), receipt);
    ASSERT_TRUE(log_->write());
    EXPECT_EQ(log_->through(chain_.id()), receipts.size() - 1);
}

TEST_F(ReceiptLogs, a_restarted_gateway_continues_a_chain_where_it_was) {
    const bool with_index[] = {true, false};
    for (const bool index : with_index) {
        TestChain chain;
        log_->start(chain.id(), chain.start());
        const auto receipts = chain.receipts(3);
        log_->take(chain.id(), receipts[0]);
        log_->take(chain.id(), receipts[1]);
        log_->take(chain.id(), receipts[2]);
        const Bytes head = chain.head();
        log_->head(chain.id(), head);
        ASSERT_TRUE(log_->write());
        if (!index)
            crash();
        open();
        EXPECT_EQ(log_->through(chain.id()), 2u);
        EXPECT_TRUE(log_->started(chain.id()));
        log_->start(chain.id(), chain.start());
        for (const auto& receipt : receipts)
            log_->take(chain.id(), receipt);
        log_->head(chain.id(), head);
        log_->take(chain.id(), chain.receipt());
        ASSERT_TRUE(log_->write());
        EXPECT_EQ(entries(chain.id()), "S R0 R1 R2 H2 R3 ");
    }
}

TEST_F(ReceiptLogs, each_day_has_its_file_and_a_clock_set_back_begins_none) {
    log_->start(chain_.id(), chain_.start());
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    now_ += kDay;
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    now_ -= kDay;
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    log_->sync();
    EXPECT_EQ(entries(chain_.id()), "S R0 ");
    EXPECT_EQ(entries(chain_.id(), {kTomorrow}), "R1 R2 ");
    // Without an index the newest two files are read.
    crash({kToday, kTomorrow});
    open();
    EXPECT_TRUE(log_->started(chain_.id()));
    EXPECT_EQ(log_->through(chain_.id()), 2u);
}

TEST_F(ReceiptLogs, a_chain_that_was_idle_for_days_is_continued) {
    log_->start(chain_.id(), chain_.start());
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    TestChain busy;
    log_->start(busy.id(), busy.start());
    for (int day = 0; day < 4; ++day) {
        now_ += kDay;
        log_->take(busy.id(), busy.receipt());
        ASSERT_TRUE(log_->write());
    }
    open();
    EXPECT_EQ(log_->through(busy.id()), 3u);
    EXPECT_EQ(log_->through(chain_.id()), 0u);
    EXPECT_TRUE(log_->started(chain_.id()));
}

TEST_F(ReceiptLogs, a_torn_last_entry_is_cut_off_and_written_again_wherever_it_was_torn) {
    log_->start(chain_.id(), chain_.start());
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    const std::size_t whole = text(kToday).size();
    const Bytes next = chain_.receipt();
    log_->take(chain_.id(), next);
    ASSERT_TRUE(log_->write());
    const std::string full = text(kToday);
    for (std::size_t size = whole; size < full.size(); size += size < whole + 30 ? 1 : 17)
        for (const bool zeros : {false, true}) {
            crash();
            std::string torn = full.substr(0, size);
            if (zeros) // as some file systems leave it
                torn = full.substr(0, whole) + std::string(size - whole, '\0');
            tests::write_text(folder() + "/" + kToday, torn);
            open();
            EXPECT_EQ(log_->through(chain_.id()), 0u);
            EXPECT_EQ(text(kToday).size(), whole);
            log_->take(chain_.id(), next);
            ASSERT_TRUE(log_->write());
            EXPECT_EQ(text(kToday), full);
        }
}

TEST_F(ReceiptLogs, a_damaged_log_is_not_written_to) {
    log_->start(chain_.id(), chain_.start());
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    crash();
    std::string damaged = text(kToday);
    damaged[0] = 0x7f;
    tests::write_text(folder() + "/" + kToday, damaged);
    const auto opened = ReceiptLog::open(folder(), [this] { return now_; });
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::Io);
    EXPECT_EQ(text(kToday), damaged);
}

TEST_F(ReceiptLogs, an_index_that_is_damaged_or_ahead_of_its_file_is_not_used) {
    log_->start(chain_.id(), chain_.start());
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    const std::size_t earlier = text(kToday).size();
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    log_.reset();
    std::filesystem::resize_file(folder() + "/" + kToday, earlier);
    open();
    EXPECT_EQ(log_->through(chain_.id()), 0u);
    log_.reset();
    std::string index = text("receipts.index");
    ASSERT_GT(index.size(), 60u);
    index[50] = static_cast<char>(index[50] ^ 1);
    tests::write_text(folder() + "/receipts.index", index);
    open();
    EXPECT_EQ(log_->through(chain_.id()), 0u);
}

TEST_F(ReceiptLogs, two_processes_do_not_write_to_one_log) {
    const auto second = ReceiptLog::open(folder());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::Io);
}

// A limit on the file's size stands for a disk that is full: the write is short, the next one fails.
TEST_F(ReceiptLogs, on_a_full_disk_nothing_is_lost_and_the_file_goes_on_where_it_stopped) {
    log_->start(chain_.id(), chain_.start());
    log_->take(chain_.id(), chain_.receipt());
    ASSERT_TRUE(log_->write());
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit small = before;
    small.rlim_cur = text(kToday).size() + 100;
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_->take(chain_.id(), chain_.receipt());
    const auto failed = log_->write();
    log_->take(chain_.id(), chain_.receipt());
    now_ += kDay; // the entry is not finished in another file
    const auto again = log_->write();
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::Io);
    EXPECT_FALSE(again);
    EXPECT_EQ(log_->through(chain_.id()), 0u);
    ASSERT_TRUE(log_->write());
    EXPECT_EQ(log_->through(chain_.id()), 2u);
    EXPECT_EQ(entries(chain_.id()), "S R0 R1 R2 ");
}

TEST_F(ReceiptLogs, syncing_from_another_thread_disturbs_nothing) {
    std::atomic<bool> stop{false};
    std::thread syncing([&] {
        while (!stop)
            log_->sync();
    });
    for (int i = 0; i < 200; ++i) {
        TestChain chain;
        log_->start(chain.id(), chain.start());
        log_->take(chain.id(), chain.receipt());
        if (i % 50 == 0)
            now_ += kDay;
        ASSERT_TRUE(log_->write());
        EXPECT_EQ(log_->through(chain.id()), 0u);
    }
    stop = true;
    syncing.join();
}

} // namespace
} // namespace redoubt::gateway
