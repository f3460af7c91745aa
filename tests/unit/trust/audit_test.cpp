// SPDX-License-Identifier: Apache-2.0
#include "trust/audit.h"

#include "crypto/ed25519.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "nitro/nsm.h"
#include "nitro/software_nsm.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace redoubt::trust {
namespace {

constexpr UnixMs kStarted = 1'600'000'000'000; // years before any test: its certificates have long expired

struct Entry {
    LogEntry kind;
    std::size_t chain; // index
    Bytes bytes;
};

// An enclave's chain, as the enclave makes it.
class TestChain {
  public:
    explicit TestChain(const nitro::DevelopmentRoot& root, std::size_t index, bool debug = false,
                       std::string_view purpose = kPurposeReceipts, bool of_another_key = false)
        : index_(index), key_(crypto::Ed25519Key::generate(random_)) {
        nitro::SoftwareNsmOptions options;
        if (!debug)
            options.pcrs = {{0, pcr(1)}, {1, pcr(2)}, {2, pcr(3)}};
        options.now = [] { return kStarted; };
        nitro::Nsm nsm(*nitro::make_software_nsm(root, options));
        EXPECT_TRUE(nsm.extend_pcr(16, pcr(9)));
        EXPECT_TRUE(nsm.lock_pcr(16));
        start_.module_id = nsm.describe()->module_id;
        start_.public_key = key_.public_key();
        nitro::AttestationRequest request;
        request.user_data =
            nitro::encode_user_data(purpose, of_another_key ? Hash32{1} : crypto::sha256(start_.public_key));
        start_.attestation = *nsm.attest(request);
        previous_ = chain_start(start_.public_key);
    }

    ChainId id() const { return chain_id(start_.public_key); }
    const ChainStart& start_values() const { return start_; }
    Entry start() const { return {LogEntry::Start, index_, encode_chain_start(start_)}; }
    Entry receipt(std::uint32_t skipped = 0) {
        Receipt receipt;
        receipt.sequence = next_++;
        receipt.time = kStarted + static_cast<UnixMs>(1000 * receipt.sequence);
        receipt.previous = previous_;
        receipt.decision = receipt.sequence == 0 ? Decision::Started : Decision::Allowed;
        receipt.operation = "sign-hash";
        receipt.principal = "key:a:0011223344556677";
        receipt.request_digest.fill(static_cast<std::uint8_t>(receipt.sequence));
        receipt.skipped = skipped;
        Bytes bytes = encode_receipt(receipt);
        previous_ = receipt_hash(bytes);
        return {LogEntry::Receipt, index_, std::move(bytes)};
    }
    ReceiptHead head_values() const {
        ReceiptHead head;
        head.chain = id();
        head.sequence = next_ - 1;
        head.hash = previous_;
        head.time = kStarted + 5000;
        head.signature = key_.sign(receipt_head_message(head));
        return head;
    }
    Entry head() const { return {LogEntry::Head, index_, encode_receipt_head(head_values())}; }

    static nitro::Pcr pcr(std::uint8_t byte) {
        nitro::Pcr out{};
        out.fill(byte);
        return out;
    }

  private:
    crypto::SystemRandom random_;
    std::size_t index_;
    crypto::Ed25519Key key_;
    ChainStart start_;
    std::uint64_t next_ = 0;
    Hash32 previous_{};
};

class Audits : public testing::Test {
  protected:
    static void SetUpTestSuite() { root_ = new nitro::DevelopmentRoot(*nitro::make_development_root()); }
    static void TearDownTestSuite() { delete root_; }

