// SPDX-License-Identifier: Apache-2.0
#include "gateway/queue_bound.h"
#include "rpc_fixture.h"

namespace redoubt::gateway {
namespace {

using tests::call;
using tests::kLower;
using tests::kSignature;
using tests::result;

class JsonRpcBatchTest : public tests::JsonRpcFixture {};

TEST_F(JsonRpcBatchTest, EachCallOfABatchCountsAgainstTheClientsRate) {
    ClientLimit limit;
    limit.rate_per_second = 1;
    limit.burst = 3;
    auto load = std::make_shared<ClientLoad>();
    ASSERT_FALSE(load->bucket.take(limit, monotonic_us())); // as when the request was let in
    caller.admission = std::make_shared<Admission>(load, limit);
    std::string batch = "[" + call("eth_call");
    for (int i = 0; i < 5; ++i)
        batch += "," + call(i % 2 == 0 ? "eth_accounts" : "eth_call");
    const std::string text = said(batch + "]");
    json::Document document;
    std::string codes;
    for (const json::Value one : *document.parse(text))
        codes +=
            one.get("error") ? std::string(one.get("error")->get("data")->get("code")->text()) + " " : "ok ";
    EXPECT_EQ(codes, "ok ok ok too_many_requests too_many_requests too_many_requests ");
}

TEST_F(JsonRpcBatchTest, AnEnvelopeIsReadStrictly) {
    const std::pair<std::string, std::string> cases[] = {
        {R"({"jsonrpc":"2.0")", "-32700 bad_json"},
        {"[", "-32700 bad_json"},
        {R"({"jsonrpc":"2.0","id":1,"id":1,"method":"eth_chainId"})", "-32600 bad_json"},
        {R"({"jsonrpc":"2.0","id":1,"method":"eth_chainId","extra":1})", "-32600 unknown_field"},
        {R"({"jsonrpc":"1.0","id":1,"method":"eth_chainId"})", "-32600 invalid_field"},
        {R"({"jsonrpc":2.0,"id":1,"method":"eth_chainId"})", "-32600 invalid_field"},
        {R"({"id":1,"method":"eth_chainId"})", "-32600 invalid_field"},
        {R"({"jsonrpc":"2.0","id":{},"method":"eth_chainId"})", "-32600 invalid_field"},
        {R"({"jsonrpc":"2.0","id":true,"method":"eth_chainId"})", "-32600 invalid_field"},
        {R"({"jsonrpc":"2.0","id":1})", "-32600 invalid_field"},
        {R"({"jsonrpc":"2.0","id":1,"method":""})", "-32600 invalid_field"},
        {R"({"jsonrpc":"2.0","id":1,"method":"eth_call\u0000"})", "-32600 invalid_field"},
        {R"({"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":"x"})", "-32602 invalid_field"},
        {R"({"jsonrpc":"2.0","id":1,"method":"eth_call","params":[9007199254740993]})",
         "-32700 precision_lost"},
        {"[]", "-32600 bad_request"},
        {"7", "-32600 bad_request"},
    };
    for (const auto& [body, wanted] : cases) {
        EXPECT_EQ(fault(body), wanted) << body;
        EXPECT_EQ(post(body).status, 200) << body;
    }
    EXPECT_EQ(fault("[" + std::string(64, '[') + "]"), "-32600 too_large");
    for (const std::string id : {"\"a\\u0062\"", "-1.5e3", "null", "0", "12345678901234567890123e1"})
        EXPECT_EQ(said(call("eth_chainId", "[]", id)), result("\"0x5\"", id));
}

TEST_F(JsonRpcBatchTest, TheIncumbentsPathAnswersWithItsStatuses) {
    EXPECT_EQ(post("{\"jsonrpc\":", "/").status, 400);
    EXPECT_EQ(post(R"({"jsonrpc":"2.0","id":1})", "/").status, 400);
    EXPECT_EQ(post(call("eth_sign"), "/").status, 400);
    EXPECT_EQ(post(call("eth_unknown"), "/rpc/6").status, 200);
    EXPECT_EQ(post(call("admin_peers"), "/").status, 200);
    EXPECT_EQ(
        post(call("personal_sign", R"(["0x68","0x0000000000000000000000000000000000000009"])"), "/").status,
        200);
    EXPECT_EQ(post("[" + call("eth_sign") + "]", "/").status, 200);
}

TEST_F(JsonRpcBatchTest, ABatchIsAnsweredInOrderAndNotificationsAreNot) {
    settings.chain_id = 5;
    const std::string sign = R"(["0x68",")" + std::string(kLower) + "\"]";
    EXPECT_EQ(
        said("[" + call("personal_sign", sign, "1") + "," + call("eth_chainId", "[]", "2") + ",7," +
             R"({"jsonrpc":"2.0","method":"eth_chainId"},)" + call("admin_x", "[]", "\"x\"") + "," +
             call("eth_chainId", "[]", "2") + "]"),
        "[" + result("\"" + kSignature + "\"", "1") + "," + result("\"0x5\"", "2") +
            R"(,{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a call must be a JSON object",)"
            R"("data":{"code":"bad_request"}}},)"
            R"({"jsonrpc":"2.0","id":"x","error":{"code":-32601,"message":)"
            R"("the method admin_x does not exist/is not available","data":{"code":"not_found"}}},)" +
            result("\"0x5\"", "2") + "]");
    asked.clear();
    for (const std::string quiet : {R"({"jsonrpc":"2.0","method":"health_status"})",
                                    R"([{"jsonrpc":"2.0","method":"health_status"}])"}) {
        const auto nothing = post(quiet);
        EXPECT_EQ(nothing.status, 204);
        EXPECT_TRUE(nothing.body.empty());
    }
    EXPECT_EQ(asked.size(), 2u) << "a notification is acted on all the same";
}

