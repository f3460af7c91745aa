// SPDX-License-Identifier: Apache-2.0
// Sending against a chain, an enclave and a journal that fail as told: order, gaps, restarts, replacements.
#include "sender_world.h"

#include <algorithm>

namespace redoubt {
namespace {

using namespace tests;

class Sending : public testing::Test {
  protected:
    std::string field(const net::HttpResponse& response, std::string_view name) {
        return SenderWorld::field(response, name);
    }
    bool eventually(const std::function<bool()>& condition) {
        for (int i = 0; i < 1'000; ++i) {
            if (condition())
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return condition();
    }
    // Every nonce from 0 on was signed once, and all are mined.
    void expect_mined_once(std::size_t count) {
        ASSERT_TRUE(eventually([&] {
            chain.mine();
            return chain.mined() >= count;
        })) << chain.mined();
        EXPECT_EQ(chain.mined(), count);
        const auto seen = chain.seen();
        EXPECT_EQ(seen.size(), count);
        for (const auto& [nonce, hashes] : seen)
            EXPECT_EQ(hashes.size(), 1u) << "nonce " << nonce;
    }

    Folder folder;
    FakeChain chain;
    SenderWorld world{folder.file("store.db"), chain};
};

TEST_F(Sending, fills_in_signs_broadcasts_and_sees_it_mined) {
    const auto sent = world.send(R"("value":"0x5")");
    ASSERT_EQ(sent.status, 201) << text(sent);
    EXPECT_EQ(field(sent, "state"), "broadcast");
    EXPECT_EQ(field(sent, "nonce"), "0");
    const std::string id = field(sent, "id");
    EXPECT_EQ(sent.header("location"), "/v1/transactions/" + id);
    chain.mine();
    ASSERT_TRUE(eventually([&] { return world.state(id) == "mined"; }));
    const auto mined = world.request("GET", "/v1/transactions/" + id);
    EXPECT_EQ(field(mined, "block"), "1");
    EXPECT_EQ(field(mined, "succeeded"), "true");
    const auto t = chain.transaction(chain.order()[0]);
    EXPECT_EQ(t.gas, 60'000u); // the estimate and a fifth
    EXPECT_EQ(t.max_fee_per_gas, ethereum::Uint256(207));
    EXPECT_EQ(t.chain_id, ethereum::Uint256(kChainId));
    EXPECT_EQ(t.value, ethereum::Uint256(5));
}

TEST_F(Sending, keeps_the_order_of_arrival_while_many_send_at_once) {
    std::vector<std::future<net::HttpResponse>> answers;
    for (int i = 0; i < 200; ++i)
        answers.push_back(
            world.later("POST", "/v1/transactions", world.body("\"value\":" + std::to_string(i))));
    for (int i = 0; i < 200; ++i) {
        const auto answer = answers[static_cast<std::size_t>(i)].get();
        ASSERT_EQ(answer.status, 201) << text(answer);
        EXPECT_EQ(field(answer, "nonce"), std::to_string(i));
    }
    expect_mined_once(200);
    const auto order = chain.order();
    for (std::size_t i = 0; i < order.size(); ++i)
        EXPECT_EQ(chain.transaction(order[i]).value, ethereum::Uint256(i));
    EXPECT_TRUE(eventually([&] { return world.counts().mined == 200; }));
    EXPECT_EQ(world.counts().gaps, 0u);
}

TEST_F(Sending, gives_the_nonce_of_a_refused_signature_to_the_next) {
    world.policy = [](const ethereum::Transaction& t) {
        return t.value == ethereum::Uint256(13) ? "thirteen is not allowed" : "";
    };
    world.sign_ms = 2;
    std::vector<std::future<net::HttpResponse>> answers;
    for (int i = 0; i < 40; ++i)
        answers.push_back(
            world.later("POST", "/v1/transactions", world.body(i % 4 == 3 ? "\"value\":13" : "\"value\":1")));
    int refused = 0;
    for (auto& each : answers) {
        const auto answer = each.get();
        if (answer.status == 403) {
            ++refused;
            EXPECT_EQ(text(answer), R"({"error":"thirteen is not allowed","code":"policy_denied"})");
        } else {
            EXPECT_EQ(answer.status, 201) << text(answer);
        }
    }
    EXPECT_EQ(refused, 10);
    expect_mined_once(30);
}

TEST_F(Sending, refuses_before_signing_what_the_node_says_would_fail) {
    chain.estimate_fails("execution reverted");
    const auto answer = world.send();
    EXPECT_EQ(answer.status, 502);
    EXPECT_EQ(field(answer, "code"), "node_refused");
    EXPECT_NE(text(answer).find("execution reverted"), std::string::npos);
    EXPECT_EQ(world.signatures, 0);
    EXPECT_EQ(world.send(R"("gas":21000)").status, 201) << "given gas is not estimated";
    EXPECT_EQ(chain.estimates, 1);
}

TEST_F(Sending, nothing_reaches_the_node_that_is_not_in_the_journal) {
    world.journal->fails = true;
    const auto failed = world.send();
    EXPECT_EQ(failed.status, 503) << text(failed);
    EXPECT_EQ(field(failed, "code"), "store_failed");
    EXPECT_TRUE(chain.seen().empty());
    world.journal->fails = false;
    ASSERT_TRUE(eventually([&] { return world.send().status == 201; }));
    EXPECT_EQ(chain.seen().begin()->first, 0u) << "its nonce was free";
    expect_mined_once(1);
}

TEST_F(Sending, signs_again_in_order_when_the_journal_failed_in_between) {
    world.journal->slow_ms = 20;
    std::vector<std::future<net::HttpResponse>> answers;
    for (int i = 0; i < 60; ++i) {
        answers.push_back(
            world.later("POST", "/v1/transactions", world.body("\"value\":" + std::to_string(i))));
        if (i == 20)
            world.journal->fails = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    world.journal->fails = false;
    std::size_t done = 0;
    for (auto& each : answers) {
        const auto answer = each.get();
        done += answer.status == 201 ? 1 : 0;
        EXPECT_TRUE(answer.status == 201 || answer.status == 503) << text(answer);
    }
    ASSERT_GT(done, 0u);
    expect_mined_once(done);
    const auto order = chain.order();
    for (std::size_t i = 1; i < order.size(); ++i)
        EXPECT_LT(chain.transaction(order[i - 1]).value, chain.transaction(order[i]).value);
}

TEST_F(Sending, sends_the_same_bytes_again_after_kill_9) {
    for (int i = 0; i < 5; ++i)
        ASSERT_EQ(world.send().status, 201);
    const auto before = chain.seen();
    chain.lose_mempool();
    world.restart();
    EXPECT_TRUE(eventually([&] { return chain.pooled() == 5; }));
    EXPECT_EQ(chain.seen(), before);
    EXPECT_EQ(field(world.send(), "nonce"), "5");
    expect_mined_once(6);
}

TEST_F(Sending, answers_with_the_hash_and_sends_later_when_the_node_goes_away_in_between) {
    ASSERT_EQ(world.send().status, 201);
    chain.refuse_when([&](const ethereum::Transaction&) {
        chain.down = true;
        return std::string("txpool is full");
    });
    auto waiting = world.later("POST", "/v1/transactions", world.body());
    ASSERT_TRUE(eventually([&] { return chain.down.load(); }));
    chain.refuse_when({});
    world.restart(); // its client is cut off
    chain.down = false;
    chain.lose_mempool();
    expect_mined_once(2);
}

TEST_F(Sending, sends_again_what_a_chain_that_went_back_has_lost) {
    chain.automine = true;
    for (int i = 0; i < 6; ++i)
        ASSERT_EQ(world.send().status, 201);
    ASSERT_TRUE(eventually([&] { return world.counts().mined == 6; }));
    chain.automine = false;
    chain.go_back(3);
    EXPECT_TRUE(eventually([&] { return chain.pooled() == 3; }));
    expect_mined_once(6);
    EXPECT_EQ(field(world.send(), "nonce"), "6");
}

TEST_F(Sending, a_transaction_that_the_node_never_had_leaves_no_gap) {
    chain.refuse_when([](const ethereum::Transaction& t) {
        return t.value == ethereum::Uint256(9) ? "insufficient funds for gas * price + value" : "";
    });
    ASSERT_EQ(world.send().status, 201);
    const auto refused = world.send(R"("value":9)");
    EXPECT_EQ(refused.status, 502);
    EXPECT_NE(text(refused).find("insufficient funds"), std::string::npos);
    EXPECT_EQ(field(world.send(R"("value":2)"), "nonce"), "1");
    chain.mine();
    EXPECT_EQ(chain.mined(), 2u);
    const auto failed = world.request("GET", "/v1/transactions?state=failed");
    EXPECT_NE(text(failed).find(R"("failure":"insufficient funds)"), std::string::npos) << text(failed);
    world.restart();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(chain.seen()[1].size(), 2u) << "the failed one is never sent again";
}

TEST_F(Sending, tells_a_transaction_whose_nonce_was_used_elsewhere) {
    const auto sent = world.send();
    chain.use_nonce_elsewhere();
    ASSERT_TRUE(eventually([&] { return world.state(field(sent, "id")) == "dropped"; }));
    EXPECT_EQ(field(world.send(), "nonce"), "1");
    EXPECT_EQ(world.signatures, 2) << "it was not signed again for another nonce by itself";
}

TEST_F(Sending, takes_nonces_that_others_use_from_the_node) {
    for (int i = 0; i < 3; ++i)
        chain.use_nonce_elsewhere();
    EXPECT_EQ(field(world.send(), "nonce"), "3");
}

TEST_F(Sending, a_named_nonce_and_the_same_content_is_the_same_transaction) {
    const auto first = world.send(R"("nonce":"0x0","value":1)");
    ASSERT_EQ(first.status, 201) << text(first);
    const auto again = world.send(R"("value":"0x1","nonce":0)");
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(field(again, "hash"), field(first, "hash"));
    const auto other = world.send(R"("nonce":0,"value":2)");
    EXPECT_EQ(other.status, 409) << text(other);
    EXPECT_EQ(world.signatures, 1);
    chain.mine();
    ASSERT_TRUE(eventually([&] { return world.state(field(first, "id")) == "mined"; }));
    EXPECT_EQ(field(world.send(R"("nonce":0,"value":1)"), "hash"), field(first, "hash"));
    EXPECT_EQ(world.send(R"("nonce":0,"value":3)").status, 409);
}

TEST_F(Sending, fills_the_gap_below_a_named_nonce) {
    EXPECT_EQ(field(world.send(R"("nonce":2)"), "nonce"), "2");
    EXPECT_TRUE(eventually([&] { return world.counts().gaps == 2; }));
    EXPECT_EQ(field(world.send(), "nonce"), "0");
    EXPECT_EQ(field(world.send(), "nonce"), "1");
    EXPECT_EQ(field(world.send(), "nonce"), "3");
    expect_mined_once(4);
}

TEST_F(Sending, an_idempotency_key_makes_one_transaction) {
    const std::vector<net::Header> headers{{"idempotency-key", "order-17"}};
    std::vector<std::future<net::HttpResponse>> answers;
    for (int i = 0; i < 10; ++i)
        answers.push_back(world.later("POST", "/v1/transactions", world.body(R"("value":1)"), headers));
    std::set<std::string> hashes;
    for (auto& each : answers)
        hashes.insert(field(each.get(), "hash"));
    EXPECT_EQ(hashes.size(), 1u);
    EXPECT_EQ(world.signatures, 1);
    EXPECT_EQ(world.send(R"("value":2)", headers).status, 409);
    world.restart();
    const auto again = world.send(R"("value":1)", headers);
    EXPECT_EQ(again.status, 200) << text(again);
    EXPECT_EQ(field(again, "hash"), *hashes.begin());
    EXPECT_EQ(world.send(R"("value":1)", {{"idempotency-key", "order-18"}}).status, 201);
    expect_mined_once(2);
    EXPECT_EQ(world.send("", {{"idempotency-key", "two words"}}).status, 400);
}

TEST_F(Sending, replaces_and_cancels_only_when_asked_and_in_the_same_place) {
    const auto sent = world.send(R"("value":1)");
    const std::string path = "/v1/transactions/" + field(sent, "id");
    const auto faster = world.request("POST", path + "/replace");
    ASSERT_EQ(faster.status, 200) << text(faster);
    EXPECT_NE(field(faster, "hash"), field(sent, "hash"));
    const auto other =
        world.request("POST", path + "/replace",
                      R"({"transaction":{"to":"0x00000000000000000000000000000000000000bb","value":7}})");
    ASSERT_EQ(other.status, 200) << text(other);
    EXPECT_EQ(world
                  .request("POST", path + "/replace",
                           R"({"transaction":{"to":"0x00000000000000000000000000000000000000bb","nonce":5}})")
                  .status,
              400);
    chain.mine();
    ASSERT_TRUE(eventually([&] { return world.state(field(sent, "id")) == "replaced"; }));
    EXPECT_EQ(chain.transaction(chain.order()[0]).value, ethereum::Uint256(7));
    EXPECT_EQ(world.request("POST", path + "/cancel").status, 409) << "it is mined";

    const auto second = world.send(R"("value":2)");
    const auto cancelled = world.request("POST", "/v1/transactions/" + field(second, "id") + "/cancel", "{}");
    ASSERT_EQ(cancelled.status, 200) << text(cancelled);
    chain.mine();
    ASSERT_TRUE(eventually([&] { return world.state(field(second, "id")) == "cancelled"; }));
    const auto empty = chain.transaction(chain.order()[1]);
    EXPECT_EQ(empty.to, world.key.address);
    EXPECT_TRUE(empty.value.is_zero());
    EXPECT_EQ(empty.nonce, 1u);
    EXPECT_EQ(world.request("POST", "/v1/transactions/tx-00000000000000000000000000000000/cancel").status,
              404);
}

TEST_F(Sending, a_replacement_that_is_refused_leaves_what_was_there) {
    const auto sent = world.send(R"("value":1)");
    const std::string path = "/v1/transactions/" + field(sent, "id");
    world.policy = [](const ethereum::Transaction&) { return "no"; };
    EXPECT_EQ(world.request("POST", path + "/cancel").status, 403);
    world.policy = {};
    chain.mine();
    ASSERT_TRUE(eventually([&] { return world.state(field(sent, "id")) == "mined"; }));
    expect_mined_once(1);
}

TEST_F(Sending, lists_by_state_and_account_page_by_page) {
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i)
        ids.insert(ids.begin(), field(world.send(), "id"));
    std::vector<std::string> listed;
    for (std::string after; listed.size() < 9;) {
        const auto page = world.request(
            "GET", "/v1/transactions?limit=2&chain_id=31337&from=" + to_hex0x(world.key.address) + after);
        ASSERT_EQ(page.status, 200) << text(page);
        json::Document document;
        const auto root = document.parse(as_text(page.body));
        const auto list = *root->get("transactions");
        for (const auto& each : list)
            listed.emplace_back(each.get("id")->text());
        const auto next = root->get("next");
        if (!next)
            break;
        after = "&after=" + std::string(next->text());
    }
    // Those of one millisecond are in the order of their ids.
    std::ranges::sort(ids);
    std::ranges::sort(listed);
    EXPECT_EQ(listed, ids);
    EXPECT_EQ(text(world.request("GET", "/v1/transactions?state=queued")), R"({"transactions":[]})");
    EXPECT_EQ(world.request("GET", "/v1/transactions?colour=red").status, 400);
    EXPECT_EQ(world.request("GET", "/v1/transactions?limit=0").status, 400);
    EXPECT_EQ(world.request("DELETE", "/v1/transactions").status, 405);
    EXPECT_EQ(world.request("GET", "/v1/transactions/tx-0").status, 404);
}

TEST_F(Sending, refuses_what_has_no_key_no_chain_or_no_node) {
    const std::string other = R"({"transaction":{"to":"0x00000000000000000000000000000000000000aa",)"
                              R"("from":"0x00000000000000000000000000000000000000bb"}})";
    const auto stranger = world.request("POST", "/v1/transactions", other);
    EXPECT_EQ(stranger.status, 404);
    EXPECT_TRUE(field(stranger, "error").starts_with("No unlocked account matches the Sender"))
        << "what web3signer's clients look for; JSON-RPC passes it on: " << text(stranger);
    EXPECT_EQ(field(world.request("POST", "/v1/transactions", world.body(R"("chainId":5)")), "code"),
              "not_found");
    EXPECT_EQ(world.request("POST", "/v1/transactions", R"({"transaction":{}})").status, 400);
    EXPECT_EQ(world.request("POST", "/v1/transactions", "{}").status, 400);
    // What a page in a browser can send to other hosts without asking.
    EXPECT_EQ(world.send("", {{"content-type", "text/plain"}}).status, 415);
    EXPECT_EQ(world.signatures, 0);
    chain.down = true;
    const auto down = world.send(R"("gas":21000)");
    EXPECT_EQ(field(down, "code"), "node_unavailable") << text(down);
    chain.down = false;
    EXPECT_TRUE(eventually([&] { return world.send().status == 201; }));
}

TEST_F(Sending, drains_what_it_has_and_takes_no_more) {
    world.sign_ms = 5;
    std::vector<std::future<net::HttpResponse>> answers;
    for (int i = 0; i < 10; ++i)
        answers.push_back(world.later("POST", "/v1/transactions", world.body()));
    world.drain();
    for (auto& each : answers)
        EXPECT_EQ(each.get().status, 201);
    EXPECT_EQ(field(world.send(), "code"), "shutting_down");
}

TEST_F(Sending, serves_a_json_rpc_client_with_a_hash) {
    std::promise<std::string> answer;
    world.send_rpc(R"({"from":")" + to_hex0x(world.key.address) +
                       R"(","to":"0x00000000000000000000000000000000000000aa"})",
                   [&](std::expected<gateway::Sender::Sent, gateway::Sender::Refused> sent) {
                       answer.set_value(sent ? sent->hash : sent.error().error.describe());
                   });
    const std::string hash = answer.get_future().get();
    EXPECT_EQ(hash, to_hex0x(*chain.seen()[0].begin()));
}

TEST_F(Sending, uses_a_gas_price_on_a_chain_without_base_fee) {
    chain.base_fee = false;
    ASSERT_EQ(world.send().status, 201);
    chain.mine();
    const auto t = chain.transaction(chain.order().at(0));
    EXPECT_EQ(t.type, ethereum::TransactionType::Legacy);
    EXPECT_EQ(t.gas_price, ethereum::Uint256(107));
}

TEST(SendingWithRaises, raises_the_fees_of_what_waits_up_to_the_bound) {
    Folder folder;
    FakeChain chain;
    SenderWorld world(folder.file("store.db"), chain, {20, 50, 15, "260"});
    const auto sent = world.send();
    ASSERT_EQ(sent.status, 201);
    for (int i = 0; i < 300 && chain.seen()[0].size() < 3; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    // 207, 239, 260 would be less than a tenth more: so 207 and 239.
    std::set<std::string> fees;
    const auto seen = chain.seen();
    for (const auto& hash : seen.at(0))
        fees.insert(ethereum::to_decimal(chain.transaction(hash).max_fee_per_gas));
    EXPECT_EQ(fees, (std::set<std::string>{"207", "239"}));
    chain.mine();
    for (int i = 0; i < 300 && world.state(SenderWorld::field(sent, "id")) != "mined"; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(world.state(SenderWorld::field(sent, "id")), "mined");
}

} // namespace
} // namespace redoubt