    // Three chains that run at the same time.
    void make_three() {
        for (std::size_t i = 0; i < 3; ++i)
            chains_.push_back(std::make_unique<TestChain>(*root_, i));
        auto &a = *chains_[0], &b = *chains_[1], &c = *chains_[2];
        entries_ = {a.start(),   a.receipt(), b.start(),   a.receipt(), b.receipt(), a.head(),
                    c.start(),   c.receipt(), b.receipt(), a.receipt(), c.receipt(), b.head(),
                    a.receipt(), a.head(),    c.receipt(), c.head()};
    }
    void make_one(int receipts) {
        chains_.push_back(std::make_unique<TestChain>(*root_, 0));
        entries_ = {chains_[0]->start()};
        for (int i = 0; i < receipts; ++i)
            entries_.push_back(chains_[0]->receipt());
    }
    Bytes log(const std::vector<Entry>& entries) const {
        Bytes out;
        for (const auto& entry : entries)
            append_log_entry(out, entry.kind, chains_[entry.chain]->id(), entry.bytes);
        return out;
    }
    Bytes log() const { return log(entries_); }
    static AuditOptions options() {
        AuditOptions out;
        out.root_der = root_->certificate_der;
        return out;
    }
    static Result<AuditReport> check(ByteView log, AuditOptions options = Audits::options(),
                                     std::size_t step = 1 << 20) {
        Audit audit(std::move(options));
        for (; !log.empty(); log = log.subspan(std::min(step, log.size())))
            REDOUBT_CHECK(audit.feed(log.first(std::min(step, log.size()))));
        return audit.finish();
    }
    static bool refused(ByteView log, AuditOptions options = Audits::options(),
                        Code code = Code::ReceiptInvalid) {
        const auto report = check(log, std::move(options));
        EXPECT_TRUE(report || report.error().code == code) << report.error().describe();
        return !report;
    }

    static nitro::DevelopmentRoot* root_;
    std::vector<std::unique_ptr<TestChain>> chains_;
    std::vector<Entry> entries_;
};
nitro::DevelopmentRoot* Audits::root_ = nullptr;

TEST_F(Audits, a_log_of_three_chains_verifies_however_it_is_cut_into_pieces) {
    make_three();
    const Bytes bytes = log();
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{300}, bytes.size()}) {
        const auto report = check(bytes, options(), step);
        ASSERT_TRUE(report) << report.error().describe();
        EXPECT_EQ(report->receipts, 9u);
        ASSERT_EQ(report->chains.size(), 3u);
        for (const auto& chain : report->chains) {
            const auto made =
                std::ranges::find_if(chains_, [&](const auto& c) { return c->id() == chain.chain; });
            ASSERT_NE(made, chains_.end());
            EXPECT_EQ(chain.module_id, (*made)->start_values().module_id);
            EXPECT_EQ(chain.receipts, made == chains_.begin() ? 4u : made == chains_.begin() + 1 ? 2u : 3u);
            EXPECT_EQ(chain.heads, made == chains_.begin() ? 2u : 1u);
            EXPECT_EQ(chain.unsigned_tail, 0u);
            EXPECT_EQ(chain.first, kStarted);
        }
    }
}

TEST_F(Audits, each_receipt_is_shown_in_the_order_of_the_log) {
    make_one(3);
    Receipt counted = *decode_receipt(chains_[0]->receipt(4).bytes);
    chains_.clear();
    make_one(2);
    entries_.push_back(chains_[0]->receipt(4));
    entries_.push_back(chains_[0]->head());
    Audit audit(options());
    std::vector<std::uint64_t> seen;
    ASSERT_TRUE(audit.feed(log(), [&](const ChainId& chain, const Receipt& receipt) {
        EXPECT_EQ(chain, chains_[0]->id());
        seen.push_back(receipt.sequence);
    }));
    EXPECT_EQ(seen, (std::vector<std::uint64_t>{0, 1, 2}));
    const auto report = audit.finish();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->chains[0].skipped, counted.skipped);
    EXPECT_EQ(report->chains[0].last, kStarted + 2000);
    // It is over.
    EXPECT_FALSE(audit.feed(log()));
    EXPECT_FALSE(audit.finish());
}

// A head that later heads cover says nothing that they don't.
bool covered(const std::vector<Entry>& entries, std::size_t i) {
    return entries[i].kind == LogEntry::Head &&
           std::any_of(entries.begin() + static_cast<std::ptrdiff_t>(i) + 1, entries.end(),
                       [&](const Entry& later) {
                           return later.kind == LogEntry::Head && later.chain == entries[i].chain;
                       });
}

TEST_F(Audits, the_removal_of_any_start_receipt_or_last_head_is_detected) {
    make_three();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        auto fewer = entries_;
        fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
        EXPECT_EQ(refused(log(fewer)), !covered(entries_, i)) << i;
    }
}

