// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "net/http.h"
#include "net/http_grammar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace redoubt::net {

namespace {

std::string_view first_value(const Headers& headers, std::string_view name) noexcept {
    const auto found =
        std::ranges::find_if(headers, [name](const Header& header) { return header.name == name; });
    return found == headers.end() ? std::string_view() : std::string_view(found->value);
}

std::string_view reason_phrase(int status) noexcept {
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Other"; // RFC 9112, section 4: clients ignore it
    }
}

void append_text(Bytes& out, std::string_view text) {
    append(out, as_bytes(text));
}

void append_number(Bytes& out, std::size_t value) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    append_text(out, {digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void append_headers(Bytes& out, const Headers& headers, std::string_view also_ours) {
    for (const auto& [name, value] : headers) {
        if (name == "content-length" || name == "transfer-encoding" || name == "connection" ||
            name == also_ours || !is_token(name) || !is_field_value(value))
            continue;
        append_text(out, name);
        append_text(out, ": ");
        append_text(out, value);
        append_text(out, "\r\n");
    }
}

void append_content_length(Bytes& out, std::size_t size) {
    append_text(out, "content-length: ");
    append_number(out, size);
    append_text(out, "\r\n");
}

// Enough for the head of most messages, so that appending it does not allocate bit by bit.
std::size_t head_estimate(const Headers& headers) noexcept {
    std::size_t out = 256;
    for (const auto& [name, value] : headers)
        out += name.size() + value.size() + 4;
    return out;
}

void make_room(Bytes& out, std::size_t more) {
    const std::size_t needed = out.size() + more;
    if (needed > out.capacity())
        out.reserve(
            std::max(needed, 2 * out.capacity())); // reserve() alone would grow it by `more` each time
}

constexpr std::size_t kOfAnAnswer = 8; // headers that room is made for at once

HttpResponse with_type(int status, std::string_view type, std::string_view body) {
    HttpResponse out = spare_response();
    out.status = status;
    out.headers.reserve(kOfAnAnswer);
    out.headers.add("content-type", type);
    append(out.body, as_bytes(body));
    return out;
}

std::size_t bytes_kept(const HttpRequest& request) noexcept {
    return request.method.capacity() + request.target.capacity() + request.path.capacity() +
           request.query.capacity() + request.authority.capacity() + request.headers.capacity_bytes() +
           request.body.capacity();
}

std::size_t bytes_kept(const HttpResponse& response) noexcept {
    return response.headers.capacity_bytes() + response.body.capacity();
}

void empty(HttpRequest& request) noexcept {
    request.method.clear();
    request.target.clear();
    request.path.clear();
    request.query.clear();
    request.has_query = false;
    request.authority.clear();
    request.headers.clear();
    request.body.clear();
    request.keep_alive = true;
    request.expect_continue = false;
    request.peer.reset();
}

void empty(HttpResponse& response) noexcept {
    response.status = 200;
    response.headers.clear();
    response.body.clear();
}

// Messages that wait to be used again. Of the thread; when that ends, none waits any more.
template<class Message>
class Spares {
  public:
    static Message take() {
        Spares* const own = of_thread();
        if (own == nullptr || own->count_ == 0)
            return {};
        return std::move(own->waiting_[--own->count_]);
    }
    static void give(Message&& message) noexcept {
        Spares* const own = of_thread();
        if (own == nullptr || own->count_ >= kMaxSpareMessages || bytes_kept(message) > kMaxSpareBytes)
            return;
        empty(message);
        if (own->count_ == own->waiting_.size())
            own->waiting_.emplace_back();
        own->waiting_[own->count_++] = std::move(message);
    }

  private:
    ~Spares() { over_ = true; }
    static Spares* of_thread() noexcept {
        if (over_)
            return nullptr;
        thread_local Spares own;
        return &own;
    }

    std::vector<Message> waiting_; // the first count_; the others were taken
    std::size_t count_ = 0;
    static constinit inline thread_local bool over_ = false;
};

} // namespace

std::string_view HttpRequest::header(std::string_view name) const noexcept {
    return first_value(headers, name);
}

std::size_t HttpRequest::count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(headers, [name](const Header& header) { return header.name == name; }));
}

std::string_view HttpResponse::header(std::string_view name) const noexcept {
    return first_value(headers, name);
}

HttpRequest spare_request() {
    return Spares<HttpRequest>::take();
}

HttpResponse spare_response() {
    return Spares<HttpResponse>::take();
}

void give_back(HttpRequest&& request) noexcept {
    Spares<HttpRequest>::give(std::move(request));
}

void give_back(HttpResponse&& response) noexcept {
    Spares<HttpResponse>::give(std::move(response));
}

HttpResponse HttpResponse::json(int status, std::string_view body) {
    return with_type(status, "application/json", body);
}

HttpResponse HttpResponse::text(int status, std::string_view body) {
    return with_type(status, "text/plain; charset=utf-8", body);
}

HttpResponse HttpResponse::error(Code code, std::string_view sentence) {
    std::string body;
    json::Writer(body).begin_object().member("error", sentence).member("code", code_name(code)).end_object();
    return json(http_status(code), std::move(body));
}

HttpResponse HttpResponse::refusal(const Error& e) {
    HttpResponse out = error(e);
    if (out.status == 503)
        out.headers.push_back({"retry-after", "1"});
    return out;
}

void append_response(Bytes& out, const HttpResponse& response, bool keep_alive, bool head_only,
                     std::string_view more) {
    const bool known = response.status >= 200 && response.status <= 599;
    const int status = known ? response.status : 500;
    const bool bodiless = status == 204 || status == 304; // RFC 9110, sections 8.6, 15.3.5 and 15.4.5
    make_room(out, head_estimate(response.headers) + more.size() + response.body.size());
    append_text(out, "HTTP/1.1 ");
    append_number(out, static_cast<std::size_t>(status));
    append_text(out, " ");
    append_text(out, reason_phrase(status));
    append_text(out, "\r\n");
    append_headers(out, response.headers, "date");
    append_text(out, more);
    if (!bodiless)
        append_content_length(out, response.body.size());
    append_text(out, keep_alive ? "\r\n" : "connection: close\r\n\r\n");
    if (!bodiless && !head_only)
        append(out, response.body);
}

Bytes serialise_response(const HttpResponse& response, bool keep_alive, bool head_only) {
    Bytes out;
    append_response(out, response, keep_alive, head_only);
    return out;
}

Bytes serialise_request(const HttpRequest& request) {
    Bytes out;
    make_room(out, head_estimate(request.headers) + request.method.size() + request.target.size() +
                       request.authority.size() + request.body.size());
    append_text(out, request.method);
    append_text(out, " ");
    append_text(out, request.target);
    append_text(out, " HTTP/1.1\r\nhost: ");
    append_text(out, request.authority);
    append_text(out, "\r\n");
    append_headers(out, request.headers, "host");
    // RFC 9110, section 8.6: for methods that mean something with a body, also where it is empty.
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
        request.method == "PATCH")
        append_content_length(out, request.body.size());
    append_text(out, request.keep_alive ? "\r\n" : "connection: close\r\n\r\n");
    append(out, request.body);
    return out;
}

} // namespace redoubt::net
