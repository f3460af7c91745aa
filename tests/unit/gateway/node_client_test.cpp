// SPDX-License-Identifier: Apache-2.0
// Nodes that answer, fail, lie and hang, and what the client makes of it.
#include "base/clock.h"
#include "gateway/node_reply.h"
#include "net/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace redoubt::gateway {
namespace {

// An HTTP server of the test's own; it answers as the script says, nullopt: never.
class Server {
  public:
    using Script = std::function<std::optional<net::HttpResponse>(const net::HttpRequest&)>;
    explicit Server(Script script) : script_(std::move(script)) {
        const auto asked = *net::parse_endpoint("tcp:127.0.0.1:0");
        auto listener = *net::listen_on(asked);
        url = "http://127.0.0.1:" + std::to_string(net::local_endpoint(asked, listener)->port);
        server_ = std::make_unique<net::HttpServer>(
            loop_, std::move(listener), nullptr, net::HttpServerOptions{},
            [this](net::HttpRequest request, net::HttpServer::Responder respond) {
                ++asked_;
                if (auto answer = script_(request))
                    respond(std::move(*answer));
                else
                    hanging_.push_back(std::move(respond));
            });
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Server() {
        loop_.stop();
        thread_.join();
    }
    int asked() const { return asked_; }
    std::string url;

  private:
    Script script_;
    std::atomic<int> asked_{0};
    net::EventLoop loop_;
    std::unique_ptr<net::HttpServer> server_;
    std::vector<net::HttpServer::Responder> hanging_;
    std::thread thread_;
};

std::string id_in(const net::HttpRequest& request) {
    const std::string_view body = as_text(request.body);
    const std::size_t at = body.find("\"id\":") + 5;
    return std::string(body.substr(at, body.find(',', at) - at));
}

Server::Script result(std::string value) {
    return [value](const net::HttpRequest& request) {
        return net::HttpResponse::json(200, R"({"jsonrpc":"2.0","id":)" + id_in(request) + R"(,"result":)" +
                                                value + "}");
    };
}

// A client on a loop of its own; calls are made on the loop and waited for.
class Client {
  public:
    explicit Client(std::vector<NodeSetting> nodes) {
        client_ = std::make_unique<NodeClient>(loop_, workers_, std::move(nodes), "");
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Client() {
        std::promise<void> gone;
        loop_.post([&] {
            client_.reset();
            gone.set_value();
        });
        gone.get_future().wait();
        loop_.stop();
        thread_.join();
    }
    Result<NodeReply> call(std::uint64_t chain, std::string method = "eth_chainId", std::string params = "[]",
                           std::string trace = {}) {
        std::promise<Result<NodeReply>> answer;
        loop_.post([&] {
            client_->call(
                chain, method, params, [&](Result<NodeReply> reply) { answer.set_value(std::move(reply)); },
                trace);
        });
        return answer.get_future().get();
    }

  private:
    net::EventLoop loop_;
    WorkerPool workers_{4, 64};
    std::unique_ptr<NodeClient> client_;
    std::thread thread_;
};

Code code_of(const Result<NodeReply>& reply) {
    return reply ? Code::Internal : reply.error().code;
}

TEST(NodeClient, gives_back_what_the_node_says) {
    std::string seen, trace, path;
    const Server node([&](const net::HttpRequest& request) {
        seen = as_text(request.body);
        trace = request.header("traceparent");
        path = request.target;
        return result(R"({"a":[1,"x"]})")(request);
    });
    Client client({{7, node.url + "/v3/token?key=1"}});
    const auto reply = client.call(7, "eth_call", R"([{"to":"0x"},"latest"])", "00-ab-cd-01");
    ASSERT_TRUE(reply) << reply.error().describe();
    EXPECT_EQ(reply->result, R"({"a":[1,"x"]})");
    EXPECT_FALSE(reply->error);
    EXPECT_EQ(seen, R"({"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"0x"},"latest"]})");
    EXPECT_EQ(trace, "00-ab-cd-01");
    EXPECT_EQ(path, "/v3/token?key=1");
    EXPECT_EQ(code_of(client.call(8)), Code::NotFound);
}

TEST(NodeClient, gives_back_a_nodes_refusal) {
    const Server node([](const net::HttpRequest& request) {
        return net::HttpResponse::json(
            400, R"({"jsonrpc":"2.0","id":)" + id_in(request) +
                     R"(,"error":{"code":3,"message":"execution reverted","data":"0x08c3"}})");
    });
    Client client({{1, node.url}});
    const auto reply = client.call(1);
    ASSERT_TRUE(reply && reply->error);
    EXPECT_EQ(reply->error->code, 3);
    EXPECT_EQ(reply->error->message, "execution reverted");
    EXPECT_EQ(reply->error->data, R"("0x08c3")");
}

