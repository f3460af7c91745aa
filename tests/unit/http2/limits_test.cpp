// SPDX-License-Identifier: Apache-2.0
// Hostile and slow clients: what one connection can cost is bounded, and others are served meanwhile.
#include "support.h"

#include <algorithm>
#include <sys/socket.h>
#include <unistd.h>

namespace redoubt::http2::tests {
namespace {

constexpr std::uint32_t kCalm = NGHTTP2_ENHANCE_YOUR_CALM;

std::string repeated(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i)
        out += text;
    return out;
}

TEST(Http2Limits, floods_of_frames_end_their_connection) {
    RunningServer server({}, ok);
    const std::string open = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, kGetBlock);
    const struct {
        const char* what;
        std::string bytes;
    } cases[] = {
        {"PING", repeated(frame(NGHTTP2_PING, 0, 0, "12345678"), 20'000)},
        {"SETTINGS", repeated(frame(NGHTTP2_SETTINGS, 0, 0), 20'000)},
        {"WINDOW_UPDATE", repeated(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string("\0\0\0\1", 4)), 20'000)},
        {"PRIORITY", repeated(frame(NGHTTP2_PRIORITY, 0, 3, std::string("\0\0\0\0\7", 5)), 20'000)},
        {"DATA of nothing", open + repeated(frame(NGHTTP2_DATA, 0, 1), 20'000)},
        {"DATA of padding",
         open + repeated(frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, std::string(1, '\0')), 20'000)},
        {"CONTINUATION",
         frame(NGHTTP2_HEADERS, 0, 1, kGetBlock) + repeated(frame(NGHTTP2_CONTINUATION, 0, 1), 20'000)},
    };
    for (const auto& [what, bytes] : cases) {
        Frames client(server.endpoint());
        (void)client.send(bytes); // which may end in its middle
        const auto told = client.goaway();
        EXPECT_TRUE(told == kCalm || (told.has_value() && std::string_view(what) == "CONTINUATION"))
            << what << ": " << told.value_or(9'999);
    }
    Client other(server.endpoint());
    EXPECT_EQ(other.answer(other.get("/")).status(), 200);
}

TEST(Http2Limits, whoever_resets_again_and_again_is_sent_away) {
    std::atomic<int> handled = 0;
    RunningServer server({}, [&](const HttpRequest& request, const HttpServer::Responder& respond) {
        ++handled;
        ok(request, respond);
    });
    std::string bytes;
    for (std::uint32_t i = 0; i < 10'000; ++i)
        bytes += frame(NGHTTP2_HEADERS, 5, 2 * i + 1, kGetBlock) +
                 frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, std::string("\0\0\0\x8", 4));
    Frames client(server.endpoint());
    (void)client.send(bytes);
    EXPECT_EQ(client.goaway(), kCalm);
    EXPECT_LT(handled, 300);
}

// As resets, but it is the server that is made to send them.
TEST(Http2Limits, whoever_makes_the_server_reset_again_and_again_is_sent_away) {
    RunningServer server({}, ok);
    std::string bytes;
    for (std::uint32_t i = 0; i < 10'000; ++i)
        bytes += frame(NGHTTP2_HEADERS, 5, 2 * i + 1, kGetBlock) +
                 frame(NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, "\x7f\xff\xff\xff"); // more than a window has
    Frames client(server.endpoint());
    (void)client.send(bytes);
    EXPECT_EQ(client.goaway(), kCalm);
}

TEST(Http2Limits, whoever_is_refused_again_and_again_is_sent_away) {
    RunningServer server({}, ok);
    Client client(server.endpoint());
    for (int i = 0; i < 1'000 && !client.goaway; ++i) {
        const auto id = client.get("not a path");
        client.until([&] { return client.answers[id].closed || client.goaway; });
    }
    EXPECT_EQ(client.goaway, kCalm);
}

TEST(Http2Limits, whoever_half_closes_and_never_takes_his_answer_is_not_kept) {
    RunningServer server({.write_timeout_ms = 200}, ok);
    Frames client(server.endpoint(), false);
    ASSERT_TRUE(client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                            frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\4\0\0\0\0", 6)) + // no window
                            frame(NGHTTP2_HEADERS, 5, 1, kGetBlock)));
    auto& stream = client.raw().stream();
    ASSERT_TRUE(
        client.raw().receive_more()); // settings, and soon the head of an answer without room for its body
    stream.shutdown();
    (void)::shutdown(stream.fd(), SHUT_WR);
    std::size_t left = 1;
    for (int i = 0; i < kPatienceMs / 10 && left != 0; ++i) {
        server.on_loop([&] { left = server.server().connections(); });
        usleep(10'000);
    }
    EXPECT_EQ(left, 0U);
}

TEST(Http2Limits, requests_that_were_reset_are_in_work_until_they_are_answered) {
    std::vector<HttpServer::Responder> waiting;
    RunningServer server({.max_streams = 10}, [&](const HttpRequest&, HttpServer::Responder respond) {
        waiting.push_back(std::move(respond));
    });
    Client client(server.endpoint());
    ASSERT_TRUE(client.until([&] {
        return nghttp2_session_get_remote_settings(client.session(),
                                                   NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == 10;
    }));
    for (int i = 0; i < 10; ++i) {
        const auto id = client.get("/");
        client.flush();
        client.reset(id);
    }
    const auto refused = client.get("/");
    EXPECT_EQ(client.answer(refused).error, std::uint32_t{NGHTTP2_REFUSED_STREAM});
    server.on_loop([&] {
        EXPECT_EQ(waiting.size(), 10U);
        for (const auto& respond : waiting)
            EXPECT_TRUE(respond.client_gone());
        waiting.clear();
    });
    const auto id = client.get("/");
    client.flush();
    for (int i = 0; i < 1'000; ++i) {
        bool came = false;
        server.on_loop([&] {
            came = !waiting.empty();
            if (came)
                waiting.front()(HttpResponse::text(200, "served"));
        });
        if (came)
            break;
        usleep(2'000);
    }
    EXPECT_EQ(client.answer(id).body, "served");
}

TEST(Http2Limits, more_streams_than_were_allowed_are_not_served) {
    std::vector<HttpServer::Responder> waiting;
    RunningServer server({.max_streams = 5}, [&](const HttpRequest&, HttpServer::Responder respond) {
        waiting.push_back(std::move(respond));
    });
    std::string bytes; // the settings not acknowledged: the client has not promised anything
    for (std::uint32_t i = 0; i < 20; ++i)
        bytes += frame(NGHTTP2_HEADERS, 5, 2 * i + 1, kGetBlock);
    Frames client(server.endpoint());
    ASSERT_TRUE(client.send(bytes + frame(NGHTTP2_PING, 0, 0, "12345678")));
    ASSERT_TRUE(client.raw().receive_more());
    usleep(50'000);
    server.on_loop([&] {
        EXPECT_LE(waiting.size(), 5U);
        EXPECT_GE(waiting.size(), 1U);
        waiting.clear();
    });
}

TEST(Http2Limits, whoever_opens_more_streams_than_it_may_again_and_again_is_sent_away) {
    RunningServer server({.max_streams = 5}, [](const HttpRequest&, const HttpServer::Responder&) {});
    std::string bytes;
    for (std::uint32_t i = 0; i < 10'000; ++i)
        bytes += frame(NGHTTP2_HEADERS, 4, 2 * i + 1, kGetBlock);
    Frames client(server.endpoint());
    (void)client.send(bytes);
    EXPECT_EQ(client.goaway(), kCalm);
}

TEST(Http2Limits, a_request_that_drips_in_is_answered_with_408) {
    RunningServer server({.request_timeout_ms = 200}, ok);
    Client client(server.endpoint());
    const auto slow = client.ask(head("POST", "/"), "b", false);
    EXPECT_EQ(client.answer(client.get("/")).status(), 200);
    const Answer answer = client.answer(slow);
    EXPECT_EQ(answer.status(), 408);
    EXPECT_EQ(client.answer(client.get("/")).status(), 200);
}

TEST(Http2Limits, a_head_that_drips_in_ends_its_connection) {
    RunningServer server({.request_timeout_ms = 200}, ok);
    Frames client(server.endpoint());
    ASSERT_TRUE(client.send(frame(NGHTTP2_HEADERS, 1, 1, kGetBlock)));
    EXPECT_EQ(client.goaway(), kCalm);
}

TEST(Http2Limits, a_client_that_does_not_greet_is_ended) {
    RunningServer server({.request_timeout_ms = 200}, ok);
    Frames client(server.endpoint(), false);
    ASSERT_TRUE(client.send("PRI * HTTP/2.0\r\n"));
    EXPECT_EQ(client.goaway(), std::uint32_t{NGHTTP2_SETTINGS_TIMEOUT});
}

TEST(Http2Limits, an_idle_connection_is_ended_with_a_goodbye_though_it_pings) {
    RunningServer server({.idle_timeout_ms = 400}, ok);
    Client client(server.endpoint());
    EXPECT_EQ(client.answer(client.get("/")).status(), 200);
    const auto begun = monotonic_ms();
    while (monotonic_ms() - begun < kPatienceMs) {
        nghttp2_submit_ping(client.session(), NGHTTP2_FLAG_NONE, nullptr);
        client.flush();
        if (client.raw().something_came(50) &&
            client.raw().take().find(std::string("\x07\0\0\0\0\0", 6)) != std::string::npos)
            break; // a GOAWAY's type, flags and stream
    }
    EXPECT_LT(monotonic_ms() - begun, kPatienceMs);
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST(Http2Limits, an_answer_that_its_stream_has_no_window_for_is_given_up) {
    RunningServer server({.write_timeout_ms = 200},
                         [](const HttpRequest&, const HttpServer::Responder& respond) {
                             respond(HttpResponse::text(200, std::string(1'000, 'x')));
                         });
    Client client(server.endpoint(), {.window = 0, .updates_windows = false});
    const auto id = client.get("/");
    const Answer answer = client.answer(id);
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.error, std::uint32_t{NGHTTP2_CANCEL});
    EXPECT_FALSE(client.goaway);
}

TEST(Http2Limits, a_connection_that_takes_none_of_its_answers_is_closed) {
    RunningServer server({.write_timeout_ms = 200},
                         [](const HttpRequest&, const HttpServer::Responder& respond) {
                             respond(HttpResponse::text(200, std::string(100'000, 'x')));
                         });
    Client client(server.endpoint(),
                  {.window = 1 << 20, .updates_windows = false}); // the connection's is 64 KiB
    client.get("/");
    client.until([] { return false; });
    EXPECT_EQ(client.goaway, kCalm);
}

TEST(Http2Limits, a_window_that_opens_byte_by_byte_does_not_keep_an_answer) {
    RunningServer server({.write_timeout_ms = 200},
                         [](const HttpRequest&, const HttpServer::Responder& respond) {
                             respond(HttpResponse::text(200, std::string(100'000, 'x')));
                         });
    Client client(server.endpoint(), {.window = 0, .updates_windows = false});
    const auto id = client.get("/");
    const auto begun = monotonic_ms();
    while (!client.answers[id].closed && monotonic_ms() - begun < kPatienceMs) {
        nghttp2_submit_window_update(client.session(), NGHTTP2_FLAG_NONE, id, 1);
        client.until([&, before = client.answers[id].body.size()] {
            return client.answers[id].closed || client.answers[id].body.size() > before;
        });
        usleep(5'000);
    }
    EXPECT_EQ(client.answers[id].error, std::uint32_t{NGHTTP2_CANCEL});
    EXPECT_LT(client.answers[id].body.size(), 1'000U);
}

TEST(Http2Limits, answers_that_nobody_takes_stop_further_requests_from_being_handed_on) {
    std::atomic<int> handled = 0;
    RunningServer server({}, [&](const HttpRequest&, const HttpServer::Responder& respond) {
        ++handled;
        respond(HttpResponse::text(200, std::string(100'000, 'x')));
    });
    Client client(server.endpoint(), {.window = 0, .updates_windows = false});
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 100; ++i)
        ids.push_back(client.get("/"));
    ASSERT_TRUE(client.until([&] { return client.answers.size() >= 3; }));
    usleep(50'000);
    EXPECT_EQ(handled, 3); // more than 256 KiB wait then
    const nghttp2_settings_entry wide[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}};
    nghttp2_submit_settings(client.session(), NGHTTP2_FLAG_NONE, wide, 1);
    nghttp2_session_set_local_window_size(client.session(), NGHTTP2_FLAG_NONE, 0, 1 << 30);
    for (const auto id : ids)
        EXPECT_EQ(client.answer(id).body.size(), 100'000U);
    EXPECT_EQ(handled, 100);
}

TEST(Http2Limits, bodies_beyond_what_the_server_holds_are_refused_where_a_connection_has_many) {
    std::vector<HttpServer::Responder> waiting;
    RunningServer server({.max_held_bytes = 300'000},
                         [&](const HttpRequest& request, HttpServer::Responder respond) {
                             if (request.path == "/hold")
                                 waiting.push_back(std::move(respond));
                             else
                                 respond(HttpResponse::text(200, "ok"));
                         });
    Client greedy(server.endpoint());
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 4; ++i)
        ids.push_back(greedy.post("/hold", std::string(100'000, 'b')));
    const auto count = [&](int status) {
        return std::ranges::count_if(ids, [&](auto id) { return greedy.answers[id].status() == status; });
    };
    ASSERT_TRUE(greedy.until([&] { return count(503) == 1; })); // whose body was coming when it was too much
    for (const auto id : ids)
        if (greedy.answers[id].status() == 503) {
            EXPECT_EQ(greedy.answers[id].fields.at("retry-after"), "1");
        }
    Client modest(server.endpoint());
    EXPECT_EQ(modest.answer(modest.post("/", std::string(10'000, 'b'))).status(), 200);
    // The others are with the handler when their bodies are whole, for which the client gets more windows.
    std::size_t with_handler = 0;
    ASSERT_TRUE(greedy.until([&] {
        server.on_loop([&] { with_handler = waiting.size(); });
        if (with_handler < 3)
            nghttp2_submit_ping(greedy.session(), NGHTTP2_FLAG_NONE, nullptr); // has an answer to wait for
        greedy.flush();
        return with_handler == 3;
    }));
    server.on_loop([&] { waiting.clear(); });
    ASSERT_TRUE(greedy.until([&] { return count(500) == 3; }));
    EXPECT_EQ(greedy.answer(greedy.post("/", std::string(200'000, 'b'))).status(), 200);
}

TEST(Http2Limits, idle_connections_make_room) {
    RunningServer server({.max_connections = 2}, ok);
    Client first(server.endpoint());
    EXPECT_EQ(first.answer(first.get("/")).status(), 200);
    Client second(server.endpoint());
    EXPECT_EQ(second.answer(second.get("/")).status(), 200);
    Client third(server.endpoint());
    EXPECT_EQ(third.answer(third.get("/")).status(), 200);
    EXPECT_TRUE(first.ended());
    EXPECT_EQ(server.counts().evicted, 1U);
    EXPECT_EQ(second.answer(second.get("/")).status(), 200);
}

} // namespace
} // namespace redoubt::http2::tests
