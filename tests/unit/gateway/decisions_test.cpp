// SPDX-License-Identifier: Apache-2.0
// Which enclave decides, what it counted, and the receipts of it.
#include "crypto/ed25519.h"
#include "crypto/random.h"
#include "sealed/counter_record.h"
#include "support.h"
#include "trust/receipt.h"

#include <sys/resource.h>

#include <csignal>
#include <sqlite3.h>

namespace redoubt {
namespace {

using namespace tests;
using wire::ItemKind;
using wire::Kind;

const std::string kTagA = "00000000000000aa", kTagB = "00000000000000bb", kGone = "00000000000000cc";

sealed::KeyId an_id(std::uint8_t number) {
    sealed::KeyId out{};
    out[0] = number;
    return out;
}

Bytes counters(const sealed::KeyId& key, std::uint64_t term, std::uint64_t sequence, const std::string& owner,
               std::uint64_t base = 0) {
    static crypto::SystemRandom random;
    sealed::CounterHead head;
    head.key = key;
    head.term = term;
    head.sequence = sequence;
    head.base = base;
    EXPECT_TRUE(from_hex_exact(owner, head.owner));
    head.lease_until = system_time_ms() + 5'000;
    return sealed::seal_counters(random.secret(32), head, {}, random);
}

wire::Reply counted_reply(const sealed::KeyId& key, Bytes record, const std::string& body = "{}") {
    auto reply = json_reply(200, body);
    reply.records.push_back({ItemKind::Counters, sealed::key_id_text(key), std::move(record)});
    return reply;
}

wire::Reply elsewhere() {
    return wire::error_reply(Error{Code::LimitsElsewhere, "another one counts"});
}

std::optional<Bytes> shown_counters(const wire::Request& request) {
    for (const auto& item : request.items)
        if (item.kind == ItemKind::CountersIfAny)
            return to_bytes(item.bytes);
    return std::nullopt;
}

// An enclave that goes by a tag; what it says to requests is the test's.
struct Tagged {
    using Answer = std::function<wire::Reply(const wire::Request&)>;
    std::atomic<int> requests{0};
    FakeEnclave enclave;

