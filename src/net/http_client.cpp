// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.h"

#include "base/clock.h"
#include "base/secret.h"
#include "net/http_grammar.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>

namespace redoubt::net {

namespace {

constexpr std::size_t kReadBytes = 16 * 1024; // a TLS record

// Requests carry tokens and answers carry credentials (IMDS): no copy stays behind.
struct WipedBytes {
    Bytes bytes;
    ~WipedBytes() { wipe(bytes); }
};
struct WipedBuffer {
    std::array<std::uint8_t, kReadBytes> bytes;
    ~WipedBuffer() { wipe(bytes); }
};

class Deadline {
  public:
    explicit Deadline(int timeout_ms) noexcept : at_(monotonic_ms() + std::max(timeout_ms, 0)) {}
    int left_ms() const noexcept { return static_cast<int>(std::max<std::int64_t>(at_ - monotonic_ms(), 0)); }
    bool passed() const noexcept { return left_ms() == 0; }
    // False when the deadline passes first.
    bool wait(int fd, short events) const noexcept {
        for (;;) {
            const int left = left_ms();
            if (left == 0)
                return false;
            pollfd item{fd, events, 0};
            const int n = poll(&item, 1, left);
            if (n > 0)
                return true;
            if (n < 0 && errno != EINTR)
                return false;
        }
    }

  private:
    std::int64_t at_;
};

std::unexpected<Error> timed_out(const Endpoint& endpoint) {
    return fail(Code::Timeout, "the server did not answer in time", endpoint.text());
}

Status check_request(const HttpRequest& request) {
    const bool headers = std::ranges::all_of(request.headers, [](const Header& header) {
        return is_token(header.name) && is_field_value(header.value);
    });
    if (!is_token(request.method) || !is_origin_form(request.target) || !is_authority(request.authority) ||
        !headers)
        return fail(Code::BadRequest, "the request to be sent is malformed");
    return {};
}

// A connection that idled is alive if it has nothing to say. (TLS 1.3 session tickets may wait there; reading
// takes them.)
bool still_idle(Stream& stream) {
    std::array<std::uint8_t, 1> byte;
    std::size_t n = 0;
    return stream.read(byte, n) == Io::WantRead;
}

Result<Stream> open_stream(const Endpoint& endpoint, const TlsContext* tls, const std::string& server_name,
                           const Deadline& deadline) {
    auto fd = connect_to(endpoint, deadline.left_ms());
    if (!fd) {
        if (deadline.passed())
            return timed_out(endpoint);
        return std::unexpected(std::move(fd).error());
    }
    if (tls == nullptr)
        return Stream::plain(std::move(*fd));
    REDOUBT_TRY(Stream stream, Stream::tls_client(*tls, std::move(*fd), server_name));
    for (;;) {
        switch (stream.handshake()) {
        case Io::Done:
            return stream;
        case Io::WantRead:
            if (!deadline.wait(stream.fd(), POLLIN))
                return timed_out(endpoint);
            break;
        case Io::WantWrite:
            if (!deadline.wait(stream.fd(), POLLOUT))
                return timed_out(endpoint);
            break;
        case Io::Closed:
            return fail(Code::TlsFailed, "the server ended the TLS handshake", endpoint.text());
        case Io::Failed:
            return fail(Code::TlsFailed, "the TLS handshake failed",
                        endpoint.text() + ": " + stream.failure());
        }
    }
}

// One request and its answer on one connection.
class Exchange {
  public:
    Exchange(Stream& stream, const Endpoint& endpoint, HttpLimits limits, const Deadline& deadline)
        : stream_(stream), endpoint_(endpoint), deadline_(deadline),
          parser_(HttpParser::Kind::Response, limits) {}

