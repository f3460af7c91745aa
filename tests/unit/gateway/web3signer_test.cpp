// SPDX-License-Identifier: Apache-2.0
#include "gateway/web3signer.h"

#include "gateway/clients.h"
#include "rpc_world.h"

namespace redoubt::gateway {
namespace {

using tests::Asked;

// The public key of the private key `number`, and its address.
crypto::PublicKey public_key(std::uint8_t number) {
    static const crypto::Secp256k1 curve{Hash32{}};
    Bytes bytes(32);
    bytes[31] = number;
    return *curve.public_key(Secret::copy_of(bytes));
}

class Web3SignerTest : public testing::Test, public tests::RpcWorld {
  protected:
    Web3SignerTest() {
        answer = [this](const net::HttpRequest& request) {
            if (request.path == "/healthz")
                return net::HttpResponse::json(health_status, "{}");
            const auto id = sealed::parse_key_id(request.path.substr(9, 36));
            if (!id || gone.contains((*id)[0]))
                return net::HttpResponse::error(Code::UnknownKey, "there is no such key");
            const auto key = public_key((*id)[0]);
            const std::string address = ethereum::to_checksum(ethereum::address_of(key));
            if (request.method == "GET")
                return net::HttpResponse::json(200, R"({"address":")" + address + R"(","public_key":")" +
                                                        to_hex0x(key) + "\"}");
            return net::HttpResponse::json(200, R"({"address":")" + address + R"(","signature":"0x0a1b"})");
        };
    }
    void put_key(std::uint8_t number, sealed::State state = sealed::State::Enabled) {
        put(number, ethereum::address_of(public_key(number)), number, state);
    }
    net::HttpResponse send(const std::string& method, const std::string& path, const std::string& body = {}) {
        return ask(signer, request(method, path, body));
    }
    net::HttpResponse sign(const std::string& identifier, const std::string& body = R"({"data":"0x6869"})") {
        return send("POST", "/api/v1/eth1/sign/" + identifier, body);
    }

    int health_status = 200;
    std::set<int> gone;
    Status reload_status{};
    int reloads = 0;
    Web3Signer signer{loop, book, enclave(), [this] {
                          ++reloads;
                          return reload_status;
                      }};
};

TEST_F(Web3SignerTest, UpcheckIsTheTextOk) {
    const auto up = send("GET", "/upcheck");
    EXPECT_EQ(up.status, 200);
    EXPECT_EQ(tests::text(up), "OK");
    EXPECT_TRUE(up.header("content-type").starts_with("text/plain"));
    EXPECT_TRUE(asked.empty());
    EXPECT_EQ(send("POST", "/upcheck", "{}").status, 405);
}

TEST_F(Web3SignerTest, HealthIsTheEnclavesAndCountsKeys) {
    put_key(1);
    put_key(2);
    (void)send("GET", "/healthcheck"); // begins to count
    (void)send("GET", "/api/v1/eth1/publicKeys");
    EXPECT_EQ(tests::text(send("GET", "/healthcheck")),
              R"({"status":"UP","outcome":"UP","checks":[{"id":"enclave-check","status":"UP"},)"
              R"({"id":"keys-check","status":"UP","data":{"keys-loaded":2,"error-count":0}}]})");
    health_status = 503;
    const auto down = send("GET", "/healthcheck");
    EXPECT_EQ(down.status, 503);
    EXPECT_TRUE(tests::text(down).starts_with(R"({"status":"DOWN","outcome":"DOWN")"));
}

TEST_F(Web3SignerTest, PublicKeysAreUncompressedWithoutTheirPrefixAndAskedForOnce) {
    for (const int number : {3, 1, 2})
        put_key(static_cast<std::uint8_t>(number));
    put_key(4, sealed::State::Disabled);
    const std::string all = "[\"" + to_hex0x(public_key(1)) + "\",\"" + to_hex0x(public_key(2)) + "\",\"" +
                            to_hex0x(public_key(3)) + "\"]";
    EXPECT_EQ(tests::text(send("GET", "/api/v1/eth1/publicKeys")), all);
    EXPECT_EQ(asked.size(), 3u);
    EXPECT_EQ(tests::text(send("GET", "/api/v1/eth1/publicKeys")), all);
    EXPECT_EQ(asked.size(), 3u);
    auto grant = std::make_shared<Grant>();
    grant->addresses.push_back(ethereum::address_of(public_key(2)));
    caller.grant = grant;
    EXPECT_EQ(tests::text(send("GET", "/api/v1/eth1/publicKeys")), "[\"" + to_hex0x(public_key(2)) + "\"]");
    EXPECT_EQ(send("POST", "/api/v1/eth1/publicKeys", "{}").status, 405);
}

TEST_F(Web3SignerTest, ManyPublicKeysAreAskedForAFewAtATime) {
    for (std::uint8_t number = 1; number <= 100; ++number)
        put_key(number);
    gone = {50}; // deleted meanwhile
    const auto listed = send("GET", "/api/v1/eth1/publicKeys");
    json::Document document;
    const std::string text = tests::text(listed);
    EXPECT_EQ(document.parse(text)->size(), 99u);
    EXPECT_EQ(most_in_work, Web3Signer::kInWork);
}

TEST_F(Web3SignerTest, AListIsRefusedAsTheEnclaveRefusesOneOfItsKeys) {
    put_key(1);
    put_key(2);
    answer = [](const net::HttpRequest&) { return net::HttpResponse::error(Code::VaultClosed, "closed"); };
    EXPECT_EQ(send("GET", "/api/v1/eth1/publicKeys").status, 503);
    answer = [](const net::HttpRequest&) {
        return net::HttpResponse::json(200, R"({"public_key":")" + to_hex0x(public_key(9)) + "\"}");
    };
    EXPECT_EQ(send("GET", "/api/v1/eth1/publicKeys").status, 500) << "not the key that the store lists";
}

