// SPDX-License-Identifier: Apache-2.0
#include "enclave/receipt_chain.h"

#include "nitro/software_nsm.h"
#include "trust/audit.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

#include <thread>

namespace redoubt::enclave {
namespace {

class ReceiptChains : public testing::Test {
  protected:
    static void SetUpTestSuite() { root_ = new nitro::DevelopmentRoot(*nitro::make_development_root()); }
    static void TearDownTestSuite() { delete root_; }
    void SetUp() override {
        nitro::SoftwareNsmOptions options;
        nitro::Pcr pcr;
        pcr.fill(1);
        options.pcrs = {{0, pcr}, {1, pcr}, {2, pcr}};
        nsm_ = std::make_unique<nitro::Nsm>(*nitro::make_software_nsm(*root_, options));
        attestor_ = std::make_unique<Attestor>(*nsm_);
        chain_ = make();
    }
    std::unique_ptr<ReceiptChain> make() {
        auto made = ReceiptChain::create(*attestor_, random_, nsm_->describe()->module_id);
        EXPECT_TRUE(made) << made.error().describe();
        return std::move(*made);
    }
    static trust::Receipt receipt(std::string operation = "sign-hash") {
        trust::Receipt out;
        out.time = 1'790'000'000'000;
        out.decision = trust::Decision::Allowed;
        out.operation = std::move(operation);
        return out;
    }
    // As the gateway writes it.
    Result<trust::AuditReport> audit(const std::vector<Bytes>& receipts, const std::optional<Bytes>& head) {
        Bytes log;
        trust::append_log_entry(log, trust::LogEntry::Start, chain_->id(), chain_->start());
        for (const auto& bytes : receipts)
            trust::append_log_entry(log, trust::LogEntry::Receipt, chain_->id(), bytes);
        if (head)
            trust::append_log_entry(log, trust::LogEntry::Head, chain_->id(), *head);
        trust::AuditOptions options;
        options.root_der = root_->certificate_der;
        options.module_ids = {nsm_->describe()->module_id};
        trust::Audit checked(options);
        REDOUBT_CHECK(checked.feed(log));
        return checked.finish();
    }

