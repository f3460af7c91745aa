// SPDX-License-Identifier: Apache-2.0
// The parser keeps no more of the input than a line that is not complete yet, and looks at each byte a fixed
// number of times however the input is split. A line is judged when it is complete, and only its length
// before that, so that every split of the same bytes has the same outcome.
#include "net/http.h"
#include "net/http_grammar.h"
#include "net/http_head.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace redoubt::net {

namespace {

constexpr std::size_t kMaxChunkDigits = 8; // any body limit has fewer
constexpr int kMaxInterim = 8;

bool is_version(std::string_view text) noexcept {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return text.size() == 8 && text.starts_with("HTTP/") && digit(text[5]) && text[6] == '.' &&
           digit(text[7]);
}

} // namespace

HttpParser::HttpParser(Kind kind, HttpLimits limits)
    : kind_(kind), limits_(limits), headers_(kind == Kind::Request ? &request_.headers : &response_.headers),
      body_(kind == Kind::Request ? &request_.body : &response_.body) {}

std::unexpected<Error> HttpParser::refuse(Code code, FixedText text) const {
    return fail(kind_ == Kind::Request ? code : Code::BadRequest, text);
}

bool HttpParser::head_done() const noexcept {
    return state_ != State::Start && state_ != State::Headers && state_ != State::Failed;
}

bool HttpParser::done() const noexcept {
    return state_ == State::Done;
}

bool HttpParser::started() const noexcept {
    return state_ != State::Start || !line_.empty() || interim_ > 0;
}

void HttpParser::expect_no_body() noexcept {
    no_body_ = true;
}

Result<std::size_t> HttpParser::feed(ByteView input) {
    if (state_ == State::Failed)
        return fail(Code::BadRequest, "the connection carried a malformed message; open another");
    std::size_t at = 0;
    while (at < input.size() && state_ != State::Done) {
        const auto taken = step(input.subspan(at));
        if (!taken) {
            state_ = State::Failed;
            return taken;
        }
        at += *taken;
    }
    return at;
}

Status HttpParser::finish() {
    if (state_ == State::UntilClose)
        state_ = State::Done;
    if (state_ == State::Done)
        return {};
    state_ = State::Failed;
    return fail(Code::BadRequest, "the message was cut short");
}

HttpRequest HttpParser::take_request() {
    HttpRequest out = std::move(request_);
    reset();
    return out;
}

HttpResponse HttpParser::take_response() {
    HttpResponse out = std::move(response_);
    reset();
    return out;
}

void HttpParser::reset() {
    request_ = {};
    response_ = {};
    state_ = State::Start;
    line_.clear();
    header_bytes_ = 0;
    remaining_ = 0;
    interim_ = 0;
    version_1_0_ = false;
    keep_alive_ = true;
    no_body_ = false;
}

Result<std::size_t> HttpParser::step(ByteView rest) {
    switch (state_) {
    case State::Body:
    case State::ChunkData:
        return body_step(rest);
    case State::UntilClose:
        if (rest.size() > limits_.body - body_->size())
            return refuse(Code::TooLarge, "the body is larger than the limit");
        append(*body_, rest);
        return rest.size();
    default:
        return line_step(rest);
    }
}

std::size_t HttpParser::body_step(ByteView rest) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), remaining_));
    append(*body_, rest.first(n));
    remaining_ -= n;
    if (remaining_ == 0)
        state_ = state_ == State::Body ? State::Done : State::ChunkEnd;
    return n;
}

// `size`: of the line so far, without its LF.
Status HttpParser::check_line_size(std::size_t size) const {
    switch (state_) {
    case State::Start:
        if (size > limits_.request_line + 1)
            return refuse(Code::UriTooLong, "the request line is longer than the limit; shorten the path");
        return {};
    case State::Headers:
        if (size + header_bytes_ > limits_.header_bytes)
            return refuse(Code::HeadersTooLarge, "the headers are larger than the limit; send fewer");
        return {};
    case State::ChunkSize:
        if (size > kMaxChunkDigits + 1)
            return refuse(Code::BadRequest,
                          "a chunk's size must be at most 8 hexadecimal digits without extensions");
        return {};
    case State::ChunkEnd:
        if (size > 1)
            return refuse(Code::BadRequest, "a chunk is longer than the size before it says");
        return {};
    default:
        if (size > 1)
            return refuse(Code::BadRequest, "fields after the body (trailers) are not accepted");
        return {};
    }
}

