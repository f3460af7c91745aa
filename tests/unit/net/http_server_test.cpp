// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include "base/json.h"
#include "support.h"

#include <map>
#include <random>

namespace redoubt::net::tests {
namespace {

// Each behaviour is the same with and without TLS.
class HttpServing : public testing::TestWithParam<bool> {
  protected:
    bool tls() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Plain, HttpServing, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, HttpServing, testing::Values(true));

void echo(HttpRequest request, const HttpServer::Responder& respond) {
    HttpResponse response = HttpResponse::text(200, request.method + " " + request.target + " ");
    append(response.body, request.body);
    respond(std::move(response));
}

std::string code_of(const HttpResponse& response) {
    json::Document document;
    const auto root = document.parse(as_text(response.body));
    EXPECT_TRUE(root) << body_of(response);
    EXPECT_FALSE(!root || root->get("error")->text().empty());
    return root ? std::string(root->get("code")->text()) : "";
}

TEST_P(HttpServing, answers_request_after_request_on_one_connection) {
    RunningServer server(tls(), {.server_name = "redoubt"}, echo);
    RawClient client(server.endpoint(), tls());
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(client.send(post("/n" + std::to_string(i), "body")));
        const HttpResponse response = client.answer();
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(body_of(response), "POST /n" + std::to_string(i) + " body");
        EXPECT_EQ(response.header("server"), "redoubt");
        EXPECT_EQ(response.header("date").size(), 29u) << response.header("date");
        EXPECT_EQ(response.header("connection"), "");
    }
    EXPECT_EQ(server.connections(), 1u);
}

TEST_P(HttpServing, takes_a_request_byte_by_byte) {
    RunningServer server(tls(), {}, echo);
    RawClient client(server.endpoint(), tls());
    for (const char c : post("/slow", "body")) {
        ASSERT_TRUE(client.send(std::string_view(&c, 1)));
        usleep(200);
    }
    EXPECT_EQ(body_of(client.answer()), "POST /slow body");
}

TEST_P(HttpServing, takes_and_gives_large_bodies) {
    RunningServer server(tls(), {.limits = {.body = 16 << 20}}, echo);
    RawClient client(server.endpoint(), tls());
    std::mt19937 random(1);
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{16'383}, std::size_t{65'536}, std::size_t{9'000'000}}) {
        std::string body(size, '\0');
        for (char& c : body)
            c = static_cast<char>(random());
        ASSERT_TRUE(client.send(post("/", body)));
        EXPECT_TRUE(body_of(client.answer()) == "POST / " + body) << size;
    }
}

TEST_P(HttpServing, answers_pipelined_requests_in_their_order_whatever_order_they_are_answered_in) {
    std::map<std::string, HttpServer::Responder> waiting;
    RunningServer* running = nullptr;
    std::mt19937 random(7);
    RunningServer server(tls(), {}, [&](HttpRequest request, HttpServer::Responder respond) {
        waiting.emplace(request.path, std::move(respond));
        if (waiting.size() < 40)
            return;
        // All at once and from a later turn, in random order.
        running->loop().post([&] {
            std::vector<std::string> paths;
            for (const auto& [path, unused] : waiting)
                paths.push_back(path);
            std::shuffle(paths.begin(), paths.end(), random);
            for (const auto& path : paths)
                waiting.at(path)(HttpResponse::text(200, path));
            waiting.clear();
        });
    });
    running = &server;
    RawClient client(server.endpoint(), tls());
    for (int round = 0; round < 5; ++round) {
        std::string all;
        for (int i = 0; i < 40; ++i)
            all += get("/" + std::to_string(i));
        ASSERT_TRUE(client.send(all));
        for (int i = 0; i < 40; ++i)
            ASSERT_EQ(body_of(client.answer()), "/" + std::to_string(i));
    }
}

TEST_P(HttpServing, takes_no_more_than_so_many_requests_into_work) {
    std::vector<HttpServer::Responder> waiting;
    std::size_t most = 0;
    RunningServer server(tls(), {.max_pipelined = 8}, [&](HttpRequest, HttpServer::Responder respond) {
        waiting.push_back(std::move(respond));
        most = std::max(most, waiting.size());
    });
    RawClient client(server.endpoint(), tls());
    std::string all;
    for (int i = 0; i < 300; ++i)
        all += get("/");
    ASSERT_TRUE(client.send(all));
    int answered = 0;
    while (answered < 300) {
        int now = 0;
        server.on_loop([&] {
            for (const auto& respond : std::exchange(waiting, {})) {
                respond(HttpResponse::text(200, "ok"));
                ++now;
            }
        });
        for (int i = 0; i < now; ++i)
            ASSERT_EQ(client.answer().status, 200);
        answered += now;
    }
    EXPECT_EQ(most, 8u);
    EXPECT_EQ(answered, 300);
}