    static nitro::DevelopmentRoot* root_;
    crypto::SystemRandom random_;
    std::unique_ptr<nitro::Nsm> nsm_;
    std::unique_ptr<Attestor> attestor_;
    std::unique_ptr<ReceiptChain> chain_;
};
nitro::DevelopmentRoot* ReceiptChains::root_ = nullptr;

TEST_F(ReceiptChains, what_it_makes_passes_the_audit) {
    std::vector<Bytes> receipts;
    for (int i = 0; i < 5; ++i)
        receipts.push_back(*chain_->append(receipt(), true));
    const auto head = chain_->head(1'790'000'000'500);
    const auto report = audit(receipts, head);
    ASSERT_TRUE(report) << report.error().describe();
    EXPECT_EQ(report->receipts, 5u);
    EXPECT_FALSE(audit(receipts, std::nullopt));
}

TEST_F(ReceiptChains, each_chain_has_a_key_and_an_id_of_its_own) {
    EXPECT_NE(make()->id(), chain_->id());
}

TEST_F(ReceiptChains, the_head_is_signed_once_for_each_receipt_and_is_nothing_before_the_first) {
    EXPECT_FALSE(chain_->head(1));
    EXPECT_FALSE(chain_->last_head());
    (void)chain_->append(receipt(), true);
    EXPECT_FALSE(chain_->last_head());
    const auto first = chain_->head(1);
    EXPECT_EQ(chain_->head(2), first);
    EXPECT_EQ(chain_->last_head(), first);
    (void)chain_->append(receipt(), true);
    EXPECT_EQ(chain_->last_head(), first);
    const auto second = chain_->head(3);
    EXPECT_NE(second, first);
    EXPECT_EQ(trust::decode_receipt_head(*second)->sequence, 1u);
    EXPECT_EQ(trust::decode_receipt_head(*second)->time, 3);
}

TEST_F(ReceiptChains, refusals_of_unknown_askers_beyond_the_rate_are_counted_in_the_next_receipt) {
    trust::Receipt refusal = receipt();
    refusal.decision = trust::Decision::Refused;
    std::uint64_t made = 0, counted = 0;
    for (int i = 0; i < 1000; ++i)
        ++(chain_->append(refusal, false) ? made : counted);
    EXPECT_GE(made, std::uint64_t{ReceiptChain::kUnknownBurst});
    EXPECT_GT(counted, 500u); // 1,000 take far less than five seconds
    (void)chain_->append(receipt(), true);
    std::uint64_t skipped = 0;
    for (const auto& bytes : chain_->after(std::nullopt, 5000))
        skipped += trust::decode_receipt(bytes)->skipped;
    EXPECT_EQ(skipped, counted);
    EXPECT_EQ(trust::decode_receipt(*chain_->append(receipt(), true))->skipped, 0u);
}

TEST_F(ReceiptChains, receipts_are_kept_until_they_are_stored) {
    std::vector<Bytes> receipts;
    for (int i = 0; i < 6; ++i)
        receipts.push_back(*chain_->append(receipt(), true));
    const auto from = [&](std::ptrdiff_t first, std::ptrdiff_t last) {
        return std::vector<Bytes>(receipts.begin() + first, receipts.begin() + last);
    };
    EXPECT_EQ(chain_->after(std::nullopt, 100), receipts);
    EXPECT_EQ(chain_->after(std::nullopt, 2), from(0, 2));
    EXPECT_EQ(chain_->after(0, 100), from(1, 6));
    chain_->stored(2);
    EXPECT_EQ(chain_->after(std::nullopt, 100), from(3, 6)); // what is left
    EXPECT_EQ(chain_->after(1, 100), from(3, 6));
    EXPECT_EQ(chain_->after(2, 100), from(3, 6));
    EXPECT_EQ(chain_->after(4, 100), from(5, 6));
    EXPECT_TRUE(chain_->after(5, 100).empty());
    EXPECT_TRUE(chain_->after(~std::uint64_t{0}, 100).empty());
    chain_->stored(1); // again
    EXPECT_EQ(chain_->after(std::nullopt, 100), from(3, 6));
    chain_->stored(~std::uint64_t{0}); // more than there are
    EXPECT_TRUE(chain_->after(std::nullopt, 100).empty());
    EXPECT_EQ(trust::decode_receipt(*chain_->append(receipt(), true))->sequence, 6u);
    EXPECT_EQ(chain_->after(5, 100).size(), 1u);
}

// What is kept goes round in memory that grows now and then.
TEST_F(ReceiptChains, receipts_come_back_as_they_were_made_however_many_come_and_go) {
    std::map<std::uint64_t, Bytes> kept;
    std::mt19937 random(7);
    std::uint64_t next = 0, first = 0;
    for (int round = 0; round < 300; ++round) {
        for (auto more = random() % (round < 150 ? 20 : 40); more > 0; --more) {
            auto one = receipt();
            one.principal = std::string(random() % 60, 'p');
            kept[next++] = *chain_->append(one, true);
        }
        if (next == first)
            continue;
        const std::uint64_t through = first + random() % std::min<std::uint64_t>(next - first, 30);
        chain_->stored(through);
        first = through + 1;
        kept.erase(kept.begin(), kept.lower_bound(first));
        std::vector<Bytes> wanted;
        for (const auto& [sequence, bytes] : kept)
            wanted.push_back(bytes);
        ASSERT_EQ(chain_->after(std::nullopt, 100'000), wanted) << round;
        ASSERT_EQ(chain_->kept(), kept.size());
    }
    EXPECT_GT(next, 1'000u);
}

TEST_F(ReceiptChains, there_is_no_room_while_too_many_are_kept) {
    for (std::size_t i = 0; i < ReceiptChain::kMaxKept; ++i) {
        ASSERT_TRUE(chain_->has_room());
        (void)chain_->append(receipt(), true);
    }
    EXPECT_FALSE(chain_->has_room());
    chain_->stored(0);
    EXPECT_TRUE(chain_->has_room());
}

TEST_F(ReceiptChains, threads_make_one_chain_without_a_gap) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([this] {
            for (int i = 0; i < 500; ++i) {
                (void)chain_->append(receipt(), true);
                if (i % 50 == 0)
                    (void)chain_->head(i);
            }
        });
    for (auto& thread : threads)
        thread.join();
    const auto report = audit(chain_->after(std::nullopt, 10'000), chain_->head(9));
    ASSERT_TRUE(report) << report.error().describe();
    EXPECT_EQ(report->receipts, 2000u);
}

} // namespace
} // namespace redoubt::enclave
