// SPDX-License-Identifier: Apache-2.0
#include "http2/request_head.h"

#include "net/http_grammar.h"
#include "net/http_head.h"

#include <algorithm>

namespace redoubt::http2 {

namespace {

// RFC 9113, section 8.2.2.
constexpr std::string_view kOfConnections[] = {"connection", "keep-alive", "proxy-connection",
                                               "transfer-encoding", "upgrade"};
constexpr std::size_t kLineBytes = 3; // ": " and CR, as HTTP/1.1's limit counts them, besides the LF
constexpr std::size_t kMaxHost = 300, kMaxMethod = 40; // longer ones are refused in any case
constexpr std::size_t kKeptPath = 512;                 // room for the next request's

bool is_name(std::string_view name) noexcept {
    return net::is_token(name) && std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
}

} // namespace

void RequestHead::begin(const net::HttpLimits& limits, bool secure) noexcept {
    limits_ = limits;
    secure_ = secure;
    seen_ = 0;
    regular_ = false;
    header_bytes_ = 0;
    length_.reset();
    refusal_.reset();
    request = net::spare_request();
    method_.clear();
    if (path_.capacity() > kKeptPath)
        path_ = std::string();
}

void RequestHead::field(std::string_view name, std::string_view value) {
    if (refusal_)
        return;
    if (auto taken = take(name, value); !taken) {
        refusal_ = std::move(taken.error());
        request.headers.clear();
    }
}

Status RequestHead::take(std::string_view name, std::string_view value) {
    if (name.starts_with(':'))
        return take_pseudo(name, value);
    if (!std::exchange(regular_, true))
        request.headers.reserve(net::kUsualHeaders);
    header_bytes_ += name.size() + value.size() + kLineBytes + 1;
    if (header_bytes_ > limits_.header_bytes)
        return fail(Code::HeadersTooLarge, "the headers are larger than the limit; send fewer");
    if (request.headers.size() >= limits_.headers)
        return fail(Code::HeadersTooLarge, "there are more headers than the limit; send fewer");
    if (!is_name(name))
        return fail(Code::BadRequest, "a header's name is not a token in lower case");
    if (!net::is_field_value(value))
        return fail(Code::BadRequest, "a header's value has a control character");
    if (net::trimmed(value).size() != value.size())
        return fail(Code::BadRequest, "a header's value begins or ends with white space");
    if (std::ranges::find(kOfConnections, name) != std::end(kOfConnections) ||
        (name == "te" && value != "trailers"))
        return fail(Code::BadRequest, "a header speaks of the connection, which HTTP/2 has frames for");
    if (name == "host") {
        if ((seen_ & kHost) != 0)
            return fail(Code::BadRequest, "there are two Host headers; send one");
        seen_ |= kHost;
        host_ = value.substr(0, kMaxHost);
    } else if (name == "expect") {
        REDOUBT_CHECK(net::take_expectation(request, value));
    } else if (name == "content-length") {
        if (length_)
            return fail(Code::BadRequest, "there are two Content-Length headers; send one");
        std::uint64_t length = 0;
        if (!net::parse_length(value, length))
            return fail(Code::BadRequest, "the Content-Length is not a decimal number");
        length_ = length;
    }
    request.headers.add(name, value);
    return {};
}

Status RequestHead::take_pseudo(std::string_view name, std::string_view value) {
    unsigned bit = 0;
    if (name == ":method") {
        bit = kMethod;
        method_ = value.substr(0, kMaxMethod);
    } else if (name == ":path") {
        bit = kPath;
        path_ = value.substr(0, limits_.request_line); // with a method it is too long
    } else if (name == ":authority") {
        bit = kAuthority;
        authority_ = value.substr(0, kMaxHost);
    } else if (name == ":scheme") {
        bit = kScheme;
        if (value != (secure_ ? "https" : "http"))
            return fail(Code::BadRequest, "the :scheme is not the connection's");
    } else {
        return fail(Code::BadRequest, "a pseudo-field is none of :method, :scheme, :authority and :path");
    }
    if (regular_)
        return fail(Code::BadRequest, "a pseudo-field comes after other fields");
    if ((seen_ & bit) != 0)
        return fail(Code::BadRequest, "a pseudo-field is there twice; send it once");
    seen_ |= bit;
    return {};
}

Status RequestHead::end() {
    if (refusal_)
        return std::unexpected(std::move(*refusal_));
    if ((seen_ & kMethod) != 0 && method_ == "CONNECT")
        return fail(Code::BadRequest, "CONNECT is not spoken here");
    if ((seen_ & (kMethod | kScheme | kPath)) != (kMethod | kScheme | kPath))
        return fail(Code::BadRequest, "one of :method, :scheme and :path is missing");
    if ((seen_ & (kAuthority | kHost)) == 0)
        return fail(Code::BadRequest, "the :authority is missing");
    REDOUBT_CHECK(net::take_request_line(request, method_, path_, limits_.request_line));
    const bool named = (seen_ & kAuthority) != 0;
    REDOUBT_CHECK(net::take_host(request, named ? authority_ : host_));
    if ((seen_ & kHost) == 0) {
        // As whoever reads the headers of HTTP/1.1 finds it.
        request.headers.add("host", authority_);
        if (header_bytes_ + authority_.size() + sizeof("host") + kLineBytes > limits_.header_bytes)
            return fail(Code::HeadersTooLarge, "the headers are larger than the limit; send fewer");
    } else if (named && host_ != authority_) {
        return fail(Code::BadRequest, "the Host header and the :authority differ");
    }
    if (length_.value_or(0) > limits_.body)
        return fail(Code::TooLarge, "the body is larger than the limit");
    return {};
}

} // namespace redoubt::http2