    Tagged(const std::string& path, std::string tag, Answer answer)
        : enclave(path,
                  [this, tag = std::move(tag),
                   answer = std::move(answer)](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
                      if (kind == Kind::Receipts)
                          return json_reply(200, R"({"ok":true,"tag":")" + tag + "\"}");
                      if (kind != Kind::Request)
                          return working(kind);
                      ++requests;
                      return answer(*wire::decode_request(payload));
                  }) {}
};

wire::Reply fine(const wire::Request&) {
    return json_reply(200, "{}");
}

std::vector<net::Header> with_signature(const std::string& nonce, const std::string& keyid = "alice") {
    return {{"content-type", "application/json"},
            {"signature", "s=:AAAA:"},
            {"signature-input", R"(s=("@method");created=1;expires=2;nonce=")" + nonce + R"(";keyid=")" +
                                    keyid + R"(";tag="redoubt")"}};
}

std::string path_of(const sealed::KeyId& key, const std::string& action = "sign-message") {
    return "/v1/keys/" + sealed::key_id_text(key) + "/" + action;
}

// Both are there, and have said how they are called.
bool both_known(const RunningGateway& gateway, Tagged& a, Tagged& b) {
    for (int i = 0; i < 500; ++i) {
        const int before_a = a.requests, before_b = b.requests;
        (void)gateway.send("POST", "/probe-a", "{}", with_signature(kTagA + "-x"));
        (void)gateway.send("POST", "/probe-b", "{}", with_signature(kTagB + "-x"));
        if (a.requests == before_a + 1 && b.requests == before_b + 1)
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

TEST(GatewayDecisions, a_challenge_or_a_session_leads_to_the_enclave_that_gave_it) {
    Folder folder;
    FakeCloud cloud;
    Tagged a(folder.file("a"), kTagA, fine), b(folder.file("b"), kTagB, fine);
    RunningGateway gateway(folder, cloud, {folder.file("a"), folder.file("b")});
    ASSERT_TRUE(gateway.ready());
    ASSERT_TRUE(both_known(gateway, a, b));
    const auto sent = [&](const std::vector<net::Header>& headers) {
        a.requests = b.requests = 0;
        for (int i = 0; i < 6; ++i)
            EXPECT_EQ(gateway.send("POST", path_of(an_id(1)), "{}", headers)->status, 200);
        return std::pair(a.requests.load(), b.requests.load());
    };
    const std::pair all_a(6, 0), all_b(0, 6);
    EXPECT_EQ(sent(with_signature(kTagA + "-" + std::string(32, '1'))), all_a);
    EXPECT_EQ(sent(with_signature(kTagB + "-" + std::string(32, '1'))), all_b);
    EXPECT_EQ(sent(with_signature("order-1", "session-" + kTagA + std::string(32, '2'))), all_a);
    EXPECT_EQ(sent(with_signature("order-1", "session-" + kTagB + std::string(32, '2'))), all_b);
    EXPECT_EQ(sent(with_signature(kTagA + "-x", "session-" + kTagB + std::string(32, '2'))), all_b)
        << "a session is of use nowhere else";
    // Those of an enclave that is not there, and what only looks like them, are anybody's.
    const auto anybody = sent(with_signature("order-1"));
    for (const std::string& nonce : {kGone + "-x", kTagB + "x", kTagB.substr(1) + "-x", "x" + kTagB + "-x"})
        EXPECT_EQ(sent(with_signature(nonce)), anybody) << nonce;
}

TEST(GatewayDecisions, a_key_with_limits_is_asked_of_the_enclave_that_counts_for_it) {
    Folder folder;
    FakeCloud cloud;
    const auto limited = an_id(1), other = an_id(2);
    std::atomic<std::uint64_t> sequence{0};
    const auto counts_as = [&](const std::string& tag) {
        return [&, tag](const wire::Request& request) {
            return request.path.find(sealed::key_id_text(limited)) == std::string_view::npos
                       ? json_reply(200, "{}")
                       : counted_reply(limited, counters(limited, 1, ++sequence, tag));
        };
    };
    Tagged a(folder.file("a"), kTagA, counts_as(kTagA)), b(folder.file("b"), kTagB, counts_as(kTagB));
    RunningGateway gateway(folder, cloud, {folder.file("a"), folder.file("b")});
    ASSERT_TRUE(gateway.ready());
    ASSERT_TRUE(both_known(gateway, a, b));
    // The one that is asked anyway where nothing is known is not the one that shall count.
    a.requests = b.requests = 0;
    EXPECT_EQ(gateway.send("POST", path_of(other), "{}")->status, 200);
    const bool is_a = a.requests == 1;
    Tagged& counting = is_a ? b : a;
    EXPECT_EQ(
        gateway.send("POST", path_of(limited), "{}", with_signature((is_a ? kTagB : kTagA) + "-x"))->status,
        200);
    a.requests = b.requests = 0;
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(gateway.send("POST", path_of(limited), "{}")->status, 200);
    EXPECT_EQ(counting.requests, 5);
    auto store = *store::open_sqlite_store(folder.file("store.db"));
    EXPECT_EQ(sealed::read_counter_head(**store->get_counters(limited))->sequence, 6u)
        << "each was stored before it was answered";
    EXPECT_EQ(gateway.send("POST", path_of(other), "{}")->status, 200);
    EXPECT_EQ(counting.requests, 5) << "other keys go where they went";
}

TEST(GatewayDecisions, limits_that_another_enclave_counts_are_asked_of_that_one) {
    Folder folder;
    FakeCloud cloud;
    const auto key = an_id(3);
    const Bytes stored_a = counters(key, 1, 4, kTagA), stored_b = counters(key, 1, 4, kTagB);
    // Whichever is asked first finds that the other one counts.
    const auto answer = [&](const Bytes& theirs, const std::string& own) {
        return [&, own](const wire::Request& request) {
            if (request.path != path_of(key))
                return json_reply(200, "{}");
            const auto shown = shown_counters(request);
            if (request.method == "POST" && as_text(request.body) == "first") {
                if (!shown)
                    return need_reply(ItemKind::CountersIfAny, sealed::key_id_text(key));
                if (sealed::read_counter_head(*shown)->owner == sealed::read_counter_head(theirs)->owner)
                    return elsewhere();
            }
            return counted_reply(key, counters(key, 1, 5, own), R"({"by":")" + own + "\"}");
        };
    };
    for (const bool b_counts : {false, true}) {
        const Folder own;
        Tagged a(own.file("a"), kTagA, answer(stored_b, kTagA)),
            b(own.file("b"), kTagB, answer(stored_a, kTagB));
        {
            auto store = *store::open_sqlite_store(own.file("store.db"));
            ASSERT_TRUE(store->put_counters(b_counts ? stored_b : stored_a));
        }
        RunningGateway gateway(own, cloud, {own.file("a"), own.file("b")});
        ASSERT_TRUE(gateway.ready());
        ASSERT_TRUE(both_known(gateway, a, b));
        const std::int64_t before = monotonic_ms();
        const auto response = gateway.send("POST", path_of(key), "first");
        EXPECT_EQ(response->status, 200) << text(*response);
        EXPECT_EQ(text(*response), R"({"by":")" + (b_counts ? kTagB : kTagA) + "\"}");
        EXPECT_LT(monotonic_ms() - before, 2'000) << "it does not wait for the lease";
    }
}

TEST(GatewayDecisions, limits_of_an_enclave_that_is_gone_are_asked_for_until_its_lease_has_ended) {
    Folder folder;
    FakeCloud cloud;
    const auto key = an_id(4);
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        ASSERT_TRUE(store->put_counters(counters(key, 1, 4, kGone)));
    }
    std::atomic<int> refused{0};
    std::atomic<bool> forever{false};
    Tagged a(folder.file("a"), kTagA, [&](const wire::Request& request) {
        const auto shown = shown_counters(request);
        if (!shown)
            return need_reply(ItemKind::CountersIfAny, sealed::key_id_text(key));
        if (forever || ++refused < 4)
            return elsewhere();
        return counted_reply(key, counters(key, 2, 1, kTagA, 4));
    });
    RunningGateway gateway(folder, cloud, {folder.file("a")},
                           [](gateway::Options& options) { options.request_deadline_ms = 3'000; });
    ASSERT_TRUE(gateway.ready());
    const std::int64_t before = monotonic_ms();
    EXPECT_EQ(gateway.send("POST", path_of(key), "{}")->status, 200);
    EXPECT_EQ(refused, 4);
    EXPECT_GE(monotonic_ms() - before, 3 * 250 - 10) << "not as fast as it can";
    forever = true;
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        ASSERT_TRUE(store->put_counters(counters(key, 3, 1, kGone, 1)));
    }
    const auto late = gateway.send("POST", path_of(key), "{}");
    EXPECT_EQ(late->status, 503);
    EXPECT_NE(text(*late).find("limits_elsewhere"), std::string::npos) << text(*late);
}

TEST(GatewayDecisions, counters_that_the_store_refuses_withhold_the_signature_and_are_asked_again) {
    Folder folder;
    FakeCloud cloud;
    const auto key = an_id(5);
    const Bytes theirs = counters(key, 2, 7, kGone, 3);
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        ASSERT_TRUE(store->put_counters(counters(key, 1, 3, kTagB)));
        ASSERT_TRUE(store->put_counters(theirs));
    }
    std::atomic<bool> give_up{false};
    std::atomic<int> asked{0};
    std::mutex mutex;
    std::optional<Bytes> shown;
    Tagged a(folder.file("a"), kTagA, [&](const wire::Request& request) {
        ++asked;
        const auto now = shown_counters(request);
        const std::lock_guard lock(mutex);
        shown = now;
        if (!now || give_up) // it thinks that it still counts
            return counted_reply(key, counters(key, 1, 4, kTagA), R"({"signature":"withheld"})");
        return counted_reply(key, counters(key, 3, 1, kTagA, 7), R"({"signature":"given"})");
    });
    RunningGateway gateway(folder, cloud, {folder.file("a")});
    ASSERT_TRUE(gateway.ready());
    give_up = true;
    const auto lost = gateway.send("POST", path_of(key), "{}");
    EXPECT_EQ(lost->status, 503);
    EXPECT_NE(text(*lost).find("limits_elsewhere"), std::string::npos) << text(*lost);
    EXPECT_EQ(text(*lost).find("withheld"), std::string::npos);
    EXPECT_EQ(asked, 2) << "once more, and no longer";
    give_up = false;
    const auto answer = gateway.send("POST", path_of(key), "{}");
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(text(*answer), R"({"signature":"given"})");
    const std::lock_guard lock(mutex);
    ASSERT_TRUE(shown);
    EXPECT_EQ(*shown, theirs) << "what the store holds";
    auto store = *store::open_sqlite_store(folder.file("store.db"));
    EXPECT_EQ(sealed::read_counter_head(**store->get_counters(key))->term, 3u);
}

TEST(GatewayDecisions, a_withheld_answers_receipt_is_not_the_next_answers) {
    Folder folder;
    FakeCloud cloud;
    const auto key = an_id(5);
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        ASSERT_TRUE(store->put_counters(counters(key, 1, 3, kTagB)));
    }
    std::atomic<int> asked{0};
    Tagged a(folder.file("a"), kTagA, [&](const wire::Request&) {
        if (++asked > 1)
            return wire::error_reply(Error{Code::Overloaded, "it has no receipt"});
        auto reply = counted_reply(key, counters(key, 1, 4, kTagA), R"({"signature":"withheld"})");
        reply.records.push_back({ItemKind::Receipt, std::string(16, 'c'), to_bytes("allowed")});
        reply.records.push_back({ItemKind::ReceiptHead, std::string(16, 'c'), to_bytes("head")});
        return reply;
    });
    RunningGateway gateway(folder, cloud, {folder.file("a")});
    ASSERT_TRUE(gateway.ready());
    const auto answer = gateway.send("POST", path_of(key), "{}");
    EXPECT_EQ(asked, 2);
    EXPECT_NE(text(*answer).find("overloaded"), std::string::npos) << text(*answer);
    EXPECT_EQ(answer->header("redoubt-receipt"), "");
    EXPECT_EQ(answer->header("redoubt-receipt-head"), "");
}