TEST_P(HttpServing, answers_thousands_of_pipelined_requests_that_are_answered_at_once) {
    RunningServer server(tls(), {}, echo);
    RawClient client(server.endpoint(), tls());
    std::string all;
    for (int i = 0; i < 5'000; ++i)
        all += post("/" + std::to_string(i), "b");
    std::thread sender([&] { EXPECT_TRUE(client.send(all)); });
    sender.join(); // answers (some 700 KB) wait in buffers, or at the server, which then stops reading
    for (int i = 0; i < 5'000; ++i)
        ASSERT_EQ(body_of(client.answer()), "POST /" + std::to_string(i) + " b");
}

TEST_P(HttpServing, a_request_that_says_close_is_the_last) {
    RunningServer server(tls(), {}, echo);
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send(get("/1", "Connection: close\r\n") + get("/2")));
    const HttpResponse response = client.answer();
    EXPECT_EQ(body_of(response), "GET /1 ");
    EXPECT_EQ(response.header("connection"), "close");
    EXPECT_TRUE(client.ended());
}

TEST_P(HttpServing, http_1_0_is_answered_and_closed) {
    RunningServer server(tls(), {}, echo);
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(client.answer().header("connection"), "close");
    EXPECT_TRUE(client.ended());
}

TEST_P(HttpServing, head_gets_the_length_and_no_body) {
    RunningServer server(tls(), {}, echo);
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + get("/after")));
    const HttpResponse head = client.answer(true);
    EXPECT_EQ(head.header("content-length"), "7");
    EXPECT_EQ(body_of(client.answer()), "GET /after ");
}

TEST_P(HttpServing, an_error_is_answered_in_json_after_the_answers_before_it_and_ends_the_connection) {
    std::optional<HttpServer::Responder> first;
    RunningServer server(tls(), {}, [&](HttpRequest request, HttpServer::Responder respond) {
        if (request.path == "/first")
            first.emplace(std::move(respond));
        else
            respond(HttpResponse::text(500, "no other request may get here"));
    });
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send(get("/first") + "GET / HTTP/1.1\r\nHost : h\r\n\r\n" + get("/smuggled")));
    server.on_loop([] {});
    usleep(50'000);
    server.on_loop([&] { (*first)(HttpResponse::text(200, "first")); });
    EXPECT_EQ(body_of(client.answer()), "first");
    const HttpResponse error = client.answer();
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(code_of(error), "bad_request");
    EXPECT_EQ(error.header("connection"), "close");
    EXPECT_TRUE(client.ended());
    server.on_loop([&] { first.reset(); });
}