TEST_F(Web3SignerTest, ListsBeyondThoseInWorkAreRefusedAtOnce) {
    put_key(1);
    std::vector<Call> waiting;
    Web3Signer held(
        loop, book, [&](Call call) { waiting.push_back(std::move(call)); }, [] { return Status(); });
    std::vector<int> statuses;
    const auto begin = [&] {
        Call call;
        call.request = request("GET", "/api/v1/eth1/publicKeys", "");
        call.respond = [&](const net::HttpResponse& response) { statuses.push_back(response.status); };
        held.serve(std::move(call));
    };
    for (std::size_t i = 0; i <= Web3Signer::kMaxLists; ++i)
        begin();
    EXPECT_EQ(statuses, std::vector<int>{503});
    run_until([&] { return waiting.size() == Web3Signer::kMaxLists; });
    for (auto& call : std::exchange(waiting, {}))
        call.respond(net::HttpResponse::error(Code::VaultClosed, "closed"));
    EXPECT_EQ(statuses.size(), Web3Signer::kMaxLists + 1);
    begin();
    run_until([&] { return waiting.size() == 1; });
}

TEST_F(Web3SignerTest, DataIsSignedAsItIsByTheKeyThatIsNamed) {
    put_key(1);
    put_key(2);
    const std::string digits = to_hex(public_key(2));
    std::string upper = digits;
    for (char& c : upper)
        c = static_cast<char>(std::toupper(c));
    for (const std::string& identifier : {"0x" + digits, digits, "0x" + upper}) {
        const auto answer_of = sign(identifier);
        EXPECT_EQ(answer_of.status, 200);
        EXPECT_EQ(tests::text(answer_of), "0x0a1b");
        EXPECT_TRUE(answer_of.header("content-type").starts_with("text/plain"));
        EXPECT_EQ(asked.back(), (Asked{"POST", "/v1/keys/key-02000000000000000000000000000000/sign-data",
                                       R"({"data":"0x6869"})"}));
    }
}

