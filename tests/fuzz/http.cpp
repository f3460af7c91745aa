// SPDX-License-Identifier: Apache-2.0
// The HTTP parsers on any bytes: a message read in one piece, byte by byte and in pieces whose sizes the
// input chooses is the same message or the same refusal, and what was read and is written again is read as
// the same. The first byte chooses the kind and the pieces. Seeds: corpus/http.
#include "net/http.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>

using namespace redoubt;
using net::HttpParser;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

struct Outcome {
    std::optional<Code> error;
    std::size_t taken = 0;
    bool head_done = false, done = false, finished = false, keep_alive = false;
    net::HttpRequest request;
    net::HttpResponse response;
};

net::HttpLimits limits() {
    net::HttpLimits out;
    out.request_line = 128;
    out.header_bytes = 512;
    out.headers = 12;
    out.body = 1024;
    return out;
}

template<class NextSize>
Outcome read(HttpParser::Kind kind, ByteView input, bool head_only, NextSize next_size) {
    HttpParser parser(kind, limits());
    if (head_only)
        parser.expect_no_body();
    Outcome out;
    while (!input.empty() && !parser.done()) {
        const Bytes piece = to_bytes(input.first(std::min<std::size_t>(input.size(), next_size())));
        const auto taken = parser.feed(piece);
        if (!taken) {
            out.error = taken.error().code;
            return out;
        }
        require(*taken == piece.size() || parser.done());
        out.taken += *taken;
        input = input.subspan(*taken);
    }
    out.head_done = parser.head_done();
    out.finished = parser.done() || (out.head_done && parser.finish());
    out.done = parser.done();
    out.keep_alive = parser.keep_alive();
    if (out.done && kind == HttpParser::Kind::Request)
        out.request = parser.take_request();
    if (out.done && kind == HttpParser::Kind::Response)
        out.response = parser.take_response();
    return out;
}

bool same_headers(const net::Headers& a, const net::Headers& b) {
    return std::ranges::equal(a, b, [](const net::Header& x, const net::Header& y) {
        return x.name == y.name && x.value == y.value;
    });
}

void require_same(const Outcome& a, const Outcome& b) {
    require(a.error == b.error);
    require(a.taken == b.taken || a.error);
    require(a.head_done == b.head_done && a.done == b.done && a.finished == b.finished);
    require(a.keep_alive == b.keep_alive);
    require(a.request.method == b.request.method && a.request.target == b.request.target);
    require(a.request.path == b.request.path && a.request.query == b.request.query);
    require(a.request.has_query == b.request.has_query && a.request.authority == b.request.authority);
    require(a.request.keep_alive == b.request.keep_alive);
    require(a.request.expect_continue == b.request.expect_continue);
    require(same_headers(a.request.headers, b.request.headers) && a.request.body == b.request.body);
    require(a.response.status == b.response.status && a.response.body == b.response.body);
    require(same_headers(a.response.headers, b.response.headers));
}

void check_request(const net::HttpRequest& request) {
    require(request.target.starts_with('/') && !request.authority.empty());
    require(request.count("host") == 1 && request.header("host") == request.authority);
    require(request.count("content-length") <= 1 && request.count("transfer-encoding") <= 1);
    require(request.count("content-length") == 0 || request.count("transfer-encoding") == 0);
    require(request.target == request.path + (request.has_query ? "?" + request.query : ""));
    for (const auto& [name, value] : request.headers)
        for (const char c : name + value)
            require((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t');

    const Bytes written = net::serialise_request(request);
    HttpParser parser(HttpParser::Kind::Request);
    const auto taken = parser.feed(written);
    require(taken && *taken == written.size() && parser.done());
    const net::HttpRequest again = parser.take_request();
    require(again.method == request.method && again.target == request.target);
    require(again.authority == request.authority && again.body == request.body);
    require(again.keep_alive == request.keep_alive);
}

void check_response(const net::HttpResponse& response) {
    require(response.status >= 200 && response.status <= 599);
    const Bytes written = net::serialise_response(response, true);
    HttpParser parser(HttpParser::Kind::Response);
    const auto taken = parser.feed(written);
    require(taken && *taken == written.size() && parser.done());
    const net::HttpResponse again = parser.take_response();
    require(again.status == response.status);
    require(again.body == response.body);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const auto kind = (data[0] & 1) == 0 ? HttpParser::Kind::Request : HttpParser::Kind::Response;
    const bool head_only = (data[0] & 2) != 0 && kind == HttpParser::Kind::Response;
    const ByteView input(data + 1, size - 1);

    const Outcome whole = read(kind, input, head_only, [&] { return input.size(); });
    require_same(whole, read(kind, input, head_only, [] { return std::size_t{1}; }));
    std::minstd_rand random(data[0]);
    require_same(whole, read(kind, input, head_only, [&] { return std::size_t{random() % 23 + 1}; }));

    if (whole.done && kind == HttpParser::Kind::Request)
        check_request(whole.request);
    if (whole.done && kind == HttpParser::Kind::Response)
        check_response(whole.response);
    return 0;
}
