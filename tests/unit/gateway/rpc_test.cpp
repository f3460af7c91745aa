// SPDX-License-Identifier: Apache-2.0
#include "rpc_fixture.h"

namespace redoubt::gateway {
namespace {

using tests::Asked;
using tests::call;
using tests::kAddress;
using tests::kKey;
using tests::kLower;
using tests::kSignature;
using tests::result;

class JsonRpcTest : public tests::JsonRpcFixture {};

TEST_F(JsonRpcTest, EachSigningMethodIsTheNativeCallOfTheKeyThatHasTheAddress) {
    const std::string by = std::string("\"") + kLower + "\"";
    const std::string typed = R"({"types":{},"primaryType":"A","domain":{},"message":{}})";
    std::string quoted;
    json::append_escaped(quoted, typed);
    const std::string message = "{\"hex\":\"0x6869\"}", data = R"({"typed_data":)" + typed + "}";
    const std::tuple<std::string, std::string, std::string, std::string> cases[] = {
        {"personal_sign", R"(["0x6869",)" + by + "]", "sign-message", message},
        {"personal_sign", R"(["0x6869",)" + by + R"(,""])", "sign-message", message},
        {"eth_sign", "[" + by + R"(,"0x6869"])", "sign-message", message},
        {"account_signData", R"(["text/plain",)" + by + R"(,"0x6869"])", "sign-message", message},
        {"account_signData", R"(["data/validator",)" + by + R"(,{"address":"0x01","message":"0x68"}])",
         "sign-message", R"({"hex":"0x68","validator":"0x01"})"},
        {"eth_signTypedData", "[" + by + "," + typed + "]", "sign-typed-data", data},
        {"eth_signTypedData_v3", "[" + by + "," + quoted + "]", "sign-typed-data", data},
        {"eth_signTypedData_v4", "[" + by + "," + quoted + "]", "sign-typed-data", data},
        {"account_signTypedData", "[" + by + "," + typed + "]", "sign-typed-data", data},
    };
    for (const auto& [method, params, action, body] : cases) {
        asked.clear();
        EXPECT_EQ(said(call(method, params)), result("\"" + kSignature + "\"")) << method;
        EXPECT_EQ(asked, (std::vector<Asked>{{"POST", "/v1/keys/" + kKey + "/" + action, body}})) << method;
    }
}

TEST_F(JsonRpcTest, ATransactionIsSignedAsItCameAndItsChainIsFilledIn) {
    answer = [](const net::HttpRequest&) {
        return net::HttpResponse::json(
            200,
            R"({"raw_transaction":"0x02aa","hash":"0xbb","r":"0x00ff","s":"0x0100","v":"0x1","y_parity":1,)"
            R"("transaction":{"type":"0x2","chainId":"0x5","to":null},"rule":"open"})");
    };
    const std::string from = std::string(R"("from":")") + kAddress + "\"";
    EXPECT_EQ(said(call("eth_signTransaction", "[{" + from + R"(,"nonce":"0x1","to":null}])")),
              result("\"0x02aa\""));
    EXPECT_EQ(asked.back().body,
              R"({"transaction":{)" + from + R"(,"nonce":"0x1","to":null,"chainId":"0x5"}})");
    const std::string read = "\"f(uint256)\"";
    EXPECT_EQ(said(call("account_signTransaction", "[{" + from + R"(,"chainId":7},)" + read + "]")),
              result(R"({"raw":"0x02aa","tx":{"type":"0x2","chainId":"0x5","to":null,"v":"0x1","r":"0xff",)"
                     R"("s":"0x100","yParity":"0x1","hash":"0xbb"}})"));
    EXPECT_EQ(asked.back().body, R"({"transaction":{)" + from + R"(,"chainId":7},"function":)" + read + "}");
    // No null makes a signature that is good on every chain.
    (void)said(call("eth_signTransaction", "[{" + from + R"(,"chainId":null}])"));
    EXPECT_EQ(asked.back().body, R"({"transaction":{)" + from + R"(,"chainId":"0x5"}})");
    settings.chain_id.reset();
    rpc_.reset();
    (void)said(call("eth_signTransaction", "[{" + from + R"(,"chainId":null}])"));
    EXPECT_EQ(asked.back().body, R"({"transaction":{)" + from + "}}");
}

TEST_F(JsonRpcTest, AnEndpointOfOneChainRefusesAnothersTransactions) {
    const std::string tx = std::string(R"([{"from":")") + kAddress + R"(","chainId":"0x1"}])";
    EXPECT_EQ(fault(call("eth_signTransaction", tx), "/rpc/5"), "-32602 invalid_field");
    EXPECT_EQ(fault(call("eth_sendTransaction", tx), "/rpc/5"), "-32602 invalid_field");
    EXPECT_TRUE(asked.empty() && sent.empty());
    (void)said(call("eth_signTransaction", tx), "/rpc");
    EXPECT_EQ(asked.size(), 1u);
    EXPECT_EQ(said(call("eth_chainId"), "/rpc/1"), result("\"0x1\""));
    for (const std::string path :
         {"/rpc/", "/rpc/0", "/rpc/05", "/rpc/x", "/rpc/1/", "/rpc/99999999999999999999"})
        EXPECT_EQ(post(call("eth_chainId"), path).status, 404) << path;
}

TEST_F(JsonRpcTest, AnAuthorizationNamesItsChainAndNonceItself) {
    answer = [](const net::HttpRequest&) {
        return net::HttpResponse::json(200, std::string(R"({"address":")") + kAddress +
                                                R"(","authorization":{"chainId":"0x1","nonce":"0x2"}})");
    };
    const std::string by = std::string("\"") + kAddress + "\"";
    EXPECT_EQ(said(call("eth_signAuthorization",
                        "[" + by + R"(,{"chainId":1,"contractAddress":"0xab","nonce":2}])")),
              result(R"({"chainId":"0x1","nonce":"0x2"})"));
    const Asked native{"POST", "/v1/keys/" + kKey + "/sign-authorization",
                       R"({"authorization":{"chainId":1,"address":"0xab","nonce":2}})"};
    EXPECT_EQ(asked.back(), native);
    (void)said(
        call("eth_signAuthorization", R"([{"from":)" + by + R"(,"chainId":1,"address":"0xab","nonce":2}])"));
    EXPECT_EQ(asked.back(), native);
    asked.clear();
    for (const std::string rest : {R"({"address":"0xab","nonce":2})", R"({"chainId":1,"address":"0xab"})",
                                   R"({"chainId":1,"nonce":2})",
                                   R"({"chainId":1,"nonce":2,"address":"0xab","contractAddress":"0xab"})",
                                   R"({"chainId":1,"nonce":2,"address":"0xab","any_chain":true})", "7"})
        EXPECT_EQ(fault(call("eth_signAuthorization", "[" + by + "," + rest + "]")), "-32602 invalid_field");
    EXPECT_TRUE(asked.empty());
}

TEST_F(JsonRpcTest, WhatIsKnownHereAsksNobody) {
    EXPECT_EQ(said(call("eth_chainId")), result("\"0x5\""));
    EXPECT_EQ(said(call("web3_clientVersion")), result("\"Redoubt/1.2.3\""));
    EXPECT_EQ(said(call("account_version")), result("\"6.1.0\""));
    EXPECT_TRUE(node_asked.empty());
    // A node knows its network's id.
    node_reply = NodeReply{"\"1234\"", std::nullopt};
    EXPECT_EQ(said(call("net_version")), result("\"1234\""));
    EXPECT_EQ(said(call("net_version"), "/rpc/6"), result("\"6\""));
    settings.chain_id.reset();
    rpc_.reset();
    EXPECT_EQ(fault(call("eth_chainId")), "-32000 missing_field");
}

TEST_F(JsonRpcTest, RecoveryFindsWhoSignedAMessage) {
    // "Some data", of web3.js' documentation.
    const std::string signature =
        "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e"
        "037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a029";
    const auto recover = [&](const std::string& method, const std::string& v) {
        return call(method, R"(["0x536f6d652064617461","0x)" + signature + v + "\"]");
    };
    for (const std::string method : {"personal_ecRecover", "account_ecRecover"})
        EXPECT_EQ(said(recover(method, "1c")), result(std::string("\"") + kLower + "\""));
    EXPECT_NE(said(recover("personal_ecRecover", "1b")), result(std::string("\"") + kLower + "\""));
    EXPECT_EQ(fault(recover("personal_ecRecover", "01")), "-32602 invalid_field");
    EXPECT_EQ(fault(recover("personal_ecRecover", "")), "-32602 invalid_field");
    EXPECT_TRUE(asked.empty());
}

TEST_F(JsonRpcTest, AccountsAreTheEnabledKeysEachAddressOnce) {
    put(2, tests::address_number(2), 5);
    put(3, tests::address_number(3), 6, sealed::State::Disabled);
    put(4, tests::address_number(2), 7);
    const std::string both =
        "[\"" + std::string(kLower) + "\",\"0x0000000000000000000000000000000000000002\"]";
    for (const std::string method : {"eth_accounts", "eth_requestAccounts", "account_list"})
        EXPECT_EQ(said(call(method)), result(both));
    auto grant = std::make_shared<Grant>();
    grant->addresses.push_back(tests::address_number(2));
    caller.grant = grant;
    EXPECT_EQ(said(call("eth_accounts")), result(R"(["0x0000000000000000000000000000000000000002"])"));
}

TEST_F(JsonRpcTest, HealthAndNewKeysAreTheEnclaves) {
    EXPECT_EQ(said(call("health_status")), result("\"OK\""));
    EXPECT_EQ(asked.back(), (Asked{"GET", "/healthz", ""}));
    EXPECT_EQ(said(call("account_new")), result(std::string("\"") + kAddress + "\""));
    EXPECT_EQ(asked.back(), (Asked{"POST", "/v1/keys", "{}"}));
    answer = [](const net::HttpRequest&) {
        return net::HttpResponse::error(Code::EnclaveUnavailable, "no enclave is able to sign");
    };
    EXPECT_EQ(fault(call("health_status")), "-32002 enclave_unavailable");
}

TEST_F(JsonRpcTest, SendingGoesToTheChainsSender) {
    const std::string tx = std::string(R"({"from":")") + kAddress + R"(","value":"0x1")";
    EXPECT_EQ(said(call("eth_sendTransaction", "[" + tx + "}]")), result("\"0xabcd\""));
    EXPECT_EQ(sent, (std::vector<std::string>{"5 " + tx + R"(,"chainId":"0x5"})"}));
    EXPECT_EQ(fault(call("eth_sendTransaction", "[" + tx + R"(,"chainId":6}])")), "-32601 not_found");

    send_reply = std::unexpected(Sender::Refused{{Code::NodeRefused, "the node refused the transaction"},
                                                 NodeReply::Refusal{-32000, "nonce too low", "{}"},
                                                 {}});
    EXPECT_EQ(said(call("eth_sendTransaction", "[" + tx + "}]")),
              R"({"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"nonce too low","data":{}}})");
    send_reply = std::unexpected(Sender::Refused{
        {Code::PolicyDenied, "refused"}, {}, R"({"error":"no rule allows it","code":"policy_denied"})"});
    EXPECT_EQ(said(call("eth_sendTransaction", "[" + tx + "}]")),
              R"({"jsonrpc":"2.0","id":1,"error":{"code":-32003,"message":"no rule allows it",)"
              R"("data":{"code":"policy_denied"}}})");
    backends.send = nullptr;
    rpc_.reset();
    EXPECT_EQ(fault(call("eth_sendTransaction", "[" + tx + "}]")), "-32601 not_found");
}