    Result<HttpResponse> run(const HttpRequest& request) {
        WipedBytes out{serialise_request(request)};
        rest_ = out.bytes;
        if (request.method == "HEAD")
            parser_.expect_no_body();
        while (!parser_.done()) {
            write_some();
            REDOUBT_CHECK(read_some());
            if (parser_.done())
                break;
            const bool writes = !rest_.empty() && !write_broken_;
            const auto events = static_cast<short>(POLLIN | (writes || wants_write_ ? POLLOUT : 0));
            if (!deadline_.wait(stream_.fd(), events))
                return timed_out(endpoint_);
        }
        reusable_ =
            rest_.empty() && !write_broken_ && !left_over_ && parser_.keep_alive() && request.keep_alive;
        return parser_.take_response();
    }
    bool answered() const noexcept { return answered_; } // some byte of an answer came
    bool reusable() const noexcept { return reusable_; }

  private:
    // A server may answer and close before it has read everything (413, say): what it answered counts, so a
    // failed write ends only the writing.
    void write_some() {
        while (!rest_.empty() && !write_broken_) {
            std::size_t n = 0;
            const Io result = stream_.write(rest_, n);
            if (result == Io::Done) {
                rest_ = rest_.subspan(n);
                continue;
            }
            write_broken_ = result == Io::Closed || result == Io::Failed;
            return;
        }
    }

    Status read_some() {
        wants_write_ = false;
        for (;;) {
            std::size_t n = 0;
            switch (stream_.read(buffer_.bytes, n)) {
            case Io::Done: {
                answered_ = true;
                const auto got = ByteView(buffer_.bytes).first(n);
                REDOUBT_TRY(const std::size_t taken, parser_.feed(got));
                left_over_ = taken < n;
                if (parser_.done())
                    return {};
                if (deadline_.passed())
                    return timed_out(endpoint_);
                break;
            }
            case Io::WantWrite:
                wants_write_ = true;
                return {};
            case Io::WantRead:
                return {};
            case Io::Closed:
                return ended();
            case Io::Failed:
                return lost();
            }
        }
    }

    Status ended() {
        if (!answered_)
            return fail(Code::ConnectFailed, "the server closed the connection without an answer",
                        endpoint_.text());
        return parser_.finish();
    }

    // Not an orderly end, so even an answer that lasts until the end may be cut short.
    Status lost() {
        if (!answered_)
            return fail(Code::ConnectFailed, "the connection broke before an answer came",
                        endpoint_.text() + ": " + stream_.failure());
        return fail(Code::BadRequest, "the answer was cut short",
                    endpoint_.text() + ": " + stream_.failure());
    }

    Stream& stream_;
    const Endpoint& endpoint_;
    const Deadline& deadline_;
    HttpParser parser_;
    WipedBuffer buffer_{};
    ByteView rest_; // of the request
    bool write_broken_ = false;
    bool wants_write_ = false;
    bool answered_ = false;
    bool left_over_ = false;
    bool reusable_ = false;
};

} // namespace

HttpClient::HttpClient(Endpoint endpoint, const TlsContext* tls, std::string server_name, HttpLimits limits)
    : endpoint_(std::move(endpoint)), tls_(tls), server_name_(std::move(server_name)), limits_(limits) {}

Result<HttpResponse> HttpClient::send(const HttpRequest& request, int timeout_ms) {
    REDOUBT_CHECK(check_request(request));
    const Deadline deadline(timeout_ms);
    if (stream_ && !still_idle(*stream_))
        stream_.reset();
    for (;;) {
        const bool reused = stream_.has_value();
        if (!reused) {
            REDOUBT_TRY(stream_, open_stream(endpoint_, tls_, server_name_, deadline));
        }
        Exchange exchange(*stream_, endpoint_, limits_, deadline);
        auto response = exchange.run(request);
        if (response) {
            if (!exchange.reusable())
                close();
            return response;
        }
        stream_.reset();
        const bool dead = response.error().code == Code::ConnectFailed && !exchange.answered();
        if (!reused || !dead)
            return response;
    }
}

void HttpClient::close() {
    if (stream_)
        stream_->shutdown();
    stream_.reset();
}

} // namespace redoubt::net