Result<std::size_t> HttpParser::line_step(ByteView rest) {
    const auto* const end = static_cast<const std::uint8_t*>(std::memchr(rest.data(), '\n', rest.size()));
    const std::size_t size = end == nullptr ? rest.size() : static_cast<std::size_t>(end - rest.data());
    REDOUBT_CHECK(check_line_size(line_.size() + size));
    if (end == nullptr) {
        line_.append(as_text(rest));
        return size;
    }
    std::string_view text = as_text(rest.first(size));
    if (!line_.empty()) {
        line_.append(text);
        text = line_;
    }
    if (!text.ends_with('\r'))
        return refuse(Code::BadRequest, "a line ends with LF alone; lines end with CR LF");
    if (state_ == State::Headers)
        header_bytes_ += text.size() + 1;
    text.remove_suffix(1);
    REDOUBT_CHECK(line(text));
    line_.clear();
    return size + 1;
}

Status HttpParser::line(std::string_view text) {
    switch (state_) {
    case State::Start:
        return kind_ == Kind::Request ? request_line(text) : status_line(text);
    case State::Headers:
        return text.empty() ? head_end() : header_line(text);
    case State::ChunkSize:
        return chunk_size_line(text);
    case State::ChunkEnd:
        if (!text.empty())
            return refuse(Code::BadRequest, "a chunk is longer than the size before it says");
        state_ = State::ChunkSize;
        return {};
    default:
        if (!text.empty())
            return refuse(Code::BadRequest, "fields after the body (trailers) are not accepted");
        state_ = State::Done;
        return {};
    }
}

Status HttpParser::request_line(std::string_view text) {
    const auto first = text.find(' ');
    const auto second = first == std::string_view::npos ? first : text.find(' ', first + 1);
    if (second == std::string_view::npos || !is_version(text.substr(second + 1)))
        return refuse(Code::BadRequest, "the request line is not METHOD PATH HTTP/1.1");
    const std::string_view method = text.substr(0, first);
    const std::string_view target = text.substr(first + 1, second - first - 1);
    const std::string_view version = text.substr(second + 1);
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
        return refuse(Code::HttpVersion, "this HTTP version is not spoken here; use HTTP/1.1");
    request_ = spare_request();
    REDOUBT_CHECK(take_request_line(request_, method, target, limits_.request_line));
    version_1_0_ = version == "HTTP/1.0";
    headers_->reserve(kUsualHeaders);
    state_ = State::Headers;
    return {};
}

Status HttpParser::status_line(std::string_view text) {
    // RFC 9112, section 4. Some servers leave out the space before an empty reason.
    const std::string_view version = text.substr(0, 8);
    if (!is_version(version) || (version != "HTTP/1.1" && version != "HTTP/1.0"))
        return refuse(Code::BadRequest, "the answer is not HTTP/1.1");
    int status = 0;
    const bool long_enough = text.size() >= 12 && text[8] == ' ' && (text.size() == 12 || text[12] == ' ');
    const auto parsed = long_enough ? std::from_chars(text.data() + 9, text.data() + 12, status)
                                    : std::from_chars_result{text.data(), std::errc::invalid_argument};
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + 12 || status < 100 || status > 599 ||
        !is_field_value(text))
        return refuse(Code::BadRequest, "the answer's status line is malformed");
    version_1_0_ = version == "HTTP/1.0";
    response_.status = status;
    headers_->reserve(kUsualHeaders);
    state_ = State::Headers;
    return {};
}

Status HttpParser::header_line(std::string_view text) {
    if (text.front() == ' ' || text.front() == '\t')
        return refuse(Code::BadRequest, "a header is folded over several lines; send it as one");
    if (headers_->size() >= limits_.headers)
        return refuse(Code::HeadersTooLarge, "there are more headers than the limit; send fewer");
    const auto colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    if (colon == std::string_view::npos || !is_token(name))
        return refuse(Code::BadRequest, "a header is not NAME: VALUE, the colon directly after the name");
    const std::string_view value = trimmed(text.substr(colon + 1));
    if (!is_field_value(value))
        return refuse(Code::BadRequest, "a header's value has a control character");
    Header& header = headers_->add();
    header.name.resize(name.size());
    std::ranges::transform(name, header.name.begin(), to_lower);
    header.value = value;
    return {};
}