TEST_F(JsonRpcTest, WhatANodeKnowsGoesToItAndItsWordsComeBack) {
    EXPECT_EQ(said(call("eth_getBalance", R"(["0x01", "latest"])")), result("\"0x7\""));
    EXPECT_EQ(node_asked.back(), (Asked{"eth_getBalance", R"(["0x01", "latest"])", ""}));
    node_reply = NodeReply{"", NodeReply::Refusal{3, "execution reverted", "\"0x08c379a0\""}};
    EXPECT_EQ(
        said(call("eth_call")),
        R"({"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted","data":"0x08c379a0"}})");
    node_reply = fail(Code::NodeUnavailable, "no node of the chain answered");
    EXPECT_EQ(fault(call("eth_call")), "-32002 node_unavailable");
    // No node for the chain.
    node_asked.clear();
    EXPECT_EQ(fault(call("eth_call"), "/rpc/6"), "-32601 not_found");
    EXPECT_TRUE(node_asked.empty());
}

TEST_F(JsonRpcTest, NoNodeIsAskedToSignOrToServeItsOperator) {
    for (const std::string method :
         {"personal_unlockAccount", "personal_sendTransaction", "eth_signRawTransaction", "eth_resend",
          "admin_peers", "debug_traceTransaction", "miner_start", "engine_newPayloadV4", "clique_propose",
          "wallet_sendTransaction", "account_unlock", "parity_setAccountName"})
        EXPECT_EQ(fault(call(method)), "-32601 not_found") << method;
    EXPECT_TRUE(node_asked.empty());
    // Clients tell a method that is missing by these words.
    EXPECT_NE(said(call("wallet_sendTransaction")).find("the method wallet_sendTransaction does not exist"),
              std::string::npos);
    settings.forward = {"eth_call"};
    rpc_.reset();
    EXPECT_EQ(said(call("eth_call")), result("\"0x7\""));
    EXPECT_EQ(fault(call("eth_getBalance")), "-32601 not_found");
}

