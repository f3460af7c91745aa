// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 messages (RFC 9110, RFC 9112) and strict, incremental parsers for both directions. Refused: bare
// LF, obs-fold, white space before a colon, both Content-Length and Transfer-Encoding, several or signed
// Content-Length values, chunk extensions, trailers, transfer codings other than a single "chunked", HTTP/1.0
// with Transfer-Encoding, request targets other than origin-form, a missing or second Host, expectations
// other than 100-continue, and control characters anywhere.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/spare.h"
#include "net/headers.h"
#include "net/peer.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace redoubt::net {

struct HttpRequest {
    std::string method; // as sent; token
    std::string target; // origin-form, as sent: path and query
    std::string path;   // target up to '?', undecoded
    std::string query;  // after '?', undecoded; empty without
    bool has_query = false;
    std::string authority; // the one Host header's value, as sent
    Headers headers;
    Bytes body;
    bool keep_alive = true;
    bool expect_continue = false;
    std::shared_ptr<const Peer> peer{}; // a server's: the client's certificate; nullptr: it showed none

    // The first value of a header, or empty. Names are lower-case.
    std::string_view header(std::string_view name) const noexcept;
    std::size_t count(std::string_view name) const noexcept;
};

struct HttpResponse {
    int status = 200;
    Headers headers; // content-length, date and connection are the server's business
    Bytes body;

    std::string_view header(std::string_view name) const noexcept;
    static HttpResponse json(int status, std::string_view body);
    static HttpResponse text(int status, std::string_view body);
    // {"error": sentence, "code": name} with the code's status.
    static HttpResponse error(Code code, std::string_view sentence);
    static HttpResponse error(const Error& e) { return error(e.code, e.text.view()); }
    // A server's own, which no handler saw: with "retry-after" where trying again may help.
    static HttpResponse refusal(const Error& e);
};

// Empty messages with the memory of some that the thread gave back, where there are such. What is given back
// is of no more use. At most kMaxSpareMessages of either kind wait, none of more than kMaxSpareBytes.
HttpRequest spare_request();
HttpResponse spare_response();
void give_back(HttpRequest&& request) noexcept;
void give_back(HttpResponse&& response) noexcept;
inline constexpr std::size_t kMaxSpareMessages = kMaxSpare == 0 ? 0 : 1024, kMaxSpareBytes = 8 * 1024;

struct HttpLimits {
    std::size_t request_line = 8 * 1024;
    std::size_t header_bytes = 32 * 1024; // all header lines together
    std::size_t headers = 100;
    std::size_t body = 1 << 20;
};

// Feed bytes as they come; one message at a time. Bytes that belong to the next message are not consumed.
class HttpParser {
  public:
    enum class Kind { Request, Response };
    explicit HttpParser(Kind kind, HttpLimits limits = {});
    HttpParser(const HttpParser&) = delete;
    HttpParser& operator=(const HttpParser&) = delete;

    // Consumes from `input`; returns how many bytes. After done() or an error nothing more is consumed.
    // Errors: BadRequest, TooLarge, UriTooLong, HeadersTooLarge, HttpVersion, NotImplemented, (responses:
    // BadRequest).
    Result<std::size_t> feed(ByteView input);
    bool head_done() const noexcept; // request line and headers are complete
    bool done() const noexcept;
    bool started() const noexcept; // some byte of this message was read
    // Responses without a length end with the connection: tell the parser that it ended. Error: BadRequest
    // (cut short).
    Status finish();
    // For responses to HEAD.
    void expect_no_body() noexcept;

    // Of a finished response: the connection may carry another.
    bool keep_alive() const noexcept { return keep_alive_; }

    HttpRequest take_request(); // resets for the next message
    HttpResponse take_response();
    const HttpRequest& request() const noexcept { return request_; }

  private:
    enum class State {
        Start,
        Headers,
        Body,
        ChunkSize,
        ChunkData,
        ChunkEnd,
        Trailers,
        UntilClose,
        Done,
        Failed
    };
    Result<std::size_t> step(ByteView rest);
    Result<std::size_t> line_step(ByteView rest);
    std::size_t body_step(ByteView rest);
    Status check_line_size(std::size_t size) const;
    Status line(std::string_view text);
    Status request_line(std::string_view text);
    Status status_line(std::string_view text);
    Status header_line(std::string_view text);
    Status head_end();
    Status request_head();
    Status response_head();
    Status body_framing();
    Status chunk_size_line(std::string_view text);
    void connection_tokens();
    std::unexpected<Error> refuse(Code code, FixedText text) const;
    void reset();

    Kind kind_;
    HttpLimits limits_;
    State state_ = State::Start;
    HttpRequest request_;
    HttpResponse response_; // of both kinds the one in use holds headers and body
    Headers* headers_;
    Bytes* body_;
    std::string line_; // the beginning of a line whose end has not come
    std::size_t header_bytes_ = 0;
    std::uint64_t remaining_ = 0; // of the body, or of a chunk
    int interim_ = 0;             // 1xx responses that were passed over
    bool version_1_0_ = false;
    bool keep_alive_ = true;
    bool no_body_ = false;
};

// Serialises with content-length; `keep_alive` false adds "connection: close". A header that would break the
// message (its name no token, a control character in its value), or that says what serialising says itself
// (content-length, transfer-encoding, connection, a request's host, a response's date), is left out.
Bytes serialise_response(const HttpResponse& response, bool keep_alive, bool head_only = false);
Bytes serialise_request(const HttpRequest& request); // host header from authority
// Appends; `more` is whole header lines.
void append_response(Bytes& out, const HttpResponse& response, bool keep_alive, bool head_only,
                     std::string_view more = {});

} // namespace redoubt::net