TEST(GatewayDecisions, a_store_that_takes_no_counters_ends_signing) {
    Folder folder;
    FakeCloud cloud;
    const auto key = an_id(6);
    std::atomic<std::uint64_t> sequence{0};
    Tagged a(folder.file("a"), kTagA, [&](const wire::Request&) {
        return counted_reply(key, counters(key, 1, ++sequence, kTagA), R"({"signature":"s"})");
    });
    RunningGateway gateway(folder, cloud, {folder.file("a")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_EQ(gateway.send("POST", path_of(key), "{}")->status, 200);
    sqlite3* file = nullptr;
    ASSERT_EQ(sqlite3_open(folder.file("store.db").c_str(), &file), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(file, "DROP TABLE counters", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(file);
    const auto refused = gateway.send("POST", path_of(key), "{}");
    EXPECT_EQ(refused->status, 503);
    EXPECT_NE(text(*refused).find("store_failed"), std::string::npos) << text(*refused);
    EXPECT_EQ(text(*refused).find("signature"), std::string::npos);
}

TEST(GatewayDecisions, counters_that_cannot_be_read_are_no_answer) {
    Folder folder;
    FakeCloud cloud;
    const auto key = an_id(6);
    Tagged a(folder.file("a"), kTagA, [&](const wire::Request&) {
        return counted_reply(key, to_bytes("no record"), R"({"signature":"s"})");
    });
    RunningGateway gateway(folder, cloud, {folder.file("a")});
    ASSERT_TRUE(gateway.ready());
    const auto refused = gateway.send("POST", path_of(key), "{}");
    EXPECT_EQ(refused->status, 500);
    EXPECT_EQ(text(*refused).find("signature"), std::string::npos);
}

// An enclave's receipts, and heads when they are asked for.
class Chain {
  public:
    Chain() { previous_ = trust::chain_start(key_.public_key()); }
    std::string name() const {
        const auto id = trust::chain_id(key_.public_key());
        return {id.begin(), id.end()};
    }
    Bytes start() const {
        trust::ChainStart start;
        start.public_key = key_.public_key();
        start.module_id = "i-1-enc1";
        start.attestation = Bytes(500, 0x88);
        return trust::encode_chain_start(start);
    }
    Bytes receipt() {
        const std::lock_guard lock(mutex_);
        trust::Receipt receipt;
        receipt.sequence = made_.size();
        receipt.previous = previous_;
        receipt.decision = trust::Decision::Allowed;
        made_.push_back(trust::encode_receipt(receipt));
        previous_ = trust::receipt_hash(made_.back());
        return made_.back();
    }
    Bytes head() const {
        const std::lock_guard lock(mutex_);
        trust::ReceiptHead head;
        head.chain = trust::chain_id(key_.public_key());
        head.sequence = made_.size() - 1;
        head.hash = previous_;
        head.signature = key_.sign(trust::receipt_head_message(head));
        return trust::encode_receipt_head(head);
    }
    std::vector<Bytes> made() const {
        const std::lock_guard lock(mutex_);
        return made_;
    }

  private:
    mutable std::mutex mutex_;
    crypto::SystemRandom random_;
    crypto::Ed25519Key key_ = crypto::Ed25519Key::generate(random_);
    std::vector<Bytes> made_;
    Hash32 previous_{};
};

std::string log_text(const std::string& folder) {
    std::string out;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".log") {
            std::ifstream in(entry.path(), std::ios::binary);
            out.append(std::istreambuf_iterator<char>(in), {});
        }
    return out;
}

bool holds(const std::string& log, const Bytes& bytes) {
    return log.find(as_text(bytes)) != std::string::npos;
}

TEST(GatewayReceipts, are_in_the_log_before_the_answer_that_has_them_in_its_headers) {
    Folder folder;
    FakeCloud cloud;
    Chain chain;
    (void)chain.receipt(); // Started: it came with no answer
    std::mutex mutex;
    std::vector<std::optional<std::uint64_t>> through;
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind == Kind::Receipts) {
            const auto asked = wire::decode_receipts_asked(payload);
            const bool mine = std::string(asked->chain.begin(), asked->chain.end()) == chain.name();
            auto reply = json_reply(200, R"({"ok":true,"tag":")" + kTagA + "\"}");
            if (!mine)
                reply.records.push_back({ItemKind::ReceiptStart, chain.name(), chain.start()});
            const auto made = chain.made();
            for (std::size_t i = mine && asked->through ? *asked->through + 1 : 0; i < made.size(); ++i)
                reply.records.push_back({ItemKind::Receipt, chain.name(), made[i]});
            reply.records.push_back({ItemKind::ReceiptHead, chain.name(), chain.head()});
            const std::lock_guard lock(mutex);
            through.push_back(mine ? asked->through : std::nullopt);
            return reply;
        }
        if (kind != Kind::Request)
            return working(kind);
        const auto request = wire::decode_request(payload);
        auto reply = json_reply(request->path == "/refused" ? 403 : 200, R"({"signature":"s"})");
        if (request->path == "/counted")
            reply.records.push_back({ItemKind::Counters, sealed::key_id_text(an_id(8)),
                                     counters(an_id(8), 1, chain.made().size(), kTagA)});
        if (request->path != "/looked-at") {
            reply.records.push_back({ItemKind::Receipt, chain.name(), chain.receipt()});
            reply.records.push_back({ItemKind::ReceiptHead, chain.name(), chain.head()});
        }
        return reply;
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")}, [&](gateway::Options& options) {
        options.receipts_directory = folder.file("receipts");
    });
    ASSERT_TRUE(gateway.ready());
    for (const char* path : {"/signed", "/counted", "/refused", "/signed", "/counted"}) {
        const auto answer = gateway.send("POST", path, "{}");
        ASSERT_TRUE(answer);
        const std::string log = log_text(folder.file("receipts"));
        const auto receipt = from_base64(answer->header("redoubt-receipt"));
        ASSERT_TRUE(receipt) << path;
        EXPECT_EQ(*receipt, chain.made().back()) << path;
        EXPECT_TRUE(holds(log, *receipt)) << path;
        const auto head = from_base64(answer->header("redoubt-receipt-head"));
        ASSERT_TRUE(head) << path;
        EXPECT_EQ(*head, chain.head()) << path;
        EXPECT_TRUE(holds(log, *head)) << path;
        EXPECT_TRUE(holds(log, chain.made().front())) << "what came with no answer, too";
    }
    const auto looked = gateway.send("POST", "/looked-at", "{}");
    EXPECT_EQ(looked->header("redoubt-receipt"), "");
    EXPECT_EQ(looked->header("redoubt-receipt-head"), "");
    // The enclave is told how far the log is, so that it need not keep more.
    const auto told = [&] {
        const std::lock_guard lock(mutex);
        return !through.empty() && through.back() == chain.made().size() - 1;
    };
    for (int i = 0; i < 300 && !told(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(told());
    auto store = *store::open_sqlite_store(folder.file("store.db"));
    EXPECT_EQ(sealed::read_counter_head(**store->get_counters(an_id(8)))->key, an_id(8));
}

// As an enclave gives them, some at a time. Answers wait for them, so they are all asked for in one go.
TEST(GatewayReceipts, that_are_missing_are_asked_for_until_there_are_no_more) {
    constexpr std::size_t kAtOnce = 3, kMissing = 60;
    Folder folder;
    FakeCloud cloud;
    Chain chain;
    for (std::size_t i = 0; i < kMissing; ++i)
        (void)chain.receipt();
    std::mutex mutex;
    std::vector<Kind> order;
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        {
            const std::lock_guard lock(mutex);
            if (kind == Kind::Receipts || kind == Kind::Probe)
                order.push_back(kind);
        }
        if (kind != Kind::Receipts)
            return working(kind);
        const auto asked = wire::decode_receipts_asked(payload);
        const bool mine = std::string(asked->chain.begin(), asked->chain.end()) == chain.name();
        auto reply = json_reply(200, R"({"ok":true,"tag":")" + kTagA + "\"}");
        if (!mine)
            reply.records.push_back({ItemKind::ReceiptStart, chain.name(), chain.start()});
        const auto made = chain.made();
        const std::size_t from = mine && asked->through ? *asked->through + 1 : 0;
        for (std::size_t i = from; i < std::min(from + kAtOnce, made.size()); ++i)
            reply.records.push_back({ItemKind::Receipt, chain.name(), made[i]});
        return reply;
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")}, [&](gateway::Options& options) {
        options.receipts_directory = folder.file("receipts");
    });
    ASSERT_TRUE(gateway.ready());
    const Bytes last = chain.made().back();
    for (int i = 0; i < 1'000 && !holds(log_text(folder.file("receipts")), last); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(holds(log_text(folder.file("receipts")), last));
    const std::lock_guard lock(mutex);
    const auto probes = std::ranges::count(order, Kind::Probe);
    EXPECT_LT(probes, static_cast<std::ptrdiff_t>(kMissing / kAtOnce / 2)) << "each waits for the next probe";
}