TEST_F(JsonRpcTest, AClientIsHeldToItsGrant) {
    auto grant = std::make_shared<Grant>();
    grant->every_key = true;
    caller = {"shop", grant};
    const std::string tx = std::string(R"([{"from":")") + kAddress + R"("}])";
    EXPECT_EQ(fault(call("eth_call")), "-32003 forbidden");
    EXPECT_EQ(fault(call("eth_sendTransaction", tx)), "-32003 forbidden");
    grant->operations.set();
    EXPECT_EQ(said(call("eth_call")), result("\"0x7\""));
    EXPECT_EQ(said(call("eth_sendTransaction", tx)), result("\"0xabcd\""));
    grant->every_chain = false;
    grant->chains = {1};
    EXPECT_EQ(fault(call("eth_call")), "-32003 forbidden");
    EXPECT_EQ(fault(call("eth_sendTransaction", tx)), "-32003 forbidden");
    // Signing is asked for in the client's name.
    (void)said(call("personal_sign", R"(["0x",")" + std::string(kLower) + "\"]"));
    EXPECT_EQ(names.back(), "shop");
}

TEST_F(JsonRpcTest, RefusalsSayWhyInNumbersThatClientsKnow) {
    const std::string sign = call("personal_sign", R"(["0x68",")" + std::string(kLower) + "\"]");
    const auto refusing = [&](Code code) {
        answer = [code](const net::HttpRequest&) { return net::HttpResponse::error(code, "a sentence"); };
        return fault(sign);
    };
    EXPECT_EQ(refusing(Code::InvalidField), "-32602 invalid_field");
    EXPECT_EQ(refusing(Code::PolicyDenied), "-32003 policy_denied");
    EXPECT_EQ(refusing(Code::LimitReached), "-32003 limit_reached");
    EXPECT_EQ(refusing(Code::VaultClosed), "-32002 vault_closed");
    EXPECT_EQ(refusing(Code::EnclaveTimeout), "-32002 enclave_timeout");
    EXPECT_EQ(refusing(Code::SigningFailed), "-32603 signing_failed");
    answer = [](const net::HttpRequest&) {
        return net::HttpResponse::json(
            403, R"({"error":"no","code":"policy_denied","decision":{"effect":"deny"}})");
    };
    EXPECT_NE(said(sign).find(R"("data":{"code":"policy_denied","decision":{"effect":"deny"}})"),
              std::string::npos);
    answer = [](const net::HttpRequest&) { return net::HttpResponse::text(500, "oops"); };
    EXPECT_EQ(fault(sign), "-32603 internal");

    // A full gateway says so by HTTP, too.
    answer = [](const net::HttpRequest&) { return net::HttpResponse::error(Code::Overloaded, "full"); };
    const auto full = post(sign);
    EXPECT_EQ(full.status, 503);
    EXPECT_EQ(full.header("retry-after"), "1");
    EXPECT_EQ(fault(sign), "-32005 overloaded");
    EXPECT_EQ(post("[" + sign + "]").status, 200);

    EXPECT_EQ(fault(call("personal_sign", R"(["0x68","0x0000000000000000000000000000000000000009"])")),
              "-32000 unknown_key");
}