TEST_F(Audits, the_doubling_of_any_start_or_receipt_is_detected) {
    make_three();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        auto more = entries_;
        more.insert(more.begin() + static_cast<std::ptrdiff_t>(i), entries_[i]);
        EXPECT_EQ(refused(log(more)), entries_[i].kind != LogEntry::Head) << i;
    }
}

// Where entries of different chains stand to each other means nothing, and a head may stand after later
// receipts.
TEST_F(Audits, the_swap_of_any_two_adjacent_entries_of_a_chain_is_detected_unless_a_head_moves_back) {
    make_three();
    for (std::size_t chain = 0; chain < 3; ++chain) {
        std::vector<Entry> of_chain;
        for (const auto& entry : entries_)
            if (entry.chain == chain)
                of_chain.push_back(entry);
        ASSERT_TRUE(check(log(of_chain)));
        for (std::size_t i = 0; i + 1 < of_chain.size(); ++i) {
            auto swapped = of_chain;
            std::swap(swapped[i], swapped[i + 1]);
            const bool back = of_chain[i].kind == LogEntry::Head && of_chain[i + 1].kind == LogEntry::Receipt;
            EXPECT_EQ(refused(log(swapped)), !back) << chain << " " << i;
        }
    }
    for (std::size_t i = 0; i + 1 < entries_.size(); ++i)
        if (entries_[i].chain != entries_[i + 1].chain) {
            auto swapped = entries_;
            std::swap(swapped[i], swapped[i + 1]);
            EXPECT_FALSE(refused(log(swapped))) << i;
        }
}

TEST_F(Audits, the_alteration_of_any_byte_is_detected) {
    make_one(3);
    entries_.push_back(chains_[0]->head());
    const Bytes bytes = log();
    ASSERT_TRUE(check(bytes));
    // The attestation document's own tests alter each of its bytes; here some, for time's sake.
    const std::size_t document = kLogEntryHead + 1 + 32 + 2 + chains_[0]->start_values().module_id.size() + 2;
    const std::size_t document_end = document + chains_[0]->start_values().attestation.size();
    for (std::size_t i = 0; i < bytes.size(); i += i >= document && i < document_end - 97 ? 41 : 1) {
        Bytes altered = bytes;
        altered[i] = static_cast<std::uint8_t>(altered[i] ^ (i % 2 == 0 ? 0x01 : 0x80));
        EXPECT_FALSE(check(altered)) << i;
    }
}

TEST_F(Audits, an_entry_that_names_another_chain_of_the_log_is_detected) {
    make_three();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        auto altered = entries_;
        altered[i].chain = (altered[i].chain + 1) % 3;
        EXPECT_TRUE(refused(log(altered))) << i;
    }
}

TEST_F(Audits, a_log_that_ends_early_is_detected_by_a_head_held_elsewhere) {
    make_one(3);
    entries_.push_back(chains_[0]->head());
    const Bytes shorter = log();
    entries_.push_back(chains_[0]->receipt());
    entries_.push_back(chains_[0]->head());
    EXPECT_TRUE(check(shorter)); // nothing in it shows
    auto with_head = options();
    with_head.heads = {chains_[0]->head_values()};
    EXPECT_TRUE(check(log(), with_head));
    EXPECT_TRUE(refused(shorter, with_head));
    EXPECT_TRUE(refused({}, with_head));
    // The one given stands for the log's last.
    entries_.pop_back();
    EXPECT_TRUE(refused(log()));
    EXPECT_TRUE(check(log(), with_head));
}

TEST_F(Audits, a_head_given_that_its_chain_did_not_sign_is_refused) {
    make_one(2);
    entries_.push_back(chains_[0]->head());
    auto with_head = options();
    with_head.heads = {chains_[0]->head_values()};
    with_head.heads[0].signature[3] ^= 1;
    EXPECT_TRUE(refused(log(), with_head));
}