TEST_F(JsonRpcBatchTest, AThousandCallsAreABatchAndAFewAreInWorkAtOnce) {
    const auto batch = [&](int count) {
        std::string out = "[";
        for (int i = 0; i < count; ++i)
            out += (i == 0 ? "" : ",") +
                   call("personal_sign", R"(["0x68",")" + std::string(kLower) + "\"]", std::to_string(i));
        return out + "]";
    };
    for (const bool in_another_turn : {true, false}) {
        later = in_another_turn;
        asked.clear();
        const std::string text = said(batch(1'000));
        json::Document document;
        const auto answers = *document.parse(text);
        ASSERT_EQ(answers.size(), 1'000u);
        std::uint64_t i = 0;
        for (const json::Value one : answers) {
            EXPECT_EQ(one.get("id")->u64(), i++);
            EXPECT_EQ(one.get("result")->text(), kSignature);
        }
        EXPECT_EQ(asked.size(), 1'000u);
    }
    EXPECT_EQ(most_in_work, JsonRpc::kAsking);
    EXPECT_EQ(fault(batch(1'001)), "-32600 too_large");
}

TEST_F(JsonRpcBatchTest, ABatchThatAsksAThousandTimesForTheAccountsIsAnswered) {
    std::string batch = "[" + call("eth_accounts");
    for (int i = 0; i < 999; ++i)
        batch += "," + call(i % 2 == 0 ? "account_list" : "eth_accounts");
    const std::string text = said(batch + "]");
    json::Document document;
    const auto answers = *document.parse(text);
    ASSERT_EQ(answers.size(), 1'000u);
    for (const json::Value one : answers)
        EXPECT_EQ(one.get("result")->raw(), std::string("[\"") + kLower + "\"]");
}

TEST_F(JsonRpcBatchTest, AnswersThatAreTooLargeTogetherAreRefusedOneByOne) {
    node_reply = NodeReply{"\"" + std::string(10u << 20, 'x') + "\"", std::nullopt};
    std::string batch = "[" + call("eth_call");
    for (int i = 0; i < 9; ++i)
        batch += "," + call("eth_call");
    const std::string text = said(batch + "]");
    EXPECT_LE(text.size(), JsonRpc::kMaxAnswer + 10'000);
    json::Document document;
    json::Limits limits;
    limits.bytes = JsonRpc::kMaxAnswer + 10'000;
    const auto answers = *document.parse(text, limits);
    ASSERT_EQ(answers.size(), 10u);
    std::size_t refused = 0;
    for (const json::Value one : answers)
        if (const auto error = one.get("error")) {
            ++refused;
            EXPECT_EQ(error->get("code")->text(), "-32005");
        }
    EXPECT_EQ(refused, 4u);
}

class JsonRpcCrowdTest : public JsonRpcBatchTest, public testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(CalmAndCrowded, JsonRpcCrowdTest, testing::Bool());

TEST_P(JsonRpcCrowdTest, BatchesTogetherAskTheEnclaveForAFewAtOnceSoThatTheyDoNotCrowdIt) {
    const bool crowded = GetParam();
    backends.crowded = [crowded] { return crowded; };
    std::string batch = "[" + call("health_status");
    for (int i = 0; i < 99; ++i)
        batch += "," + call("health_status");
    batch += "]";
    std::deque<Call> held;
    std::size_t most = 0, begun = 0;
    bool dropping = true;
    backends.enclave = [&](Call one) {
        ++begun;
        held.push_back(std::move(one));
        most = std::max(most, held.size());
        // Every third is dropped without an answer at first, as when its client has gone.
        loop.post([&] {
            Call next = std::move(held.front());
            held.pop_front();
            if (!dropping || begun % 3 != 0)
                next.respond(net::HttpResponse::json(200, "{}"));
        });
    };
    int answers = 0;
    const auto send = [&] {
        Call one;
        one.request = request("POST", "/rpc", batch);
        one.respond = [&](const net::HttpResponse&) { ++answers; };
        rpc().serve(std::move(one));
    };
    for (int i = 0; i < 10; ++i)
        send();
    run_until([&] { return held.empty() && begun > 300; });
    EXPECT_EQ(most, crowded ? JsonRpc::kAskingCrowded : JsonRpc::kAsking);
    EXPECT_LT(JsonRpc::kAsking, QueueBound::kBurst);
    EXPECT_LT(JsonRpc::kAskingCrowded, QueueBound::kFew);
    dropping = false;
    const int before = answers;
    send();
    run_until([&] { return answers > before; });
}

TEST_F(JsonRpcBatchTest, RequestsBeyondWhatIsHeldAreRefusedAtOnce) {
    std::vector<Call> waiting;
    backends.enclave = [&](Call call) { waiting.push_back(std::move(call)); };
    std::vector<net::HttpResponse> answers;
    const std::string large =
        call("personal_sign", R"(["0x)" + std::string(1'000'000, 'a') + "\",\"" + kLower + "\"]");
    const auto send = [&] {
        Call call;
        call.request = request("POST", "/rpc", large);
        call.respond = [&](net::HttpResponse response) { answers.push_back(std::move(response)); };
        rpc().serve(std::move(call));
    };
    for (int i = 0; i < 33; ++i)
        send();
    run_until([&] { return waiting.size() == 33; });
    send();
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].status, 503);
    EXPECT_EQ(answers[0].header("retry-after"), "1");
    for (auto& call : std::exchange(waiting, {}))
        call.respond(net::HttpResponse::error(Code::Timeout, "late"));
    EXPECT_EQ(answers.size(), 34u);
    send();
    run_until([&] { return waiting.size() == 1; });
}

TEST_F(JsonRpcBatchTest, NothingIsBegunForAClientThatHasGone) {
    std::string batch = "[" + call("health_status");
    for (int i = 0; i < 499; ++i)
        batch += "," + call("health_status");
    bool gone = false, answered = false;
    Call call;
    call.request = request("POST", "/rpc", batch + "]");
    struct Waiting final : Answerer {
        explicit Waiting(const bool& has_gone) : gone_(has_gone) {}
        void answer(net::HttpResponse) override {}
        bool gone() const override { return gone_; }
        const bool& gone_;
    };
    call.from = std::make_shared<Waiting>(gone);
    call.respond = [&](const net::HttpResponse&) { answered = true; };
    rpc().serve(std::move(call));
    gone = true;
    run_until([&] { return answered; });
    EXPECT_LT(asked.size(), 100u);
}

TEST_F(JsonRpcBatchTest, TheSamplesBodiesOnTheSamePathAreNotJsonRpc) {
    const auto takes = [](const std::string& method, const std::string& path, const std::string& body) {
        return JsonRpc::takes(tests::RpcWorld::request(method, path, body));
    };
    EXPECT_TRUE(takes("POST", "/", call("eth_accounts")));
    EXPECT_TRUE(takes("POST", "/", " \n[1"));
    EXPECT_TRUE(takes("POST", "/", R"({"method":"a","params":[{"x":1}], "jsonrpc" : 1)"));
    EXPECT_TRUE(takes("POST", "/rpc", "x"));
    EXPECT_TRUE(takes("GET", "/rpc/1", ""));
    EXPECT_FALSE(takes("POST", "/", R"({"transaction_payload":{"jsonrpc":"2.0"},"secret_id":"jsonrpc"})"));
    EXPECT_FALSE(takes("POST", "/", R"({"a":"\"","b":["jsonrpc"],"c":{"jsonrpc":1}})"));
    EXPECT_FALSE(takes("POST", "/", R"({}{"jsonrpc":1})"));
    EXPECT_FALSE(takes("POST", "/", ""));
    EXPECT_FALSE(takes("GET", "/", call("eth_accounts")));
    EXPECT_FALSE(takes("POST", "/sign_transaction", call("eth_accounts")));
    EXPECT_FALSE(takes("POST", "/rpcs", call("eth_accounts")));
}

TEST_F(JsonRpcBatchTest, WhatABrowserSendsUnaskedIsRefused) {
    for (const std::string type :
         {"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"}) {
        auto unasked = request("POST", "/rpc", call("eth_accounts"));
        unasked.headers = {{"content-type", type}};
        EXPECT_EQ(ask(rpc(), unasked).status, 415) << type;
    }
    auto upper = request("POST", "/rpc", call("eth_chainId"));
    upper.headers = {{"content-type", "Application/JSON ; charset=UTF-8"}};
    EXPECT_EQ(ask(rpc(), upper).status, 200);
    EXPECT_EQ(ask(rpc(), request("GET", "/rpc", "")).status, 405);
    auto query = request("POST", "/rpc", call("eth_chainId"));
    query.has_query = true;
    EXPECT_EQ(ask(rpc(), query).status, 400);
}

} // namespace
} // namespace redoubt::gateway
