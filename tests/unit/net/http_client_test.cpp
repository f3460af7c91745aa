// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.h"

#include "support.h"

namespace redoubt::net::tests {
namespace {

HttpRequest request_for(const std::string& target, const std::string& method = "GET") {
    HttpRequest request;
    request.method = method;
    request.target = target;
    request.authority = "localhost";
    return request;
}

// Plays a fixed part on each connection in turn, with blocking sockets.
class ScriptedServer {
  public:
    using Part = std::function<void(int fd)>;
    explicit ScriptedServer(std::vector<Part> parts) : listener_(listen_anywhere(endpoint_)) {
        thread_ = std::thread([this, parts = std::move(parts)] {
            for (const Part& part : parts) {
                pollfd item{listener_.get(), POLLIN, 0};
                if (poll(&item, 1, kPatienceMs) != 1)
                    return;
                const Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
                ++accepted_;
                part(fd.get());
            }
        });
    }
    ~ScriptedServer() { thread_.join(); }
    const Endpoint& endpoint() const { return endpoint_; }
    int accepted() const { return accepted_; }

  private:
    Endpoint endpoint_;
    Fd listener_;
    std::atomic<int> accepted_{0};
    std::thread thread_;
};

std::string receive_head(int fd) {
    std::string out;
    char byte = 0;
    while (!out.ends_with("\r\n\r\n") && recv(fd, &byte, 1, 0) == 1)
        out.push_back(byte);
    return out;
}
void say(int fd, std::string_view text) {
    (void)!::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}
void answer_once(int fd, std::string_view answer) {
    (void)receive_head(fd);
    say(fd, answer);
}

HttpServer::Handler echo_handler() {
    return [](HttpRequest request, HttpServer::Responder respond) {
        HttpResponse response = HttpResponse::text(200, request.method + " " + request.target + " ");
        append(response.body, request.body);
        respond(std::move(response));
    };
}

TEST(HttpClient, sends_and_receives_over_plain_and_tls_and_reuses_its_connection) {
    for (const bool tls : {false, true}) {
        RunningServer server(tls, {}, echo_handler());
        HttpClient client(server.endpoint(), tls ? &client_tls() : nullptr, "localhost");
        for (std::size_t i = 0; i < 5; ++i) {
            HttpRequest request = request_for("/n" + std::to_string(i), "POST");
            request.body = to_bytes(std::string(i * 50'000, 'b'));
            const auto response = client.send(request, kPatienceMs);
            ASSERT_TRUE(response) << response.error().describe();
            EXPECT_EQ(response->status, 200);
            EXPECT_EQ(body_of(*response), "POST /n" + std::to_string(i) + " " + std::string(i * 50'000, 'b'));
        }
        EXPECT_EQ(server.connections(), 1u);
        const auto head = client.send(request_for("/", "HEAD"), kPatienceMs);
        ASSERT_TRUE(head);
        EXPECT_TRUE(head->body.empty());
        EXPECT_EQ(server.connections(), 1u);
        client.close();
        EXPECT_TRUE(server.wait_for_connections(0));
        EXPECT_TRUE(client.send(request_for("/"), kPatienceMs));
    }
}

TEST(HttpClient, refuses_a_certificate_of_another_name_or_authority) {
    RunningServer server(true, {}, echo_handler());
    HttpClient wrong_name(server.endpoint(), &client_tls(), "kms.eu-central-1.amazonaws.com");
    const auto refused = wrong_name.send(request_for("/"), kPatienceMs);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::TlsFailed);

    const Identity other = Identity::make({"localhost"});
    const TlsContext context = other.client_context();
    HttpClient wrong_root(server.endpoint(), &context, "localhost");
    EXPECT_EQ(wrong_root.send(request_for("/"), kPatienceMs).error().code, Code::TlsFailed);

    HttpClient no_name(server.endpoint(), &client_tls(), "");
    EXPECT_EQ(no_name.send(request_for("/"), kPatienceMs).error().code, Code::TlsFailed);

    HttpClient by_address(server.endpoint(), &client_tls(), "127.0.0.1");
    EXPECT_TRUE(by_address.send(request_for("/"), kPatienceMs));
}

TEST(HttpClient, tls_to_a_server_without_it_fails_as_tls) {
    ScriptedServer server({[](int fd) { answer_once(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); }});
    HttpClient client(server.endpoint(), &client_tls(), "localhost");
    // The scripted server waits for the end of a head that a TLS client never sends.
    const auto result = client.send(request_for("/"), 300);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Timeout);
    client.close();
}

TEST(HttpClient, its_deadline_covers_the_whole_exchange) {
    // Bytes keep coming, and the answer never ends.
    ScriptedServer server({[](int fd) {
        answer_once(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        const auto deadline = monotonic_ms() + 2'000;
        while (monotonic_ms() < deadline && ::send(fd, "x", 1, MSG_NOSIGNAL) == 1)
            usleep(5'000);
    }});
    HttpClient client(server.endpoint(), nullptr, "");
    const auto start = monotonic_ms();
    const auto result = client.send(request_for("/"), 200);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::Timeout);
    EXPECT_GE(monotonic_ms() - start, 200);
    EXPECT_LT(monotonic_ms() - start, 1'500);
}

TEST(HttpClient, a_server_that_never_shakes_hands_or_never_reads_times_out) {
    ScriptedServer silent({[](int fd) {
        char byte = 0;
        while (recv(fd, &byte, 1, 0) == 1) {
        }
    }});
    HttpClient tls(silent.endpoint(), &client_tls(), "localhost");
    EXPECT_EQ(tls.send(request_for("/"), 100).error().code, Code::Timeout);

    std::promise<void> over;
    ScriptedServer deaf({[&](int) { over.get_future().wait(); }});
    HttpClient plain(deaf.endpoint(), nullptr, "");
    HttpRequest large = request_for("/", "POST");
    large.body.resize(64 << 20);
    EXPECT_EQ(plain.send(large, 100).error().code, Code::Timeout);
    over.set_value();
}

TEST(HttpClient, an_answer_that_is_cut_short_or_malformed_is_bad) {
    const std::vector<std::string> answers{
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "nonsense\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    };
    for (const std::string& answer : answers) {
        ScriptedServer server({[&](int fd) { answer_once(fd, answer); }});
        HttpClient client(server.endpoint(), nullptr, "");
        const auto result = client.send(request_for("/"), kPatienceMs);
        ASSERT_FALSE(result) << answer;
        EXPECT_EQ(result.error().code, Code::BadRequest) << answer;
    }
}

TEST(HttpClient, takes_an_answer_that_lasts_until_the_end) {
    ScriptedServer server({[](int fd) { answer_once(fd, "HTTP/1.1 200 OK\r\n\r\nall of it"); }});
    HttpClient client(server.endpoint(), nullptr, "");
    const auto result = client.send(request_for("/"), kPatienceMs);
    ASSERT_TRUE(result);
    EXPECT_EQ(body_of(*result), "all of it");
}

TEST(HttpClient, over_tls_an_answer_until_the_end_needs_the_end_to_be_said) {
    for (const bool says_so : {true, false}) {
        ScriptedServer server({[says_so](int fd) {
            Stream stream = std::move(*Stream::tls_server(server_tls(), Fd(dup(fd))));
            ASSERT_EQ(stream.handshake(), Io::Done); // the socket blocks
            std::array<std::uint8_t, 4096> buffer;
            std::size_t n = 0;
            ASSERT_EQ(stream.read(buffer, n), Io::Done);
            ASSERT_EQ(stream.write(as_bytes("HTTP/1.1 200 OK\r\n\r\nsend 100 to Mallory unless"), n),
                      Io::Done);
            if (says_so)
                stream.shutdown();
        }});
        HttpClient client(server.endpoint(), &client_tls(), "localhost");
        const auto result = client.send(request_for("/"), kPatienceMs);
        EXPECT_EQ(result.has_value(), says_so);
        if (!result) {
            EXPECT_EQ(result.error().code, Code::BadRequest);
        }
    }
}

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(HttpClient, replaces_a_kept_connection_that_was_closed) {
    ScriptedServer server({[](int fd) { answer_once(fd, kOk); }, [](int fd) { answer_once(fd, kOk); }});
    HttpClient client(server.endpoint(), nullptr, "");
    ASSERT_TRUE(client.send(request_for("/"), kPatienceMs));
    usleep(50'000); // the end has arrived
    ASSERT_TRUE(client.send(request_for("/"), kPatienceMs));
    EXPECT_EQ(server.accepted(), 2);
}

TEST(HttpClient, replaces_a_kept_connection_that_dies_under_the_request_but_only_once) {
    const auto once_then_hang_up = [](int fd) {
        answer_once(fd, kOk);
        (void)receive_head(fd); // the second request is taken, and never answered
    };
    {
        ScriptedServer server({once_then_hang_up, [](int fd) { answer_once(fd, kOk); }});
        HttpClient client(server.endpoint(), nullptr, "");
        ASSERT_TRUE(client.send(request_for("/"), kPatienceMs));
        ASSERT_TRUE(client.send(request_for("/"), kPatienceMs));
        EXPECT_EQ(server.accepted(), 2);
    }
    ScriptedServer server({once_then_hang_up, [](int fd) { (void)receive_head(fd); }});
    HttpClient client(server.endpoint(), nullptr, "");
    ASSERT_TRUE(client.send(request_for("/"), kPatienceMs));
    const auto result = client.send(request_for("/"), kPatienceMs);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::ConnectFailed);
    EXPECT_EQ(server.accepted(), 2);
}

TEST(HttpClient, does_not_repeat_a_request_whose_answer_had_begun) {
    ScriptedServer server({[](int fd) {
        answer_once(fd, kOk);
        answer_once(fd, "HTTP/1.1 200 OK\r\nContent-");
    }});
    HttpClient client(server.endpoint(), nullptr, "");
    ASSERT_TRUE(client.send(request_for("/"), kPatienceMs));
    const auto result = client.send(request_for("/"), kPatienceMs);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::BadRequest);
    EXPECT_EQ(server.accepted(), 1);
}

TEST(HttpClient, does_not_reuse_a_connection_that_carried_more_than_the_answer) {
    const std::string forged = std::string(kOk) + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    ScriptedServer server({[&](int fd) { answer_once(fd, forged); }, [](int fd) { answer_once(fd, kOk); }});
    HttpClient client(server.endpoint(), nullptr, "");
    EXPECT_EQ(body_of(client.send(request_for("/"), kPatienceMs).value()), "ok");
    EXPECT_EQ(body_of(client.send(request_for("/"), kPatienceMs).value()), "ok");
    EXPECT_EQ(server.accepted(), 2);
}

TEST(HttpClient, does_not_take_bytes_that_came_unasked_for_the_next_answer) {
    std::promise<void> said;
    ScriptedServer server({[&said](int fd) {
                               answer_once(fd, kOk);
                               usleep(20'000);
                               say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
                               said.set_value();
                               (void)receive_head(fd);
                           },
                           [](int fd) { answer_once(fd, kOk); }});
    HttpClient client(server.endpoint(), nullptr, "");
    EXPECT_EQ(body_of(client.send(request_for("/"), kPatienceMs).value()), "ok");
    said.get_future().wait();
    usleep(50'000); // through the loopback
    EXPECT_EQ(body_of(client.send(request_for("/"), kPatienceMs).value()), "ok");
}

TEST(HttpClient, takes_the_answer_of_a_server_that_did_not_want_to_read_everything) {
    RunningServer server(false, {.limits = {.body = 1000}}, echo_handler());
    HttpClient client(server.endpoint(), nullptr, "");
    HttpRequest large = request_for("/", "POST");
    large.body.resize(8 << 20);
    const auto result = client.send(large, kPatienceMs);
    ASSERT_TRUE(result) << result.error().describe();
    EXPECT_EQ(result->status, 413);
    EXPECT_EQ(client.send(request_for("/"), kPatienceMs)->status, 200);
}

TEST(HttpClient, refuses_to_send_what_would_be_read_differently) {
    HttpClient client(*parse_endpoint("tcp:127.0.0.1:1"), nullptr, "");
    HttpRequest bad = request_for("/a b");
    EXPECT_EQ(client.send(bad, 1'000).error().code, Code::BadRequest);
    bad = request_for("/");
    bad.headers.push_back({"x", "a\r\nHost: b"});
    EXPECT_EQ(client.send(bad, 1'000).error().code, Code::BadRequest);
    bad = request_for("/", "GET / HTTP/1.1\r\n");
    EXPECT_EQ(client.send(bad, 1'000).error().code, Code::BadRequest);
    bad = request_for("/");
    bad.authority = "a\r\nX: b";
    EXPECT_EQ(client.send(bad, 1'000).error().code, Code::BadRequest);
    EXPECT_EQ(client.send(request_for("/"), 1'000).error().code, Code::ConnectFailed);
}

} // namespace
} // namespace redoubt::net::tests