// As nobody but the enclave itself could make it: the same key, another past.
TEST_F(Audits, another_log_of_the_same_chain_is_detected_by_a_head_held_elsewhere) {
    make_one(2);
    auto copy = entries_;
    Receipt other = *decode_receipt(chains_[0]->receipt().bytes);
    const ReceiptHead held = chains_[0]->head_values();
    other.operation = "sign-message";
    copy.push_back({LogEntry::Receipt, 0, encode_receipt(other)});
    auto with_head = options();
    with_head.unsigned_tail = 10;
    EXPECT_TRUE(check(log(copy), with_head));
    with_head.heads = {held};
    EXPECT_TRUE(refused(log(copy), with_head));
}

TEST_F(Audits, an_enclave_that_kms_answered_and_that_has_no_chain_is_detected) {
    make_three();
    auto with_ids = options();
    for (const auto& chain : chains_)
        with_ids.module_ids.push_back(chain->start_values().module_id);
    EXPECT_TRUE(check(log(), with_ids));
    std::vector<Entry> without;
    for (const auto& entry : entries_)
        if (entry.chain != 1)
            without.push_back(entry);
    EXPECT_TRUE(check(log(without)));
    EXPECT_TRUE(refused(log(without), with_ids));
    std::vector<Entry> cut; // to its start
    for (const auto& entry : entries_)
        if (entry.chain != 1 || entry.kind == LogEntry::Start)
            cut.push_back(entry);
    EXPECT_TRUE(check(log(cut)));
    EXPECT_TRUE(refused(log(cut), with_ids));
}

TEST_F(Audits, receipts_after_the_last_head_are_refused_unless_so_many_are_accepted) {
    make_one(2);
    entries_.push_back(chains_[0]->head());
    entries_.push_back(chains_[0]->receipt());
    entries_.push_back(chains_[0]->receipt());
    EXPECT_TRUE(refused(log()));
    auto accepting = options();
    accepting.unsigned_tail = 1;
    EXPECT_TRUE(refused(log(), accepting));
    accepting.unsigned_tail = 2;
    const auto report = check(log(), accepting);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->chains[0].unsigned_tail, 2u);
    // Without any head, all of them.
    chains_.clear();
    make_one(3);
    EXPECT_TRUE(refused(log(), accepting));
    accepting.unsigned_tail = 3;
    EXPECT_TRUE(check(log(), accepting));
}

TEST_F(Audits, a_head_may_come_after_later_receipts_and_not_after_a_later_head) {
    make_one(2);
    const Entry early = chains_[0]->head();
    entries_.push_back(chains_[0]->receipt());
    entries_.push_back(early);
    const Entry middle = chains_[0]->head();
    entries_.push_back(chains_[0]->receipt());
    entries_.push_back(middle);
    auto accepting = options();
    accepting.unsigned_tail = 1;
    EXPECT_TRUE(check(log(), accepting));
    entries_.push_back(chains_[0]->head());
    EXPECT_TRUE(check(log()));
    entries_.push_back(early);
    EXPECT_TRUE(refused(log()));
}

TEST_F(Audits, a_log_that_ends_within_an_entry_is_refused) {
    make_one(1);
    entries_.push_back(chains_[0]->head());
    const Bytes whole = log();
    for (const std::size_t cut : {1u, 3u, 50u, 137u})
        EXPECT_TRUE(refused(ByteView(whole).first(whole.size() - cut))) << cut;
    EXPECT_TRUE(check({}));
    Bytes nonsense = to_bytes("not a log at all, but a text");
    EXPECT_TRUE(refused(nonsense));
}

TEST_F(Audits, a_chain_is_of_the_pinned_image_and_manifest_and_of_the_trusted_root) {
    make_one(1);
    entries_.push_back(chains_[0]->head());
    auto pinned = options();
    pinned.pcr0 = {to_bytes(TestChain::pcr(7)), to_bytes(TestChain::pcr(1))};
    pinned.pcr16 = {to_bytes(nitro::pcr_of(TestChain::pcr(9)))};
    EXPECT_TRUE(check(log(), pinned));
    auto other = pinned;
    other.pcr0 = {to_bytes(TestChain::pcr(8))};
    EXPECT_TRUE(refused(log(), other, Code::AttestationUntrusted));
    other = pinned;
    other.pcr16 = {to_bytes(TestChain::pcr(9))};
    EXPECT_TRUE(refused(log(), other, Code::AttestationUntrusted));
    other = options();
    other.root_der = nitro::make_development_root()->certificate_der;
    EXPECT_TRUE(refused(log(), other, Code::AttestationUntrusted));
    other.root_der.clear(); // AWS's
    EXPECT_TRUE(refused(log(), other, Code::AttestationUntrusted));
}

