// SPDX-License-Identifier: Apache-2.0
// JSON-RPC with an enclave, a node and a sender that the tests script, and one key.
#pragma once

#include "gateway/clients.h"
#include "gateway/rpc.h"
#include "rpc_world.h"

namespace redoubt::tests {

inline constexpr const char* kAddress = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
inline constexpr const char* kLower = "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23";
inline const std::string kKey = "key-01000000000000000000000000000000";
inline const std::string kSignature = "0x" + std::string(128, 'a') + "1b";

inline std::string call(const std::string& method, const std::string& params = "[]",
                        const std::string& id = "1") {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":")" + method + R"(","params":)" + params + "}";
}
inline std::string result(const std::string& json, const std::string& id = "1") {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":)" + json + "}";
}

class JsonRpcFixture : public testing::Test, public RpcWorld {
  protected:
    JsonRpcFixture() {
        put(1, *ethereum::parse_address(kAddress));
        answer = [](const net::HttpRequest&) {
            return net::HttpResponse::json(200, std::string(R"({"address":")") + kAddress +
                                                    R"(","signature":")" + kSignature + "\"}");
        };
        backends.enclave = enclave();
        backends.has_node = [](std::uint64_t chain) { return chain == 5; };
        backends.node = [this](std::uint64_t, std::string method, std::string params, std::string,
                               gateway::NodeClient::Done done) {
            node_asked.push_back({method, params, ""});
            done(node_reply);
        };
        backends.send = [this](const gateway::Call&, std::uint64_t chain, std::string transaction,
                               gateway::Sender::Done done) {
            sent.push_back(std::to_string(chain) + " " + transaction);
            done(send_reply);
        };
        settings.chain_id = 5;
        settings.version = "Redoubt/1.2.3";
    }
    gateway::JsonRpc& rpc() {
        if (!rpc_)
            rpc_ = std::make_unique<gateway::JsonRpc>(loop, book, backends, settings);
        return *rpc_;
    }
    net::HttpResponse post(const std::string& body, const std::string& path = "/rpc") {
        return ask(rpc(), request("POST", path, body));
    }
    std::string said(const std::string& body, const std::string& path = "/rpc") {
        return tests::text(post(body, path));
    }
    // "code name" of a refusal.
    std::string fault(const std::string& body, const std::string& path = "/rpc") {
        const std::string text = said(body, path);
        json::Document document;
        const auto root = document.parse(text);
        const auto error = root ? root->get("error") : std::nullopt;
        if (!error)
            return text;
        const auto data = error->get("data");
        const auto name = data ? data->get("code") : std::nullopt;
        return std::string(error->get("code")->text()) + " " + std::string(name ? name->text() : "");
    }

    gateway::JsonRpc::Backends backends;
    gateway::JsonRpc::Settings settings;
    std::vector<Asked> node_asked;
    Result<gateway::NodeReply> node_reply = gateway::NodeReply{"\"0x7\"", std::nullopt};
    std::vector<std::string> sent;
    std::expected<gateway::Sender::Sent, gateway::Sender::Refused> send_reply =
        gateway::Sender::Sent{"0xabcd", "tx-1"};
    std::unique_ptr<gateway::JsonRpc> rpc_;
};

} // namespace redoubt::tests
