// SPDX-License-Identifier: Apache-2.0
// Requests that are refused: each with an answer that says why, and no other one of the connection suffers.
#include "support.h"

namespace redoubt::http2::tests {
namespace {

struct Case {
    const char* what;
    Fields fields;
    int status;
};

Fields without(const char* name) {
    Fields out = head("GET", "/");
    std::erase_if(out, [&](const auto& field) { return field.first == name; });
    return out;
}
Fields replaced(const char* name, std::string value) {
    Fields out = head("GET", "/");
    for (auto& field : out)
        if (field.first == name)
            field.second = value;
    return out;
}
Fields plus(Fields more) {
    return head("GET", "/", std::move(more));
}
Fields host_alone() {
    Fields out = without(":authority");
    out.emplace_back("host", "localhost");
    return out;
}

std::vector<Case> cases() {
    Fields early = head("GET", "/");
    early.insert(early.begin(), {"x", "y"});
    std::vector<Case> out{
        {"a plain one", head("GET", "/"), 200},
        {"host instead of :authority", host_alone(), 200},
        {"host as :authority", plus({{"host", "localhost"}}), 200},
        {"another host", plus({{"host", "localhost:1"}}), 400},
        {"two hosts", plus({{"host", "localhost"}, {"host", "localhost"}}), 400},
        {"no method", without(":method"), 400},
        {"no scheme", without(":scheme"), 400},
        {"no path", without(":path"), 400},
        {"no authority", without(":authority"), 400},
        {"another scheme", replaced(":scheme", "http"), 400},
        {"an empty path", replaced(":path", ""), 400},
        {"a path that is an URL", replaced(":path", "https://localhost/"), 400},
        {"a path with a space", replaced(":path", "/a b"), 400},
        {"a path with a fragment", replaced(":path", "/a#b"), 400},
        {"an asterisk", replaced(":path", "*"), 400},
        {"half a percent escape", replaced(":path", "/%4"), 400},
        {"a method that is no token", replaced(":method", "G ET"), 400},
        {"CONNECT", {{":method", "CONNECT"}, {":authority", "localhost:443"}}, 400},
        {"CONNECT with a path", replaced(":method", "CONNECT"), 400},
        {"a user in the authority", replaced(":authority", "me@localhost"), 400},
        {"an empty authority", replaced(":authority", ""), 400},
        {"a pseudo-field twice", plus({{":path", "/"}}), 400},
        {"a pseudo-field after others", early, 400},
        {"an unknown pseudo-field", plus({{":protocol", "websocket"}}), 400},
        {"an answer's pseudo-field", plus({{":status", "200"}}), 400},
        {"a name with a space", plus({{"x y", "z"}}), 400},
        {"an empty name", plus({{"", "z"}}), 400},
        {"a value with a line feed", plus({{"x", "a\nb"}}), 400},
        {"a value with a zero byte", plus({{"x", std::string("a\0b", 3)}}), 400},
        {"a value that begins with a space", plus({{"x", " a"}}), 400},
        {"a value that ends with a tab", plus({{"x", "a\t"}}), 400},
        {"a value with bytes of UTF-8", plus({{"x", "h\xc3\xa9"}}), 200},
        {"connection", plus({{"connection", "keep-alive"}}), 400},
        {"keep-alive", plus({{"keep-alive", "1"}}), 400},
        {"proxy-connection", plus({{"proxy-connection", "close"}}), 400},
        {"transfer-encoding", plus({{"transfer-encoding", "chunked"}}), 400},
        {"upgrade", plus({{"upgrade", "h2c"}}), 400},
        {"te: trailers", plus({{"te", "trailers"}}), 200},
        {"te: gzip", plus({{"te", "gzip"}}), 400},
        {"another expectation", plus({{"expect", "more"}}), 400},
        {"a length that is none", plus({{"content-length", "+0"}}), 400},
        {"two lengths", plus({{"content-length", "0"}, {"content-length", "0"}}), 400},
        {"a length without a body", plus({{"content-length", "1"}}), 400},
        {"no length at all", plus({{"content-length", "0"}}), 200},
        {"a length over the limit", plus({{"content-length", "1001"}}), 413},
        {"a long path", replaced(":path", "/" + std::string(500, 'p')), 414},
        {"large headers", plus({{"a", std::string(1'500, 'v')}, {"b", std::string(1'500, 'v')}}), 431},
        {"two cookies", plus({{"cookie", "a=1"}, {"cookie", "b=2"}}), 200},
    };
    Fields many;
    for (int i = 0; i < 21; ++i)
        many.emplace_back("h" + std::to_string(i), "v");
    out.push_back({"many headers", plus(many), 431});
    return out;
}

HttpServerOptions small() {
    return {.limits = {.request_line = 500, .header_bytes = 2'000, .headers = 20, .body = 1'000}};
}

TEST(Http2Refusals, each_malformed_head_has_its_answer_and_the_next_request_goes_on) {
    std::atomic<int> handled = 0;
    RunningServer server(small(), [&](const HttpRequest& request, const HttpServer::Responder& respond) {
        ++handled;
        ok(request, respond);
    });
    Client client(server.endpoint());
    int expected = 0;
    for (const auto& [what, fields, status] : cases()) {
        const Answer answer = client.answer(client.ask(fields));
        EXPECT_EQ(answer.status(), status) << what;
        EXPECT_TRUE(answer.ended) << what;
        if (status == 200)
            ++expected;
        else
            EXPECT_NE(answer.body.find("\"error\""), std::string::npos) << what;
    }
    EXPECT_EQ(handled, expected);
    EXPECT_EQ(server.counts().rejected, cases().size() - static_cast<std::size_t>(expected));
    EXPECT_FALSE(client.goaway);
}

TEST(Http2Refusals, bodies_that_are_not_what_their_head_says) {
    RunningServer server(small(), ok);
    Client client(server.endpoint());
    const auto status = [&](const std::string& body, const char* length) {
        return client.answer(client.post("/", body, {{"content-length", length}})).status();
    };
    EXPECT_EQ(status("four", "4"), 200);
    EXPECT_EQ(status("four", "3"), 400);
    EXPECT_EQ(status("four", "5"), 400);
    EXPECT_EQ(client.answer(client.post("/", std::string(1'001, 'b'))).status(), 413);
    const auto id = client.ask(head("POST", "/"), "body", false);
    client.flush();
    client.trailers(id, "x", "y");
    EXPECT_EQ(client.answer(id).status(), 400);
    EXPECT_EQ(client.answer(client.get("/")).status(), 200);
}

TEST(Http2Refusals, an_answer_before_the_requests_end_asks_the_client_to_stop) {
    RunningServer server(small(), ok);
    Client client(server.endpoint());
    const auto id = client.ask(head("POST", "/"), std::string(5'000, 'b'), false);
    const Answer answer = client.answer(id);
    EXPECT_EQ(answer.status(), 413);
    EXPECT_TRUE(answer.ended);
    EXPECT_EQ(answer.error, std::uint32_t{NGHTTP2_NO_ERROR});
    EXPECT_EQ(client.answer(client.get("/")).status(), 200);
}

TEST(Http2Refusals, a_refused_body_gets_no_more_window) {
    RunningServer server({.limits = {.body = 1'000}}, ok);
    Frames client(server.endpoint());
    ASSERT_TRUE(client.send(frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0)));
    ASSERT_TRUE(client.send(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, kGetBlock)));
    // Its window is 256 KiB; DATA beyond is an error of the stream, and all of it together one of the
    // connection.
    const std::string data(16'384, 'd');
    for (int i = 0; i < 200; ++i)
        if (!client.send(frame(NGHTTP2_DATA, 0, 1, data)))
            break;
    client.raw().half_close();
    (void)client.goaway();
    EXPECT_EQ(server.counts().rejected, 1U);
    EXPECT_EQ(server.counts().requests_http2, 0U);
}

TEST(Http2Refusals, frames_that_are_none_end_the_connection_with_a_reason) {
    RunningServer server({}, ok);
    const std::string get = frame(NGHTTP2_HEADERS, 5, 1, kGetBlock);
    const struct {
        const char* what;
        std::string bytes;
        std::optional<std::uint32_t> error;
    } cases[] = {
        {"an unknown HPACK index", frame(NGHTTP2_HEADERS, 5, 1, "\xff\xff\x03"), NGHTTP2_COMPRESSION_ERROR},
        {"a stream of even number", frame(NGHTTP2_HEADERS, 5, 2, kGetBlock), NGHTTP2_PROTOCOL_ERROR},
        {"a stream that goes back", get + frame(NGHTTP2_HEADERS, 5, 3, kGetBlock) + get,
         NGHTTP2_STREAM_CLOSED},
        {"DATA on no stream", frame(NGHTTP2_DATA, 0, 0, "x"), NGHTTP2_PROTOCOL_ERROR},
        {"DATA on a stream that never was", frame(NGHTTP2_DATA, 0, 5, "x"), NGHTTP2_PROTOCOL_ERROR},
        {"a frame that is too large", frame(NGHTTP2_DATA, 0, 1, std::string(17'000, 'x')),
         NGHTTP2_FRAME_SIZE_ERROR},
        {"a PUSH_PROMISE", frame(NGHTTP2_PUSH_PROMISE, 4, 1, std::string("\0\0\0\2", 4) + kGetBlock),
         NGHTTP2_PROTOCOL_ERROR},
        {"SETTINGS of a wrong size", frame(NGHTTP2_SETTINGS, 0, 0, "12345"), NGHTTP2_FRAME_SIZE_ERROR},
        {"a window that overflows", frame(NGHTTP2_WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff"),
         NGHTTP2_FLOW_CONTROL_ERROR},
        {"an update by nothing", frame(NGHTTP2_WINDOW_UPDATE, 0, 0, std::string(4, '\0')),
         NGHTTP2_PROTOCOL_ERROR},
        {"a frame within a head",
         frame(NGHTTP2_HEADERS, 1, 1, kGetBlock) + frame(NGHTTP2_PING, 0, 0, "12345678"),
         NGHTTP2_PROTOCOL_ERROR},
    };
    for (const auto& [what, bytes, error] : cases) {
        Frames client(server.endpoint());
        ASSERT_TRUE(client.send(bytes));
        EXPECT_EQ(client.goaway(), error) << what;
    }
    Frames nonsense(server.endpoint(), false);
    ASSERT_TRUE(nonsense.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_TRUE(nonsense.goaway().has_value());
    EXPECT_EQ(server.counts().rejected, std::size(cases) + 1);
}

TEST(Http2Refusals, unknown_frames_and_priorities_are_passed_over) {
    RunningServer server({}, ok);
    Frames client(server.endpoint());
    ASSERT_TRUE(client.send(
        frame(0x42, 0xff, 7, "whatever") + frame(NGHTTP2_PRIORITY, 0, 1, std::string("\0\0\0\0\7", 5)) +
        frame(0x10, 0, 0, std::string("\0\0\0\1u=0", 7)) + frame(NGHTTP2_HEADERS, 5, 1, kGetBlock)));
    client.raw().half_close();
    EXPECT_EQ(client.goaway(), std::nullopt);
    EXPECT_EQ(server.counts().requests_http2, 1U);
}

} // namespace
} // namespace redoubt::http2::tests