TEST_F(Audits, a_chain_whose_document_does_not_attest_its_key_is_refused) {
    const auto log_of = [&](std::unique_ptr<TestChain> chain) {
        chains_.clear();
        chains_.push_back(std::move(chain));
        return log({chains_[0]->start(), chains_[0]->receipt(), chains_[0]->head()});
    };
    EXPECT_TRUE(check(log_of(std::make_unique<TestChain>(*root_, 0))));
    EXPECT_TRUE(
        refused(log_of(std::make_unique<TestChain>(*root_, 0, true)), options(), Code::AttestationUntrusted));
    EXPECT_TRUE(refused(log_of(std::make_unique<TestChain>(*root_, 0, false, kPurposeIdentity)), options(),
                        Code::AttestationUntrusted));
    EXPECT_TRUE(refused(log_of(std::make_unique<TestChain>(*root_, 0, false, kPurposeReceipts, true)),
                        options(), Code::AttestationUntrusted));
}

TEST_F(Audits, an_error_says_where_the_log_is_wrong) {
    make_one(2);
    const std::size_t before = log().size();
    (void)chains_[0]->receipt();
    entries_.push_back(chains_[0]->receipt());
    const auto report = check(log());
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().context, "entry 4 at byte " + std::to_string(before));
}

// Members as in the example of the AWS KMS Developer Guide, "Monitoring requests for Nitro enclaves".
constexpr std::string_view kRecord =
    R"({"eventVersion":"1.05","eventSource":"kms.amazonaws.com","eventName":"Decrypt","additionalEventData":{"recipient":{)"
    R"("attestationDocumentModuleId":"i-123456789abcde123-enc123456789abcde12","attestationDocumentEnclaveImageDigest":"ee0d"}}})";
constexpr std::string_view kDenied =
    R"({"eventName":"Decrypt","errorCode":"AccessDenied","additionalEventData":{"recipient":{"attestationDocumentModuleId":"i-2-enc2"}}})";

TEST(AttestedModuleIds, they_are_read_from_cloudtrails_files_and_from_one_record_a_line) {
    using Ids = std::vector<std::string>;
    const Ids expected = {"i-123456789abcde123-enc123456789abcde12"};
    const std::string record(kRecord), denied(kDenied);
    const std::string without = R"({"eventName":"Encrypt","additionalEventData":null,"errorCode":null})";
    EXPECT_EQ(
        attested_module_ids("{\"Records\":[" + record + "," + without + "," + denied + "," + record + "]}"),
        expected);
    EXPECT_EQ(attested_module_ids(record + "\n" + without + "\r\n\n" + denied + "\n" + record), expected);
    EXPECT_EQ(attested_module_ids(record), expected);
    const std::string file = "{\"Records\":[" + record + "]}";
    EXPECT_EQ(attested_module_ids(file + "\n{\"Records\":[]}\n" + file), expected) << "a file a line";
    // As the development cloud writes it.
    EXPECT_EQ(
        attested_module_ids(R"({"eventName":"Decrypt","moduleId":"i-9-enc9","errorCode":null})"
                            "\n"
                            R"({"eventName":"Decrypt","moduleId":"i-8-enc8","errorCode":"AccessDenied"})"
                            "\n"
                            R"({"eventName":"Encrypt","moduleId":null,"errorCode":null})"
                            "\n"),
        Ids{"i-9-enc9"});
    EXPECT_EQ(attested_module_ids(""), Ids{});
    for (const std::string_view bad :
         {"[]", "x", "{\"Records\":1}", "{}\n[]", "{}\n{\"Records\":1}", "\x1f\x8b\x08"})
        EXPECT_EQ(attested_module_ids(bad).error().code, Code::BadJson) << bad;
}

} // namespace
} // namespace redoubt::trust