TEST(GatewayReceipts, that_cannot_be_written_hold_their_answers_back) {
    Folder folder;
    FakeCloud cloud;
    Chain chain;
    std::atomic<bool> started{false};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (kind == Kind::Receipts) {
            auto reply = json_reply(200, R"({"ok":true,"tag":")" + kTagA + "\"}");
            if (!started.exchange(true))
                reply.records.push_back({ItemKind::ReceiptStart, chain.name(), chain.start()});
            return reply;
        }
        if (kind != Kind::Request)
            return working(kind);
        auto reply = json_reply(200, R"({"signature":"s"})");
        reply.records.push_back({ItemKind::Receipt, chain.name(), chain.receipt()});
        return reply;
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")}, [&](gateway::Options& options) {
        options.receipts_directory = folder.file("receipts");
    });
    ASSERT_TRUE(gateway.ready());
    for (int i = 0; i < 300 && !started; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const auto first = gateway.send("POST", "/signed", "{}");
    EXPECT_EQ(first->status, 200) << text(*first);
    // No file may grow beyond what the log has: as a disk that is full.
    const std::string log = log_text(folder.file("receipts"));
    struct rlimit before {};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
    struct rlimit full = before;
    full.rlim_cur = log.size();
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    const auto held = gateway.send("POST", "/signed", "{}");
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)std::signal(SIGXFSZ, ignored);
    EXPECT_EQ(held->status, 503);
    EXPECT_NE(text(*held).find("store_failed"), std::string::npos) << text(*held);
    EXPECT_EQ(text(*held).find("signature"), std::string::npos);
    const auto again = gateway.send("POST", "/signed", "{}");
    EXPECT_EQ(again->status, 200) << "the log can be written again";
    const std::string after = log_text(folder.file("receipts"));
    for (const auto& receipt : chain.made())
        EXPECT_TRUE(holds(after, receipt)) << "none is missing";
}

} // namespace
} // namespace redoubt