TEST_P(HttpServing, each_fault_has_its_status) {
    RunningServer server(tls(), {.limits = {.body = 100}}, echo);
    const std::vector<std::pair<std::string, int>> faults{
        {"GET / HTTP/3.0\r\n", 505},
        {"GET /" + std::string(9'000, 'a'), 414},
        {"GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(40'000, 'a'), 431},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"\x16\x03\x01\x02\r\n", 400},
    };
    for (const auto& [text, status] : faults) {
        RawClient client(server.endpoint(), tls());
        ASSERT_TRUE(client.send(text));
        EXPECT_EQ(client.answer().status, status) << text.substr(0, 60);
        EXPECT_TRUE(client.ended());
    }
}

TEST_P(HttpServing, a_client_that_still_sends_a_body_that_is_too_large_sees_the_answer) {
    RunningServer server(tls(), {.limits = {.body = 1000}}, echo);
    for (const char* framing :
         {"Content-Length: 4000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3d0900\r\n"}) {
        RawClient client(server.endpoint(), tls());
        ASSERT_TRUE(client.send(std::string("POST / HTTP/1.1\r\nHost: h\r\n") + framing));
        EXPECT_TRUE(client.send(std::string(4'000'000, 'x')));
        const HttpResponse response = client.answer();
        EXPECT_EQ(response.status, 413);
        EXPECT_EQ(code_of(response), "too_large");
        EXPECT_TRUE(client.ended());
    }
}

TEST_P(HttpServing, says_continue_to_a_client_that_waits_for_it) {
    RunningServer server(tls(), {.limits = {.body = 10}}, echo);
    RawClient client(server.endpoint(), tls());
    const std::string head = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n";
    ASSERT_TRUE(client.send(head + "Content-Length: 4\r\n\r\n"));
    ASSERT_TRUE(client.receive_more());
    ASSERT_TRUE(client.send("body"));
    EXPECT_EQ(body_of(client.answer()), "PUT / body"); // the parser passes over the 100
    // Without a body there is nothing to wait for, and a refusal is said instead.
    ASSERT_TRUE(client.send(head + "\r\n" + head + "Content-Length: 11\r\n\r\n"));
    const std::string rest = client.rest();
    EXPECT_TRUE(rest.starts_with("HTTP/1.1 200 ")) << rest;
    EXPECT_NE(rest.find("HTTP/1.1 413 "), std::string::npos) << rest;
    EXPECT_EQ(rest.find("100 Continue"), std::string::npos) << rest;
}

TEST_P(HttpServing, continue_waits_for_the_answers_before_it) {
    std::optional<HttpServer::Responder> first;
    RunningServer server(tls(), {}, [&](HttpRequest request, HttpServer::Responder respond) {
        if (request.path == "/first")
            first.emplace(std::move(respond));
        else
            echo(std::move(request), respond);
    });
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send(
        get("/first") + "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    bool there = false;
    while (!there)
        server.on_loop([&] { there = first.has_value(); });
    server.on_loop([&] {
        (*first)(HttpResponse::text(200, "first"));
        first.reset();
    });
    EXPECT_EQ(body_of(client.answer()), "first");
    ASSERT_TRUE(client.send("body"));
    EXPECT_EQ(body_of(client.answer()), "PUT / body");
}

TEST_P(HttpServing, a_responder_answers_once_and_a_forgotten_one_with_500) {
    RunningServer server(tls(), {}, [](HttpRequest request, HttpServer::Responder respond) {
        if (request.path == "/forgotten")
            return;
        const HttpServer::Responder copy = respond; // NOLINT(performance-unnecessary-copy-initialization)
        copy(HttpResponse::text(200, "one"));
        respond(HttpResponse::text(200, "two"));
    });
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send(get("/") + get("/forgotten") + get("/")));
    EXPECT_EQ(body_of(client.answer()), "one");
    const HttpResponse forgotten = client.answer();
    EXPECT_EQ(forgotten.status, 500);
    EXPECT_EQ(code_of(forgotten), "internal");
    EXPECT_EQ(body_of(client.answer()), "one");
}

TEST_P(HttpServing, a_responder_may_be_called_after_the_client_and_even_the_server_are_gone) {
    std::vector<HttpServer::Responder> waiting;
    {
        RunningServer server(tls(), {}, [&](HttpRequest, HttpServer::Responder respond) {
            waiting.push_back(std::move(respond));
        });
        const auto wait_for_requests = [&](std::size_t wanted) {
            std::size_t there = 0;
            while (there < wanted)
                server.on_loop([&] { there = waiting.size(); });
        };
        {
            RawClient client(server.endpoint(), tls());
            ASSERT_TRUE(client.send(get("/")));
            wait_for_requests(1);
            server.on_loop([&] { EXPECT_FALSE(waiting[0].client_gone()); });
            const linger reset{1, 0}; // closing resets the connection: gone in both directions
            setsockopt(client.stream().fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        ASSERT_TRUE(server.wait_for_connections(0));
        server.on_loop([&] {
            EXPECT_TRUE(waiting[0].client_gone());
            waiting[0](HttpResponse::text(200, "nobody hears it"));
        });
        RawClient client(server.endpoint(), tls());
        ASSERT_TRUE(client.send(get("/")));
        wait_for_requests(2);
    }
    EXPECT_TRUE(waiting[1].client_gone());
    waiting[1](HttpResponse::text(200, "nor this"));
    HttpServer::Responder()(HttpResponse::text(200, "nor that"));
    EXPECT_TRUE(HttpServer::Responder().client_gone());
}

TEST_P(HttpServing, a_client_that_shut_its_side_still_gets_its_answers) {
    std::vector<HttpServer::Responder> waiting;
    RunningServer server(tls(), {}, [&](HttpRequest, HttpServer::Responder respond) {
        waiting.push_back(std::move(respond));
    });
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send(get("/1") + get("/2")));
    client.stream().shutdown();
    client.half_close();
    std::size_t there = 0;
    while (there < 2)
        server.on_loop([&] { there = waiting.size(); });
    usleep(50'000); // the end has been seen
    server.on_loop([&] {
        waiting[1](HttpResponse::text(200, "two"));
        waiting[0](HttpResponse::text(200, "one"));
    });
    EXPECT_EQ(body_of(client.answer()), "one");
    const HttpResponse last = client.answer();
    EXPECT_EQ(body_of(last), "two");
    EXPECT_EQ(last.header("connection"), "close");
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST_P(HttpServing, the_handler_may_destroy_the_server) {
    for (int answer_first = 0; answer_first < 2; ++answer_first) {
        EventLoop loop;
        Endpoint endpoint;
        Fd listener = listen_anywhere(endpoint);
        std::unique_ptr<HttpServer> server;
        int calls = 0;
        server = std::make_unique<HttpServer>(loop, std::move(listener), tls() ? &server_tls() : nullptr,
                                              HttpServerOptions{},
                                              [&](HttpRequest, const HttpServer::Responder& respond) {
                                                  ++calls;
                                                  if (answer_first != 0)
                                                      respond(HttpResponse::text(200, "ok"));
                                                  server.reset();
                                                  loop.after(20, [&] { loop.stop(); });
                                              });
        std::thread thread([&] { loop.run(); });
        RawClient client(endpoint, tls());
        EXPECT_TRUE(client.send(get("/") + get("/") + get("/")));
        (void)client.rest();
        thread.join();
        EXPECT_EQ(calls, 1);
    }
}

TEST_P(HttpServing, draining_answers_what_is_in_work_says_close_and_tells_when_all_are_gone) {
    std::vector<HttpServer::Responder> waiting;
    RunningServer server(tls(), {}, [&](HttpRequest, HttpServer::Responder respond) {
        waiting.push_back(std::move(respond));
    });
    RawClient busy(server.endpoint(), tls());
    RawClient partial(server.endpoint(), tls());
    RawClient idle(server.endpoint(), tls());
    ASSERT_TRUE(busy.send(get("/1") + get("/2")));
    const std::string late = post("/late", "body");
    ASSERT_TRUE(partial.send(late.substr(0, 10)));
    std::size_t there = 0;
    while (there < 2)
        server.on_loop([&] { there = waiting.size(); });
    ASSERT_TRUE(server.wait_for_connections(3));
    usleep(50'000);

    std::promise<void> drained;
    auto done = drained.get_future();
    const auto start = monotonic_ms();
    server.on_loop([&] { server.server().drain(kPatienceMs, [&] { drained.set_value(); }); });
    EXPECT_EQ(connect_to(server.endpoint(), 1'000).error().code, Code::ConnectFailed);
    EXPECT_TRUE(idle.ended()); // after a while in which a request on its way would have arrived
    ASSERT_TRUE(partial.send(late.substr(10)));
    while (there < 3)
        server.on_loop([&] { there = waiting.size(); });
    EXPECT_EQ(done.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
    server.on_loop([&] {
        for (const auto& respond : waiting)
            respond(HttpResponse::text(200, "ok"));
    });
    EXPECT_EQ(busy.answer().header("connection"), "");
    EXPECT_EQ(busy.answer().header("connection"), "close");
    EXPECT_TRUE(busy.ended());
    EXPECT_EQ(partial.answer().header("connection"), "close");
    EXPECT_TRUE(partial.ended());
    { RawClient gone[] = {std::move(busy), std::move(partial), std::move(idle)}; }
    ASSERT_EQ(done.wait_for(std::chrono::milliseconds(kPatienceMs)), std::future_status::ready);
    EXPECT_LT(monotonic_ms() - start, kPatienceMs / 2);
}

TEST_P(HttpServing, draining_ends_at_its_time_limit) {
    std::vector<HttpServer::Responder> waiting;
    RunningServer server(tls(), {}, [&](HttpRequest, HttpServer::Responder respond) {
        waiting.push_back(std::move(respond));
    });
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send(get("/")));
    std::size_t there = 0;
    while (there < 1)
        server.on_loop([&] { there = waiting.size(); });
    std::promise<void> drained;
    const auto start = monotonic_ms();
    server.on_loop([&] { server.server().drain(150, [&] { drained.set_value(); }); });
    drained.get_future().wait();
    EXPECT_GE(monotonic_ms() - start, 149);
    EXPECT_EQ(server.connections(), 0u);
    server.on_loop([&] { waiting.clear(); });
}

TEST(HttpServer, draining_without_connections_is_done_at_once_but_not_before_it_returns) {
    RunningServer server(false, {}, echo);
    std::promise<bool> drained;
    bool returned = false;
    server.on_loop([&] {
        server.server().drain(kPatienceMs, [&] { drained.set_value(returned); });
        returned = true;
    });
    EXPECT_TRUE(drained.get_future().get());
}

} // namespace
} // namespace redoubt::net::tests
