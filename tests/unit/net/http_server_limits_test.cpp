// SPDX-License-Identifier: Apache-2.0
// Slow and hostile clients: each is ended in time, and none delays another.
#include "net/http_server.h"

#include "support.h"

#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <sys/resource.h>
#include <sys/wait.h>

namespace redoubt::net::tests {
namespace {

class HttpServerLimits : public testing::TestWithParam<bool> {
  protected:
    bool tls() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Plain, HttpServerLimits, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, HttpServerLimits, testing::Values(true));

void ok(HttpRequest, const HttpServer::Responder& respond) {
    respond(HttpResponse::text(200, "ok"));
}

// Sends a byte at a time until the server has had enough.
std::int64_t drip(RawClient& client, std::string_view text, int every_ms) {
    const auto start = monotonic_ms();
    for (const char c : text) {
        if (!client.send({&c, 1}) || client.something_came(every_ms))
            break;
    }
    return monotonic_ms() - start;
}

TEST_P(HttpServerLimits, a_request_that_drips_in_is_answered_with_408_in_time) {
    RunningServer server(tls(), {.request_timeout_ms = 200, .idle_timeout_ms = 60'000}, ok);
    RawClient in_head(server.endpoint(), tls());
    const auto took = drip(in_head, "GET /" + std::string(4'000, 'a'), 5);
    EXPECT_GE(took, 190);
    EXPECT_LT(took, 2'000);
    EXPECT_EQ(in_head.answer().status, 408);
    EXPECT_TRUE(in_head.ended());

    RawClient in_body(server.endpoint(), tls());
    ASSERT_TRUE(in_body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000\r\n\r\n"));
    EXPECT_LT(drip(in_body, std::string(4'000, 'a'), 5), 2'000);
    EXPECT_EQ(in_body.answer().status, 408);
    EXPECT_TRUE(in_body.ended());
}

TEST_P(HttpServerLimits, the_time_for_a_request_does_not_run_while_its_client_waits_for_us) {
    std::optional<HttpServer::Responder> first;
    RunningServer server(tls(), {.request_timeout_ms = 1'000},
                         [&](HttpRequest request, HttpServer::Responder respond) {
                             if (request.path == "/first")
                                 first.emplace(std::move(respond));
                             else
                                 ok(std::move(request), respond);
                         });
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send(
        get("/first") + "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
    usleep(1'500'000);
    server.on_loop([&] {
        ASSERT_TRUE(first);
        (*first)(HttpResponse::text(200, "first"));
        first.reset();
    });
    EXPECT_EQ(body_of(client.answer()), "first");
    ASSERT_TRUE(client.send("body"));
    EXPECT_EQ(client.answer().status, 200);
}

TEST_P(HttpServerLimits, slow_clients_delay_nobody) {
    RunningServer server(tls(), {}, ok);
    std::vector<std::unique_ptr<RawClient>> slow;
    for (int i = 0; i < 50; ++i) {
        slow.push_back(std::make_unique<RawClient>(server.endpoint(), tls()));
        ASSERT_TRUE(slow.back()->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000\r\n\r\nx"));
    }
    RawClient quick(server.endpoint(), tls());
    const auto start = monotonic_ms();
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(quick.send(get("/")));
        ASSERT_EQ(quick.answer().status, 200);
    }
    EXPECT_LT(monotonic_ms() - start, 5'000);
    // And the slow are served too, when they are done.
    for (auto& client : slow) {
        ASSERT_TRUE(client->send(std::string(3'999, 'x')));
        EXPECT_EQ(client->answer().status, 200);
    }
}

TEST_P(HttpServerLimits, an_idle_connection_is_closed_in_time_and_a_busy_one_is_not) {
    RunningServer server(tls(), {.request_timeout_ms = 100, .idle_timeout_ms = 1'000}, ok);
    RawClient idle(server.endpoint(), tls());
    RawClient busy(server.endpoint(), tls());
    const auto start = monotonic_ms();
    while (monotonic_ms() - start < 2'500) {
        ASSERT_TRUE(busy.send(get("/")));
        ASSERT_EQ(busy.answer().status, 200);
        usleep(50'000);
    }
    EXPECT_TRUE(idle.ended());
    EXPECT_TRUE(busy.ended());
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST_P(HttpServerLimits, a_request_in_work_is_not_cut_off_by_any_time_limit) {
    std::optional<HttpServer::Responder> waiting;
    RunningServer server(
        tls(),
        {.handshake_timeout_ms = 500,
         .request_timeout_ms = 500,
         .idle_timeout_ms = 500,
         .write_timeout_ms = 500},
        [&](HttpRequest, HttpServer::Responder respond) { waiting.emplace(std::move(respond)); });
    RawClient client(server.endpoint(), tls());
    ASSERT_TRUE(client.send(get("/")));
    usleep(1'500'000);
    server.on_loop([&] {
        ASSERT_TRUE(waiting);
        (*waiting)(HttpResponse::text(200, "worth the wait"));
    });
    EXPECT_EQ(body_of(client.answer()), "worth the wait");
}

TEST(HttpServerTlsLimits, a_handshake_that_does_not_come_ends_in_time) {
    RunningServer server(true, {.handshake_timeout_ms = 150}, ok);
    const auto start = monotonic_ms();
    RawClient silent(server.endpoint(), false);
    RawClient dripping(server.endpoint(), false);
    // The beginning of a ClientHello, then nothing.
    ASSERT_TRUE(dripping.send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01", 8)));
    (void)silent.rest();
    EXPECT_GE(monotonic_ms() - start, 100);
    EXPECT_LT(monotonic_ms() - start, 2'000);
    (void)dripping.rest();
    EXPECT_TRUE(server.wait_for_connections(0));
    // What is no TLS at all ends at once.
    RawClient plain(server.endpoint(), false);
    ASSERT_TRUE(plain.send(get("/")));
    (void)plain.rest();
    RawClient good(server.endpoint(), true);
    ASSERT_TRUE(good.send(get("/")));
    EXPECT_EQ(good.answer().status, 200);
}

TEST_P(HttpServerLimits, a_client_that_does_not_read_is_not_read_from_and_is_closed_in_time) {
    std::atomic<int> calls{0};
    const std::string large(20'000, 'x');
    RunningServer server(tls(), {.write_timeout_ms = 300},
                         [&](HttpRequest, const HttpServer::Responder& respond) {
                             ++calls;
                             respond(HttpResponse::text(200, large));
                         });
    RawClient client(server.endpoint(), tls(), 4'096);
    std::string all;
    for (int i = 0; i < 50; ++i)
        all += get("/" + std::string(1'000, 'a'));
    const auto start = monotonic_ms();
    int rounds = 0;
    // Until the server has stopped reading, and so the client's own buffers are full: never more than so
    // much is answered into memory.
    std::thread sender([&] {
        while (client.send(all))
            ++rounds;
    });
    sender.join();
    EXPECT_LT(monotonic_ms() - start, 10'000);
    EXPECT_TRUE(server.wait_for_connections(0));
    EXPECT_LT(calls, 1'000); // 20 MB: socket buffers and 256 KiB
}

TEST_P(HttpServerLimits, a_slow_reader_who_goes_on_reading_gets_everything) {
    const std::string large(6'000'000, 'x');
    RunningServer server(
        tls(), {.write_timeout_ms = 1'000},
        [&](HttpRequest, const HttpServer::Responder& respond) { respond(HttpResponse::text(200, large)); });
    RawClient client(server.endpoint(), tls(), 65'536);
    ASSERT_TRUE(client.send(get("/")));
    const auto start = monotonic_ms();
    std::size_t reads = 0;
    HttpParser parser(HttpParser::Kind::Response, {.body = 64 << 20});
    std::array<std::uint8_t, 16'384> buffer;
    while (!parser.done() && monotonic_ms() - start < kPatienceMs) {
        std::size_t n = 0;
        const Io io = client.stream().read(buffer, n);
        ASSERT_NE(io, Io::Closed);
        ASSERT_NE(io, Io::Failed) << client.stream().failure();
        if (io == Io::Done) {
            ASSERT_TRUE(parser.feed(ByteView(buffer).first(n)));
            if (++reads % 10 == 0)
                usleep(60'000);
        } else {
            pollfd item{client.stream().fd(), POLLIN, 0};
            poll(&item, 1, 1'000);
        }
    }
    EXPECT_TRUE(parser.done());
    EXPECT_GT(monotonic_ms() - start, 2'000); // two write timeouts at least
}

TEST_P(HttpServerLimits, serves_a_thousand_connections) {
    constexpr int kConnections = 1'000;
    RunningServer server(tls(), {}, ok);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < kConnections; ++i)
        clients.push_back(std::make_unique<RawClient>(server.endpoint(), tls()));
    EXPECT_TRUE(server.wait_for_connections(kConnections));
    for (int round = 0; round < 3; ++round) {
        for (auto& client : clients)
            ASSERT_TRUE(client->send(get("/")));
        for (auto& client : clients)
            ASSERT_EQ(client->answer().status, 200);
    }
    // Every second goes, in an order the server does not expect.
    for (std::size_t i = 0; i < clients.size(); i += 2)
        clients[i].reset();
    EXPECT_TRUE(server.wait_for_connections(kConnections / 2));
    for (std::size_t i = 1; i < clients.size(); i += 2) {
        ASSERT_TRUE(clients[i]->send(get("/")));
        ASSERT_EQ(clients[i]->answer().status, 200);
    }
}

TEST_P(HttpServerLimits, at_the_limit_the_longest_idle_connection_makes_room) {
    RunningServer server(tls(), {.max_connections = 2}, ok);
    RawClient oldest(server.endpoint(), tls());
    ASSERT_TRUE(server.wait_for_connections(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    RawClient used(server.endpoint(), tls());
    ASSERT_TRUE(server.wait_for_connections(2));
    ASSERT_TRUE(used.send(get("/")));
    EXPECT_EQ(used.answer().status, 200);
    RawClient fresh(server.endpoint(), tls());
    ASSERT_TRUE(fresh.send(get("/")));
    EXPECT_EQ(fresh.answer().status, 200);
    EXPECT_TRUE(oldest.ended());
    ASSERT_TRUE(used.send(get("/")));
    EXPECT_EQ(used.answer().status, 200) << "who uses his connection keeps it";
}

TEST_P(HttpServerLimits, at_the_limit_those_who_send_by_drips_make_room_before_those_who_use_theirs) {
    RunningServer server(tls(), {.max_connections = 4}, ok);
    RawClient used(server.endpoint(), tls());
    ASSERT_TRUE(used.send(get("/")));
    EXPECT_EQ(used.answer().status, 200); // idle for longest from here on
    std::vector<std::unique_ptr<RawClient>> slow;
    for (int i = 0; i < 12; ++i) {
        slow.push_back(std::make_unique<RawClient>(server.endpoint(), tls()));
        ASSERT_TRUE(slow.back()->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Le"));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(server.connections(), 4u);
    RawClient fresh(server.endpoint(), tls());
    ASSERT_TRUE(fresh.send(get("/")));
    EXPECT_EQ(fresh.answer().status, 200) << "whoever comes is served";
    ASSERT_TRUE(used.send(get("/")));
    EXPECT_EQ(used.answer().status, 200) << "whoever was there before stays";
    HttpServer::Counts counts;
    server.on_loop([&] { counts = server.server().counts(); });
    EXPECT_EQ(counts.accepted, 14u);
    EXPECT_EQ(counts.evicted, 10u);
    EXPECT_EQ(counts.turned_away, 0u);
}

TEST_P(HttpServerLimits, connections_at_work_are_never_closed_for_new_ones) {
    std::mutex mutex;
    std::vector<HttpServer::Responder> held;
    RunningServer server(tls(), {.max_connections = 2}, [&](HttpRequest, HttpServer::Responder respond) {
        const std::lock_guard lock(mutex);
        held.push_back(std::move(respond));
    });
    RawClient a(server.endpoint(), tls()), b(server.endpoint(), tls());
    ASSERT_TRUE(a.send(get("/")));
    ASSERT_TRUE(b.send(get("/")));
    const auto deadline = monotonic_ms() + kPatienceMs;
    for (std::size_t in_work = 0; in_work < 2 && monotonic_ms() < deadline;) {
        const std::lock_guard lock(mutex);
        in_work = held.size();
    }
    RawClient c(server.endpoint(), false);
    (void)c.rest(); // closed at once
    EXPECT_TRUE(server.wait_for_connections(2));
    server.on_loop([&] {
        for (const auto& respond : held)
            respond(HttpResponse::text(200, "ok"));
        held.clear();
    });
    EXPECT_EQ(a.answer().status, 200);
    EXPECT_EQ(b.answer().status, 200);
}

TEST_P(HttpServerLimits, bodies_beyond_the_servers_budget_get_503_and_small_requests_go_on) {
    RunningServer server(tls(), {.max_held_bytes = 300'000}, ok);
    std::vector<std::unique_ptr<RawClient>> greedy;
    const std::string half(200'000, 'x');
    for (int i = 0; i < 4; ++i) {
        greedy.push_back(std::make_unique<RawClient>(server.endpoint(), tls()));
        (void)greedy.back()->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + half);
    }
    int refused = 0;
    for (const auto& client : greedy)
        if (client->something_came(500)) {
            const auto answer = client->answer();
            EXPECT_EQ(answer.status, 503);
            EXPECT_EQ(answer.header("retry-after"), "1");
            ++refused;
        }
    EXPECT_GE(refused, 2);
    RawClient small(server.endpoint(), tls());
    ASSERT_TRUE(small.send(post("/", std::string(1'000, 'y'))));
    EXPECT_EQ(small.answer().status, 200);
    greedy.clear();
    ASSERT_TRUE(server.wait_for_connections(1));
    RawClient large(server.endpoint(), tls());
    ASSERT_TRUE(large.send(post("/", std::string(250'000, 'z'))));
    EXPECT_EQ(large.answer().status, 200) << "what was held was given back";
}

// In a process of its own, since it uses up the process's descriptors.
TEST(HttpServerDescriptors, running_out_of_them_pauses_accepting_without_spinning) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        alarm(30);
        EventLoop loop;
        Endpoint endpoint;
        Fd listener = listen_anywhere(endpoint);
        HttpServer server(loop, std::move(listener), nullptr, {}, ok);
        Fd client(std::move(*connect_to(endpoint, kPatienceMs)));
        std::vector<Fd> all;
        const rlimit few{64, 64};
        setrlimit(RLIMIT_NOFILE, &few);
        for (int fd = 0; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
            all.emplace_back(fd);
        Fd null(open("/dev/null", O_RDONLY));
        dup2(all.front().get(), STDERR_FILENO); // the warning is expected
        bool freed_too_early = true;
        std::size_t accepted_early = 0;
        timespec used_before{}, used_after{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used_before);
        loop.after(500, [&] {
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used_after);
            accepted_early = server.connections();
            freed_too_early = false;
            all.clear();
        });
        loop.after(1'000, [&] { loop.stop(); });
        loop.run();
        const long used_ms = (used_after.tv_sec - used_before.tv_sec) * 1000 +
                             (used_after.tv_nsec - used_before.tv_nsec) / 1'000'000;
        const bool good =
            !freed_too_early && accepted_early == 0 && server.connections() == 1 && used_ms < 100;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_P(HttpServerLimits, garbage_and_sudden_ends_leave_nothing_behind) {
    RunningServer server(tls(), {}, ok);
    std::uint32_t state = 1;
    const auto random = [&state] { return state = state * 1'664'525 + 1'013'904'223, state >> 16; };
    for (int i = 0; i < 200; ++i) {
        RawClient client(server.endpoint(), i % 2 == 0 && tls());
        std::string bytes;
        if (random() % 2 == 0)
            bytes = get("/") + get("/");
        for (std::uint32_t n = random() % 300; n > 0; --n)
            bytes.push_back(static_cast<char>(random()));
        (void)client.send(bytes);
        if (random() % 3 == 0) {
            const linger reset{1, 0};
            setsockopt(client.stream().fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
    }
    EXPECT_TRUE(server.wait_for_connections(0));
    RawClient good(server.endpoint(), tls());
    ASSERT_TRUE(good.send(get("/")));
    EXPECT_EQ(good.answer().status, 200);
}

} // namespace
} // namespace redoubt::net::tests