TEST_F(Web3SignerTest, AKeyThatIsNotThereIs404AndABodyThatIsNotUnderstood400) {
    put_key(1);
    const std::string known = to_hex0x(public_key(1));
    for (const std::string& identifier : {to_hex0x(public_key(9)), std::string("0x12"), std::string(),
                                          known + "0", "0x04" + known.substr(2), known + "/x"})
        EXPECT_EQ(sign(identifier).status, 404) << identifier;
    for (const std::string body :
         {"", "{}", "[]", R"({"data":"6869"})", R"({"data":"0x686"})", R"({"data":1})",
          R"({"data":"0x","type":"BLOCK"})", R"({"data":"0x","data":"0x"})"}) {
        auto asking = request("POST", "/api/v1/eth1/sign/" + known, body);
        asking.headers = {{"content-type", "application/json"}};
        EXPECT_EQ(ask(signer, asking).status, 400) << body;
    }
    auto form = request("POST", "/api/v1/eth1/sign/" + known, R"({"data":"0x"})");
    form.headers = {{"content-type", "text/plain"}};
    EXPECT_EQ(ask(signer, form).status, 415);
    EXPECT_EQ(send("GET", "/api/v1/eth1/sign/" + known).status, 405);
    EXPECT_TRUE(asked.empty());
    answer = [](const net::HttpRequest&) {
        return net::HttpResponse::error(Code::RawSigningRefused, "a digest could be anything");
    };
    const auto refused = sign(known);
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(tests::text(refused), R"({"error":"a digest could be anything","code":"raw_signing_refused"})");
}

TEST_F(Web3SignerTest, ASignatureOfAnotherKeyIsNotGivenAway) {
    put(5, ethereum::address_of(public_key(6))); // the store lies
    EXPECT_EQ(sign(to_hex0x(public_key(6))).status, 500);
}

TEST_F(Web3SignerTest, AReloadIsAcceptedRunsOnceAndIsToldOf) {
    const auto told = [&] { return tests::text(send("GET", "/reload")); };
    EXPECT_EQ(told(), R"({"status":"idle","lastOperationTime":null,"lastError":null})");
    std::vector<int> statuses;
    for (int i = 0; i < 2; ++i) {
        Call call;
        call.request = request("POST", "/reload", "");
        call.respond = [&](const net::HttpResponse& response) { statuses.push_back(response.status); };
        signer.serve(std::move(call));
    }
    EXPECT_EQ(statuses, (std::vector<int>{202, 409}));
    EXPECT_TRUE(told().starts_with(R"({"status":"running")"));
    run_until([&] { return reloads == 1; });
    EXPECT_TRUE(told().starts_with(R"({"status":"completed","lastOperationTime":"20)"));
    reload_status = fail(Code::BadJson, "the clients document is no JSON", "/etc/secret-place");
    EXPECT_EQ(send("POST", "/reload").status, 202);
    run_until([&] { return reloads == 2; });
    EXPECT_TRUE(told().starts_with(R"({"status":"failed")"));
    EXPECT_TRUE(told().ends_with(R"("lastError":"the clients document is no JSON"})"));
    EXPECT_EQ(send("DELETE", "/reload").status, 405);
}

TEST_F(Web3SignerTest, OtherPathsBelowItsApiAreNobodys) {
    const auto takes = [](const std::string& path) {
        return Web3Signer::takes(tests::RpcWorld::request("GET", path, ""));
    };
    for (const std::string path :
         {"/upcheck", "/healthcheck", "/reload", "/api/v1/eth1/publicKeys", "/api/v1/x"})
        EXPECT_TRUE(takes(path)) << path;
    for (const std::string path : {"/", "/health", "/healthz", "/api", "/v1/keys", "/upchecks"})
        EXPECT_FALSE(takes(path)) << path;
    EXPECT_EQ(send("GET", "/api/v1/eth2/publicKeys").status, 404);
    EXPECT_EQ(send("POST", "/api/v1/eth2/sign/0x00", "{}").status, 404);
    auto query = request("GET", "/upcheck", "");
    query.has_query = true;
    EXPECT_EQ(ask(signer, query).status, 400);
}

} // namespace
} // namespace redoubt::gateway