Status HttpParser::head_end() {
    keep_alive_ = !version_1_0_;
    connection_tokens();
    return kind_ == Kind::Request ? request_head() : response_head();
}

void HttpParser::connection_tokens() {
    for (const auto& [name, value] : *headers_) {
        if (name != "connection")
            continue;
        std::string_view rest = value;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            if (equals_ignoring_case(trimmed(rest.substr(0, comma)), "close"))
                keep_alive_ = false;
            rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
        }
    }
}

Status HttpParser::request_head() {
    bool has_host = false;
    for (const auto& [name, value] : *headers_) {
        if (name == "host") {
            if (has_host)
                return refuse(Code::BadRequest, "there are two Host headers; send one");
            REDOUBT_CHECK(take_host(request_, value));
            has_host = true;
        } else if (name == "expect") {
            REDOUBT_CHECK(take_expectation(request_, value));
        }
    }
    if (version_1_0_) // RFC 9110, section 10.1.1
        request_.expect_continue = false;
    if (!has_host)
        return refuse(Code::BadRequest, "the Host header is missing");
    request_.keep_alive = keep_alive_;
    return body_framing();
}

Status HttpParser::response_head() {
    const int status = response_.status;
    if (status < 200) {
        // RFC 9110, section 15.2: interim answers come before the final one. 101 was not asked for.
        if (status == 101 || ++interim_ > kMaxInterim)
            return refuse(Code::BadRequest, "the answer's interim responses are not accepted");
        response_ = {};
        header_bytes_ = 0;
        state_ = State::Start;
        return {};
    }
    no_body_ = no_body_ || status == 204 || status == 304;
    return body_framing();
}

// RFC 9112, section 6.3, without what it merely tolerates.
Status HttpParser::body_framing() {
    bool chunked = false;
    bool has_length = false;
    std::uint64_t length = 0;
    for (const auto& [name, value] : *headers_) {
        if (name == "content-length") {
            if (has_length)
                return refuse(Code::BadRequest, "there are two Content-Length headers; send one");
            if (!parse_length(value, length))
                return refuse(Code::BadRequest, "the Content-Length is not a decimal number");
            has_length = true;
        } else if (name == "transfer-encoding") {
            if (chunked)
                return refuse(Code::BadRequest, "there are two Transfer-Encoding headers; send one");
            if (version_1_0_)
                return refuse(Code::BadRequest, "HTTP/1.0 has no Transfer-Encoding; use HTTP/1.1");
            if (!equals_ignoring_case(value, "chunked"))
                return refuse(Code::NotImplemented, "the only Transfer-Encoding understood is chunked");
            chunked = true;
        }
    }
    if (chunked && has_length)
        return refuse(Code::BadRequest, "a message has Content-Length or Transfer-Encoding, not both");
    if (no_body_) {
        state_ = State::Done;
    } else if (chunked) {
        state_ = State::ChunkSize;
    } else if (has_length) {
        if (length > limits_.body)
            return refuse(Code::TooLarge, "the body is larger than the limit");
        remaining_ = length;
        body_->reserve(static_cast<std::size_t>(std::min<std::uint64_t>(length, kFirstBodyBytes)));
        state_ = length == 0 ? State::Done : State::Body;
    } else if (kind_ == Kind::Response) {
        keep_alive_ = false;
        state_ = State::UntilClose;
    } else {
        state_ = State::Done;
    }
    return {};
}

Status HttpParser::chunk_size_line(std::string_view text) {
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size, 16);
    if (text.empty() || text.size() > kMaxChunkDigits || error != std::errc{} ||
        end != text.data() + text.size())
        return refuse(Code::BadRequest,
                      "a chunk's size must be at most 8 hexadecimal digits without extensions");
    if (size > limits_.body - body_->size())
        return refuse(Code::TooLarge, "the body is larger than the limit");
    remaining_ = size;
    state_ = size == 0 ? State::Trailers : State::ChunkData;
    return {};
}

} // namespace redoubt::net