TEST_F(JsonRpcTest, ASignatureOfAnotherKeyThanTheAddressIsNotGivenAway) {
    put(2, tests::address_number(2));
    EXPECT_EQ(fault(call("personal_sign", R"(["0x68","0x0000000000000000000000000000000000000002"])")),
              "-32603 internal");
}

TEST_F(JsonRpcTest, AKeyThatWasRefusedIsLookedUpAnew) {
    const std::string sign = call("personal_sign", R"(["0x68",")" + std::string(kLower) + "\"]");
    (void)said(sign);
    put(7, *ethereum::parse_address(kAddress), 9); // a later import of the same key
    (void)said(sign);
    EXPECT_EQ(asked.back().path, "/v1/keys/" + kKey + "/sign-message");
    answer = [](const net::HttpRequest&) { return net::HttpResponse::error(Code::KeyDisabled, "disabled"); };
    (void)said(sign);
    (void)said(sign);
    EXPECT_EQ(asked.back().path, "/v1/keys/key-07000000000000000000000000000000/sign-message");
}

TEST_F(JsonRpcTest, ParametersThatAreNotUnderstoodAreRefused) {
    const std::string by = std::string("\"") + kAddress + "\"";
    const std::pair<std::string, std::string> cases[] = {
        {"personal_sign", "[]"},
        {"personal_sign", R"(["hello",)" + by + "]"},  // text is not guessed
        {"personal_sign", "[" + by + R"(,"0x6869"])"}, // the order of eth_sign
        {"personal_sign", R"(["0x6869",)" + by + R"(,"password"])"},
        {"personal_sign", R"(["0x686",)" + by + "]"},
        {"eth_sign", R"(["0x6869",)" + by + "]"},
        {"eth_sign", R"(["0x2C7536E3605D9C16a7a3D7b1898e529396a65c23","0x68"])"}, // the checksum is wrong
        {"eth_sign", "[" + by + R"(,"0x6869",1])"},
        {"eth_accounts", "[1]"},
        {"eth_signTransaction", "[]"},
        {"eth_signTransaction", R"([{"nonce":"0x1"}])"},
        {"eth_signTransaction", R"([{"from":)" + by + R"(,"chainId":"1x"}])"},
        {"eth_signTransaction", R"([{"from":)" + by + R"(},{}])"},
        {"eth_signTypedData_v4", "[" + by + R"(,"{} , \"path\": 1"])"},
        {"eth_signTypedData_v4", "[" + by + R"(,"[]"])"},
        {"eth_signTypedData", R"([[{"type":"string","name":"a","value":"b"}],)" + by + "]"},
        {"account_signData", R"(["application/x-clique-header",)" + by + R"(,"0x68"])"},
        {"account_signData",
         R"(["data/validator",)" + by + R"(,{"address":"0x01","message":"0x68","path":"m"}])"},
        {"personal_sign", R"({"data":"0x"})"},
    };
    for (const auto& [method, params] : cases)
        EXPECT_EQ(fault(call(method, params)).substr(0, 6), "-32602") << method << params;
    EXPECT_TRUE(asked.empty());
}

TEST_F(JsonRpcTest, TheReceiptOfASignatureComesWithItsAnswer) {
    answer = [](const net::HttpRequest&) {
        auto out = net::HttpResponse::json(200, std::string(R"({"address":")") + kAddress +
                                                    R"(","signature":"0x01"})");
        out.headers.push_back({"redoubt-receipt", "cmVjZWlwdA=="});
        return out;
    };
    const std::string sign = call("personal_sign", R"(["0x68",")" + std::string(kLower) + "\"]");
    EXPECT_EQ(post(sign).header("redoubt-receipt"), "cmVjZWlwdA==");
    EXPECT_EQ(post("[" + sign + "]").header("redoubt-receipt"), "");
}

} // namespace
} // namespace redoubt::gateway