TEST(NodeClient, asks_the_next_node_and_lets_the_failed_one_rest) {
    const Server busy([](const net::HttpRequest&) { return net::HttpResponse::text(429, "slow down"); });
    const Server liar([](const net::HttpRequest&) { return net::HttpResponse::text(200, "<html>"); });
    const Server good(result(R"("0x1")"));
    Client client({{1, busy.url}, {1, liar.url}, {1, good.url}});
    for (int i = 0; i < 5; ++i) {
        const auto reply = client.call(1);
        ASSERT_TRUE(reply) << reply.error().describe();
    }
    EXPECT_EQ(busy.asked(), 1);
    EXPECT_EQ(liar.asked(), 1);
    EXPECT_EQ(good.asked(), 5);
}

TEST(NodeClient, goes_on_when_a_node_comes_back) {
    std::atomic<bool> down{true};
    const Server node([&](const net::HttpRequest& request) {
        return down ? std::optional(net::HttpResponse::text(503, "")) : result("1")(request);
    });
    Client client({{1, node.url}});
    EXPECT_EQ(code_of(client.call(1)), Code::NodeUnavailable);
    down = false; // the only one is asked although it rests
    EXPECT_TRUE(client.call(1));
}

TEST(NodeClient, tells_a_node_that_is_not_there_from_one_that_talks_nonsense) {
    const Server liar([](const net::HttpRequest&) { return net::HttpResponse::json(200, R"({"ok":true})"); });
    EXPECT_EQ(code_of(Client({{1, liar.url}}).call(1)), Code::NodeRefused);
    const auto port = *net::reserve_port("127.0.0.1"); // held, and nobody listens
    const auto gone =
        Client({{1, "http://127.0.0.1:" + std::to_string(port.port) + "/secret-token"}}).call(1);
    EXPECT_EQ(code_of(gone), Code::NodeUnavailable);
    EXPECT_EQ(gone.error().describe().find("secret-token"), std::string::npos);
}

TEST(NodeClient, does_not_wait_for_one_that_hangs_longer_than_its_share) {
    const Server hangs([](const net::HttpRequest&) { return std::nullopt; });
    const Server good(result("1"));
    Client client({{1, hangs.url}, {1, good.url}});
    const std::int64_t start = monotonic_ms();
    EXPECT_TRUE(client.call(1));
    EXPECT_LT(monotonic_ms() - start, NodeClient::kTimeoutMs * 3 / 4);
    EXPECT_EQ(good.asked(), 1);
}

TEST(NodeReply, is_read_strictly) {
    const auto code = [](std::string_view body, int status = 200) {
        return code_of(read_node_reply(status, body, 5));
    };
    EXPECT_TRUE(read_node_reply(200, R"({"jsonrpc":"2.0","id":5,"result":null})", 5));
    EXPECT_TRUE(read_node_reply(200, R"({"jsonrpc":"2.0","id":5,"result":1,"error":null})", 5));
    EXPECT_TRUE(
        read_node_reply(200, R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}})", 5));
    for (const auto* const body :
         {"", "[]", "null", R"({"jsonrpc":"2.0","id":5})", R"({"jsonrpc":"2.0","id":6,"result":1})",
          R"({"jsonrpc":"2.0","id":"5","result":1})", R"({"jsonrpc":"1.0","id":5,"result":1})",
          R"({"id":5,"result":1})", R"({"jsonrpc":"2.0","id":null,"result":1})",
          R"({"jsonrpc":"2.0","id":5,"result":1,"error":{"code":1}})",
          R"({"jsonrpc":"2.0","id":5,"error":null})", R"({"jsonrpc":"2.0","id":5,"error":{"message":"x"}})",
          R"({"jsonrpc":"2.0","id":5,"error":{"code":1.5}})", R"({"jsonrpc":"2.0","id":5,"id":5,"result":1})",
          R"({"jsonrpc":"2.0","id":5,"result":1} )"
          "x"})
        EXPECT_EQ(code(body), Code::NodeRefused) << body;
    for (const int status : {401, 403, 429, 500, 502, 503})
        EXPECT_EQ(code("no", status), Code::NodeUnavailable) << status;
    EXPECT_EQ(code("no", 404), Code::NodeRefused);
    EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":5,"error":{"code":-32005,"message":"slow"}})", 429),
              Code::NodeUnavailable);
    const std::string longest(3'000, 'x');
    const auto refusal = read_node_reply(
        200, R"({"jsonrpc":"2.0","id":5,"error":{"code":1,"message":")" + longest + "\"}}", 5);
    EXPECT_EQ(refusal->error->message.size(), 1'024u);
}

TEST(NodeSetting, is_a_chain_and_an_address) {
    const auto setting = parse_node_setting("1=https://node.example/v3/token?key=a");
    ASSERT_TRUE(setting);
    EXPECT_EQ(setting->chain_id, 1u);
    EXPECT_EQ(setting->url, "https://node.example/v3/token?key=a");
    for (const auto* const text :
         {"", "1", "=http://a", "0=http://a", "01=http://a", "x=http://a", "1=ftp://a", "1=http://",
          "1=http://user:secret@a", "1=http://a/#f", "9223372036854775808=http://a", "1=http://a/ b"}) {
        const auto refused = parse_node_setting(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code, Code::Usage);
        EXPECT_EQ(refused.error().describe().find("secret"), std::string::npos);
    }
}

} // namespace
} // namespace redoubt::gateway
