// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include "base/clock.h"

#include <gtest/gtest.h>
#include <random>

namespace redoubt::net {
namespace {

using Kind = HttpParser::Kind;

struct Outcome {
    std::optional<Code> error;
    bool done = false, head_done = false;
    std::size_t taken = 0;
    HttpRequest request;
    HttpResponse response;
    bool keep_alive = false;
};

// Feeds the pieces that `next_size` cuts.
template<class NextSize>
Outcome feed(Kind kind, std::string_view text, const HttpLimits& limits, NextSize next_size) {
    HttpParser parser(kind, limits);
    Outcome out;
    std::string_view rest = text;
    while (!rest.empty() && !parser.done()) {
        const std::string_view piece = rest.substr(0, std::max<std::size_t>(next_size(), 1));
        const std::string copy(piece); // its own memory: a view kept too long is found by the sanitizer
        const auto taken = parser.feed(as_bytes(copy));
        if (!taken) {
            out.error = taken.error().code;
            EXPECT_FALSE(taken.error().text.view().empty());
            EXPECT_FALSE(parser.feed(as_bytes("x"))); // and stays so
            return out;
        }
        EXPECT_TRUE(*taken == copy.size() || parser.done());
        out.taken += *taken;
        rest.remove_prefix(*taken);
    }
    out.done = parser.done();
    out.head_done = parser.head_done();
    out.keep_alive = parser.keep_alive();
    if (out.done && kind == Kind::Request)
        out.request = parser.take_request();
    if (out.done && kind == Kind::Response)
        out.response = parser.take_response();
    return out;
}

Outcome whole(Kind kind, std::string_view text, const HttpLimits& limits = {}) {
    return feed(kind, text, limits, [&] { return text.size(); });
}

std::string print(const Headers& headers) {
    std::string out;
    for (const auto& [name, value] : headers)
        out += name + "=" + value + ";";
    return out;
}

void expect_same(const Outcome& a, const Outcome& b, std::string_view text) {
    ASSERT_EQ(a.error, b.error) << text;
    ASSERT_EQ(a.done, b.done) << text;
    ASSERT_EQ(a.head_done, b.head_done) << text;
    if (a.error)
        return;
    ASSERT_EQ(a.taken, b.taken) << text;
    ASSERT_EQ(a.request.method, b.request.method) << text;
    ASSERT_EQ(a.request.target, b.request.target) << text;
    ASSERT_EQ(a.request.authority, b.request.authority) << text;
    ASSERT_EQ(print(a.request.headers), print(b.request.headers)) << text;
    ASSERT_EQ(a.request.body, b.request.body) << text;
    ASSERT_EQ(a.request.keep_alive, b.request.keep_alive) << text;
    ASSERT_EQ(a.response.status, b.response.status) << text;
    ASSERT_EQ(print(a.response.headers), print(b.response.headers)) << text;
    ASSERT_EQ(a.response.body, b.response.body) << text;
}

std::string with_headers(const std::string& headers) {
    return "POST / HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}

TEST(HttpRequestParser, reads_a_request) {
    const auto out = whole(Kind::Request, "POST /v1/sign?key=a%20b&x HTTP/1.1\r\n"
                                          "Host: signer.example:8443\r\n"
                                          "Content-Type:application/json\r\n"
                                          "X-Twice: one \t\r\n"
                                          "x-TWICE:\ttwo\r\n"
                                          "X-Empty:\r\n"
                                          "Content-Length: 4\r\n"
                                          "\r\n"
                                          "bodyNEXT");
    ASSERT_TRUE(out.done);
    EXPECT_EQ(out.request.method, "POST");
    EXPECT_EQ(out.request.target, "/v1/sign?key=a%20b&x");
    EXPECT_EQ(out.request.path, "/v1/sign");
    EXPECT_EQ(out.request.query, "key=a%20b&x");
    EXPECT_TRUE(out.request.has_query);
    EXPECT_EQ(out.request.authority, "signer.example:8443");
    EXPECT_EQ(out.request.header("content-type"), "application/json");
    EXPECT_EQ(out.request.header("x-twice"), "one");
    EXPECT_EQ(out.request.count("x-twice"), 2u);
    EXPECT_EQ(out.request.header("x-empty"), "");
    EXPECT_EQ(out.request.count("x-empty"), 1u);
    EXPECT_EQ(out.request.count("x-absent"), 0u);
    EXPECT_EQ(as_text(out.request.body), "body");
    EXPECT_TRUE(out.request.keep_alive);
    EXPECT_FALSE(out.request.expect_continue);
}

TEST(HttpRequestParser, leaves_the_next_message_alone_and_starts_anew) {
    const std::string first = "GET /1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    const std::string second = "GET /2? HTTP/1.1\r\nHost: h\r\n\r\n";
    HttpParser parser(Kind::Request);
    EXPECT_FALSE(parser.started());
    ASSERT_EQ(parser.feed(as_bytes(first + second)).value(), first.size());
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(parser.feed(as_bytes(second)).value(), 0u);
    EXPECT_FALSE(parser.take_request().keep_alive);
    EXPECT_FALSE(parser.started());
    EXPECT_FALSE(parser.done());
    ASSERT_EQ(parser.feed(as_bytes("G")).value(), 1u);
    EXPECT_TRUE(parser.started());
    ASSERT_EQ(parser.feed(as_bytes(second.substr(1))).value(), second.size() - 1);
    const HttpRequest request = parser.take_request();
    EXPECT_EQ(request.path, "/2");
    EXPECT_TRUE(request.has_query);
    EXPECT_EQ(request.query, "");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_EQ(request.headers.size(), 1u);
}

TEST(HttpRequestParser, reads_chunks) {
    const auto out =
        whole(Kind::Request, with_headers("Transfer-Encoding: Chunked\r\n") +
                                 "4\r\nWiki\r\n0000000B\r\npedia in \r\n\r\n1\r\nx\r\n0\r\n\r\nrest");
    ASSERT_TRUE(out.done) << out.error.has_value();
    EXPECT_EQ(as_text(out.request.body), "Wikipedia in \r\nx");
    const auto empty = whole(Kind::Request, with_headers("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n");
    ASSERT_TRUE(empty.done);
    EXPECT_TRUE(empty.request.body.empty());
}

TEST(HttpRequestParser, tells_when_the_head_is_complete_and_a_continuation_is_expected) {
    HttpParser parser(Kind::Request);
    const std::string head = with_headers("Expect: 100-Continue\r\nContent-Length: 1\r\n");
    ASSERT_TRUE(parser.feed(as_bytes(head.substr(0, head.size() - 1))));
    EXPECT_FALSE(parser.head_done());
    ASSERT_TRUE(parser.feed(as_bytes(head.substr(head.size() - 1))));
    EXPECT_TRUE(parser.head_done());
    EXPECT_FALSE(parser.done());
    EXPECT_TRUE(parser.request().expect_continue);
    ASSERT_TRUE(parser.feed(as_bytes("x")));
    EXPECT_TRUE(parser.done());
}

TEST(HttpRequestParser, http_1_0_is_answered_and_closed) {
    const auto out = whole(Kind::Request, "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
    ASSERT_TRUE(out.done);
    EXPECT_FALSE(out.request.keep_alive);
}

TEST(HttpRequestParser, finds_close_among_connection_options) {
    EXPECT_FALSE(whole(Kind::Request, with_headers("Connection: te, CLOSE\r\n")).request.keep_alive);
    EXPECT_FALSE(
        whole(Kind::Request, with_headers("Connection: te\r\nConnection: close\r\n")).request.keep_alive);
    EXPECT_TRUE(whole(Kind::Request, with_headers("Connection: closed, keep-alive\r\n")).request.keep_alive);
}

struct Refusal {
    const char* why;
    std::string text;
    Code code;
};

const std::vector<Refusal>& request_refusals() {
    static const std::string ok_length = "Content-Length: 1\r\n";
    static const std::string chunked = "Transfer-Encoding: chunked\r\n";
    static const std::vector<Refusal> all{
        // The request line
        {"an empty line first", "\r\nGET / HTTP/1.1\r\n", Code::BadRequest},
        {"a bare LF", "GET / HTTP/1.1\nHost: h\r\n\r\n", Code::BadRequest},
        {"a bare LF in the headers", "GET / HTTP/1.1\r\nHost: h\n\r\n", Code::BadRequest},
        {"a bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", Code::BadRequest},
        {"a CR in the request line", "GET /\r HTTP/1.1\r\n", Code::BadRequest},
        {"two CR", "GET / HTTP/1.1\r\r\n", Code::BadRequest},
        {"two spaces", "GET  / HTTP/1.1\r\n", Code::BadRequest},
        {"a space at the end", "GET / HTTP/1.1 \r\n", Code::BadRequest},
        {"a space in front", " GET / HTTP/1.1\r\n", Code::BadRequest},
        {"a tab", "GET\t/ HTTP/1.1\r\n", Code::BadRequest},
        {"no version", "GET /\r\n", Code::BadRequest},
        {"no target", "GET HTTP/1.1\r\n", Code::BadRequest},
        {"no method", "/ HTTP/1.1\r\n", Code::BadRequest},
        {"a method that is no token", "G(T / HTTP/1.1\r\n", Code::BadRequest},
        {"an endless method", std::string(33, 'A') + " / HTTP/1.1\r\n", Code::BadRequest},
        {"HTTP/0.9's version", "GET / HTTP/0.9\r\n", Code::HttpVersion},
        {"HTTP/1.2", "GET / HTTP/1.2\r\n", Code::HttpVersion},
        {"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Code::HttpVersion},
        {"a lower-case version", "GET / http/1.1\r\n", Code::BadRequest},
        {"a version of two digits", "GET / HTTP/1.10\r\n", Code::BadRequest},
        {"absolute-form", "GET http://h/ HTTP/1.1\r\n", Code::BadRequest},
        {"authority-form", "CONNECT h:443 HTTP/1.1\r\n", Code::BadRequest},
        {"asterisk-form", "OPTIONS * HTTP/1.1\r\n", Code::BadRequest},
        {"a fragment", "GET /#x HTTP/1.1\r\n", Code::BadRequest},
        {"a NUL in the target", std::string("GET /\0 HTTP/1.1\r\n", 17), Code::BadRequest},
        {"a raw non-ASCII character", "GET /\xc3\xa9 HTTP/1.1\r\n", Code::BadRequest},
        {"a backslash", "GET /a\\b HTTP/1.1\r\n", Code::BadRequest},
        {"half a percent-encoding", "GET /%2 HTTP/1.1\r\n", Code::BadRequest},
        {"a percent-encoding that is none", "GET /%zz HTTP/1.1\r\n", Code::BadRequest},
        // Headers
        {"a space before the colon", with_headers("X : y\r\n"), Code::BadRequest},
        {"a tab before the colon", with_headers("X\t: y\r\n"), Code::BadRequest},
        {"no name", with_headers(": y\r\n"), Code::BadRequest},
        {"no colon", with_headers("X\r\n"), Code::BadRequest},
        {"a folded header", with_headers("X: y\r\n z\r\n"), Code::BadRequest},
        {"a header folded by a tab", with_headers("X: y\r\n\tz\r\n"), Code::BadRequest},
        {"a space before the first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", Code::BadRequest},
        {"a name with a bracket", with_headers("X[]: y\r\n"), Code::BadRequest},
        {"a non-ASCII name", with_headers("\xc3\xa9: y\r\n"), Code::BadRequest},
        {"a CR in a value", with_headers("X: a\rb\r\n"), Code::BadRequest},
        {"a NUL in a value", with_headers(std::string("X: a\0b\r\n", 8)), Code::BadRequest},
        {"an escape in a value", with_headers("X: \x1b[0m\r\n"), Code::BadRequest},
        {"a DEL in a value", with_headers("X: \x7f\r\n"), Code::BadRequest},
        // Host
        {"no host", "GET / HTTP/1.1\r\n\r\n", Code::BadRequest},
        {"no host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", Code::BadRequest},
        {"two hosts", with_headers("Host: h\r\n"), Code::BadRequest},
        {"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Code::BadRequest},
        {"two hosts in one", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Code::BadRequest},
        {"a host with a user", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", Code::BadRequest},
        {"a host with a path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", Code::BadRequest},
        {"a host with an empty port", "GET / HTTP/1.1\r\nHost: h:\r\n\r\n", Code::BadRequest},
        {"a host with a word for a port", "GET / HTTP/1.1\r\nHost: h:x\r\n\r\n", Code::BadRequest},
        {"half an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Code::BadRequest},
        // Framing
        {"two equal lengths", with_headers(ok_length + ok_length), Code::BadRequest},
        {"two lengths in one", with_headers("Content-Length: 1, 1\r\n"), Code::BadRequest},
        {"a positive length", with_headers("Content-Length: +1\r\n"), Code::BadRequest},
        {"a negative length", with_headers("Content-Length: -1\r\n"), Code::BadRequest},
        {"an empty length", with_headers("Content-Length:\r\n"), Code::BadRequest},
        {"a hexadecimal length", with_headers("Content-Length: 0x1\r\n"), Code::BadRequest},
        {"a length with a leading zero", with_headers("Content-Length: 01\r\n"), Code::BadRequest},
        {"a length with a point", with_headers("Content-Length: 1.0\r\n"), Code::BadRequest},
        {"a length beyond 64 bits", with_headers("Content-Length: 18446744073709551616\r\n"),
         Code::BadRequest},
        {"a length beyond the limit", with_headers("Content-Length: 1048577\r\n"), Code::TooLarge},
        {"a length of 64 bits", with_headers("Content-Length: 18446744073709551615\r\n"), Code::TooLarge},
        {"both framings", with_headers(ok_length + chunked), Code::BadRequest},
        {"both framings, the other way round", with_headers(chunked + ok_length), Code::BadRequest},
        {"two transfer encodings", with_headers(chunked + chunked), Code::BadRequest},
        {"gzip, chunked", with_headers("Transfer-Encoding: gzip, chunked\r\n"), Code::NotImplemented},
        {"chunked, identity", with_headers("Transfer-Encoding: chunked, identity\r\n"), Code::NotImplemented},
        {"identity", with_headers("Transfer-Encoding: identity\r\n"), Code::NotImplemented},
        {"xchunked", with_headers("Transfer-Encoding: xchunked\r\n"), Code::NotImplemented},
        {"an empty transfer encoding", with_headers("Transfer-Encoding:\r\n"), Code::NotImplemented},
        {"chunked with a vertical tab",
         with_headers("Transfer-Encoding: \x0b"
                      "chunked\r\n"),
         Code::BadRequest},
        {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\n" + chunked + "\r\n", Code::BadRequest},
        {"another expectation", with_headers("Expect: 200-ok\r\n"), Code::BadRequest},
        // Chunks
        {"a chunk extension", with_headers(chunked) + "1;a=b\r\nx\r\n0\r\n\r\n", Code::BadRequest},
        {"a space after the size", with_headers(chunked) + "1 \r\nx\r\n0\r\n\r\n", Code::BadRequest},
        {"a prefixed size", with_headers(chunked) + "0x1\r\nx\r\n0\r\n\r\n", Code::BadRequest},
        {"a signed size", with_headers(chunked) + "+1\r\nx\r\n0\r\n\r\n", Code::BadRequest},
        {"a negative size", with_headers(chunked) + "-1\r\nx\r\n0\r\n\r\n", Code::BadRequest},
        {"an empty size", with_headers(chunked) + "\r\n", Code::BadRequest},
        {"a size ended by LF", with_headers(chunked) + "1\nx\r\n0\r\n\r\n", Code::BadRequest},
        {"a size of nine digits", with_headers(chunked) + "000000001\r\nx\r\n", Code::BadRequest},
        {"an endless size", with_headers(chunked) + std::string(100, '0'), Code::BadRequest},
        {"a chunk longer than its size", with_headers(chunked) + "1\r\nxy\r\n0\r\n\r\n", Code::BadRequest},
        {"a chunk ended by LF", with_headers(chunked) + "1\r\nx\n0\r\n\r\n", Code::BadRequest},
        {"trailers", with_headers(chunked) + "0\r\nX: y\r\n\r\n", Code::BadRequest},
        {"an end by LF", with_headers(chunked) + "0\r\n\n", Code::BadRequest},
        {"a chunk beyond the limit", with_headers(chunked) + "100001\r\n", Code::TooLarge},
        {"a chunk of 32 bits", with_headers(chunked) + "ffffffff\r\n", Code::TooLarge},
        {"chunks beyond the limit together",
         with_headers(chunked) + "100000\r\n" + std::string(0x100000, 'x') + "\r\n1\r\n", Code::TooLarge},
        // Limits
        {"a long request line", "GET /" + std::string(8 * 1024, 'a') + " HTTP/1.1\r\n", Code::UriTooLong},
        {"an endless request line", std::string(8 * 1024 + 2, 'a'), Code::UriTooLong},
        {"a long header", with_headers("X: " + std::string(32 * 1024, 'a') + "\r\n"), Code::HeadersTooLarge},
        {"an endless header", with_headers("").substr(0, 26) + std::string(33 * 1024, 'a'),
         Code::HeadersTooLarge},
    };
    return all;
}

TEST(HttpRequestParser, refuses_with_the_right_code_however_the_bytes_come) {
    for (const Refusal& refusal : request_refusals()) {
        const auto out = whole(Kind::Request, refusal.text);
        ASSERT_TRUE(out.error) << refusal.why;
        EXPECT_EQ(*out.error, refusal.code) << refusal.why << ": " << code_name(*out.error);
        const auto by_byte = feed(Kind::Request, refusal.text, {}, [] { return std::size_t{1}; });
        ASSERT_TRUE(by_byte.error) << refusal.why;
        EXPECT_EQ(*by_byte.error, refusal.code) << refusal.why;
    }
}

TEST(HttpRequestParser, limits_are_exact) {
    HttpLimits limits;
    limits.request_line = 30;
    const std::string longest = "GET /" + std::string(16, 'a') + " HTTP/1.1";
    ASSERT_EQ(longest.size(), 30u);
    EXPECT_TRUE(whole(Kind::Request, longest + "\r\nHost: h\r\n\r\n", limits).done);
    EXPECT_EQ(whole(Kind::Request, "P" + longest + "\r\nHost: h\r\n\r\n", limits).error, Code::UriTooLong);

    limits = {};
    limits.headers = 3;
    EXPECT_TRUE(whole(Kind::Request, with_headers("a: b\r\nc: d\r\n"), limits).done);
    EXPECT_EQ(whole(Kind::Request, with_headers("a: b\r\nc: d\r\ne: f\r\n"), limits).error,
              Code::HeadersTooLarge);

    limits = {};
    limits.header_bytes = 20; // "Host: h\r\n" 9, "a: b\r\n" 6, and 5 are left
    EXPECT_TRUE(whole(Kind::Request, with_headers("a: b\r\n"), limits).done);
    EXPECT_EQ(whole(Kind::Request, with_headers("a: b\r\nc: de\r\n"), limits).error, Code::HeadersTooLarge);

    limits = {};
    limits.body = 4;
    EXPECT_TRUE(whole(Kind::Request, with_headers("Content-Length: 4\r\n") + "abcd", limits).done);
    EXPECT_EQ(whole(Kind::Request, with_headers("Content-Length: 5\r\n"), limits).error, Code::TooLarge);
    const std::string chunked = with_headers("Transfer-Encoding: chunked\r\n");
    EXPECT_TRUE(whole(Kind::Request, chunked + "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", limits).done);
    EXPECT_EQ(whole(Kind::Request, chunked + "3\r\nabc\r\n2\r\n", limits).error, Code::TooLarge);
}

TEST(HttpRequestParser, any_split_of_the_bytes_has_the_same_outcome) {
    std::vector<std::string> texts{
        "POST /v1/sign?x HTTP/1.1\r\nHost: h\r\nX: y\r\nContent-Length: 11\r\n\r\nhello worldGET",
        with_headers("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET",
        "GET / HTTP/1.0\r\nHost: [::1]:80\r\nConnection: a,close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost",
    };
    for (const Refusal& refusal : request_refusals())
        if (refusal.text.size() < 4'000)
            texts.push_back(refusal.text);
    std::mt19937_64 random(1);
    // And each with one byte changed, which most often makes it wrong in a way nobody thought of.
    const std::size_t originals = texts.size();
    for (std::size_t i = 0; i < originals; ++i)
        for (int k = 0; k < 30; ++k) {
            std::string changed = texts[i];
            changed[random() % changed.size()] = "\r\n\t :,0A\x80\x01"[random() % 10];
            texts.push_back(changed);
        }
    HttpLimits limits;
    limits.header_bytes = 200;
    limits.request_line = 60;
    limits.body = 64;
    for (const std::string& text : texts) {
        const auto expected = whole(Kind::Request, text, limits);
        expect_same(expected, feed(Kind::Request, text, limits, [] { return std::size_t{1}; }), text);
        for (int i = 0; i < 5; ++i)
            expect_same(expected, feed(Kind::Request, text, limits, [&] { return random() % 9 + 1; }), text);
    }
}

TEST(HttpRequestParser, takes_time_in_proportion_to_the_bytes) {
    // Byte by byte, the largest head and body: quadratic work would take minutes.
    HttpLimits limits;
    limits.request_line = 1 << 20;
    limits.header_bytes = 1 << 20;
    std::string text = "POST /" + std::string(900'000, 'a') +
                       " HTTP/1.1\r\nHost: h\r\nX: " + std::string(900'000, 'b') +
                       "\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 100'000; ++i)
        text += "1\r\nx\r\n";
    text += "0\r\n\r\n";
    const std::int64_t start = monotonic_ms();
    EXPECT_TRUE(feed(Kind::Request, text, limits, [] { return std::size_t{1}; }).done);
    EXPECT_LT(monotonic_ms() - start, 10'000);
}

TEST(HttpRequestParser, does_not_allocate_what_was_only_announced) {
    HttpLimits limits;
    limits.body = 1ULL << 40;
    HttpParser parser(Kind::Request, limits);
    ASSERT_TRUE(parser.feed(as_bytes(with_headers("Content-Length: 1099511627776\r\n"))));
    EXPECT_TRUE(parser.head_done());
    EXPECT_LE(parser.request().body.capacity(), 1u << 20);
}

TEST(HttpResponseParser, reads_answers_with_every_framing) {
    const auto sized = whole(Kind::Response, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP");
    ASSERT_TRUE(sized.done);
    EXPECT_EQ(sized.response.status, 200);
    EXPECT_EQ(as_text(sized.response.body), "ok");
    EXPECT_TRUE(sized.keep_alive);

    const auto chunked =
        whole(Kind::Response, "HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    ASSERT_TRUE(chunked.done);
    EXPECT_EQ(chunked.response.status, 404);
    EXPECT_EQ(as_text(chunked.response.body), "ok");

    EXPECT_FALSE(whole(Kind::Response, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive);
    EXPECT_FALSE(
        whole(Kind::Response, "HTTP/1.1 200\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").keep_alive);

    HttpParser until_close(Kind::Response);
    ASSERT_TRUE(until_close.feed(as_bytes("HTTP/1.1 200 OK\r\n\r\nsome")));
    EXPECT_FALSE(until_close.done());
    ASSERT_TRUE(until_close.feed(as_bytes(" more")));
    ASSERT_TRUE(until_close.finish());
    EXPECT_TRUE(until_close.done());
    EXPECT_FALSE(until_close.keep_alive());
    EXPECT_EQ(as_text(until_close.take_response().body), "some more");
}

TEST(HttpResponseParser, knows_answers_without_a_body) {
    EXPECT_TRUE(whole(Kind::Response, "HTTP/1.1 204 No Content\r\n\r\n").done);
    EXPECT_TRUE(whole(Kind::Response, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").done);
    HttpParser head(Kind::Response);
    head.expect_no_body();
    ASSERT_TRUE(head.feed(as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")));
    EXPECT_TRUE(head.done());
    (void)head.take_response();
    ASSERT_TRUE(head.feed(as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")));
    EXPECT_FALSE(head.done()); // it was for one answer
}

TEST(HttpResponseParser, passes_over_interim_answers_but_not_for_ever) {
    const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const auto out = whole(Kind::Response, "HTTP/1.1 100 Continue\r\n\r\n" + interim + last);
    ASSERT_TRUE(out.done);
    EXPECT_EQ(out.response.status, 200);
    EXPECT_EQ(out.response.header("link"), "");
    std::string many;
    for (int i = 0; i < 9; ++i)
        many += interim;
    EXPECT_EQ(whole(Kind::Response, many + last).error, Code::BadRequest);
    EXPECT_EQ(whole(Kind::Response, "HTTP/1.1 101 Switching\r\n\r\n").error, Code::BadRequest);
}

TEST(HttpResponseParser, an_answer_that_is_cut_short_is_an_error) {
    for (const char* text :
         {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "HTTP/1.1 100 Continue\r\n\r\n"}) {
        HttpParser parser(Kind::Response);
        ASSERT_TRUE(parser.feed(as_bytes(text))) << text;
        const auto status = parser.finish();
        ASSERT_FALSE(status) << text;
        EXPECT_EQ(status.error().code, Code::BadRequest);
    }
}

TEST(HttpResponseParser, refuses_every_fault_as_a_bad_answer) {
    HttpLimits limits;
    limits.body = 10;
    for (const std::string& text :
         {std::string("HTTP/2.0 200 OK\r\n\r\n"), std::string("HTTP/1.1 20 OK\r\n\r\n"),
          std::string("HTTP/1.1 2000 OK\r\n\r\n"), std::string("HTTP/1.1 099 OK\r\n\r\n"),
          std::string("HTTP/1.1 600 OK\r\n\r\n"), std::string("HTTP/1.1  200 OK\r\n\r\n"),
          std::string("HTTP/1.1 -20 OK\r\n\r\n"), std::string("HTTP/1.1 200 O\x01K\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"), std::string("SSH-2.0-OpenSSH\r\n"),
          std::string("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\n\r\n") + std::string(11, 'x'),
          std::string("HTTP/1.1 200 OK\r\nX: ") + std::string(40'000, 'x'), std::string(9'000, 'x')})
        EXPECT_EQ(whole(Kind::Response, text, limits).error, Code::BadRequest) << text.substr(0, 80);
}

} // namespace
} // namespace redoubt::net
