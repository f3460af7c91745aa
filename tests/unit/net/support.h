// SPDX-License-Identifier: Apache-2.0
// A server on a thread of its own and clients that speak byte by byte, over loopback.
#pragma once

#include "base/clock.h"
#include "net/http_client.h"
#include "net/http_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace redoubt::net::tests {

inline constexpr int kPatienceMs = 20'000; // a test that waits this long has failed

// An authority and a server certificate for localhost and 127.0.0.1, made once a process.
struct Identity {
    PemPair authority;
    std::filesystem::path folder;
    std::string certificate_file, key_file;

    static Identity make(const std::vector<std::string>& names) {
        static std::atomic<int> count{0};
        Identity out;
        out.authority = *make_certificate_authority("Redoubt test CA");
        const auto pair = *make_server_certificate(out.authority, names);
        out.folder = std::filesystem::temp_directory_path() /
                     ("redoubt-net-tls-" + std::to_string(getpid()) + "-" + std::to_string(count++));
        std::filesystem::create_directories(out.folder);
        out.certificate_file = out.folder / "server.pem";
        out.key_file = out.folder / "server.key";
        std::ofstream(out.certificate_file) << pair.certificate;
        std::ofstream(out.key_file) << pair.key;
        return out;
    }
    TlsContext server_context(std::vector<std::string> alpn = {"http/1.1"}) const {
        return std::move(*TlsContext::server(certificate_file, key_file, std::move(alpn)));
    }
    TlsContext client_context(std::vector<std::string> alpn = {"http/1.1"}) const {
        return std::move(*TlsContext::client(authority.certificate, std::move(alpn)));
    }
    Identity() = default;
    Identity(Identity&&) = default;
    ~Identity() {
        if (!folder.empty())
            std::filesystem::remove_all(folder);
    }
};

inline const Identity& identity() {
    static const Identity out = Identity::make({"localhost", "127.0.0.1"});
    return out;
}
inline const TlsContext& server_tls() {
    static const TlsContext out = identity().server_context();
    return out;
}
inline const TlsContext& client_tls() {
    static const TlsContext out = identity().client_context();
    return out;
}

inline Fd listen_anywhere(Endpoint& real) {
    const auto asked = *parse_endpoint("tcp:127.0.0.1:0");
    auto listener = listen_on(asked);
    real = *local_endpoint(asked, *listener);
    return std::move(*listener);
}

// The handler runs on the server's thread.
class RunningServer {
  public:
    RunningServer(bool tls, HttpServerOptions options, HttpServer::Handler handler)
        : RunningServer(tls ? &server_tls() : nullptr, std::move(options), std::move(handler)) {}
    RunningServer(const TlsContext* tls, HttpServerOptions options, HttpServer::Handler handler) {
        Fd listener = listen_anywhere(endpoint_);
        server_ = std::make_unique<HttpServer>(loop_, std::move(listener), tls, std::move(options),
                                               std::move(handler));
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~RunningServer() {
        on_loop([this] { server_.reset(); });
        loop_.stop();
        thread_.join();
    }
    const Endpoint& endpoint() const { return endpoint_; }
    EventLoop& loop() { return loop_; }
    HttpServer& server() { return *server_; }
    // Runs on the loop's thread and waits for it.
    void on_loop(std::function<void()> task) {
        std::promise<void> done;
        loop_.post([&] {
            task();
            done.set_value();
        });
        done.get_future().wait();
    }
    std::size_t connections() {
        std::size_t out = 0;
        on_loop([&] { out = server_->connections(); });
        return out;
    }
    bool wait_for_connections(std::size_t wanted) {
        const auto deadline = monotonic_ms() + kPatienceMs;
        while (connections() != wanted) {
            if (monotonic_ms() > deadline)
                return false;
            usleep(2'000);
        }
        return true;
    }

  private:
    EventLoop loop_;
    Endpoint endpoint_;
    std::unique_ptr<HttpServer> server_;
    std::thread thread_;
};

// A blocking client of raw bytes, plain or TLS.
class RawClient {
  public:
    RawClient(const Endpoint& endpoint, bool tls, int receive_buffer = 0)
        : RawClient(endpoint, tls ? &client_tls() : nullptr, receive_buffer) {}
    RawClient(const Endpoint& endpoint, const TlsContext* tls, int receive_buffer = 0) {
        auto fd = connect_to(endpoint, kPatienceMs);
        EXPECT_TRUE(fd);
        if (receive_buffer > 0)
            setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        if (tls == nullptr) {
            stream_ = std::make_unique<Stream>(Stream::plain(std::move(*fd)));
            return;
        }
        stream_ = std::make_unique<Stream>(std::move(*Stream::tls_client(*tls, std::move(*fd), "localhost")));
        for (Io io = stream_->handshake(); io != Io::Done; io = stream_->handshake())
            if (!wait(io == Io::WantWrite ? POLLOUT : POLLIN) || io == Io::Closed || io == Io::Failed) {
                ADD_FAILURE() << "handshake: " << stream_->failure();
                return;
            }
    }
    Stream& stream() { return *stream_; }

    bool send(std::string_view text) {
        ByteView rest = as_bytes(text);
        while (!rest.empty()) {
            std::size_t n = 0;
            const Io io = stream_->write(rest, n);
            if (io == Io::Done)
                rest = rest.subspan(n);
            else if (io == Io::Closed || io == Io::Failed || !wait(POLLOUT))
                return false;
        }
        return true;
    }
    // True when more came; false at the end (or after kPatienceMs, which fails the test).
    bool receive_more() {
        std::array<std::uint8_t, 16'384> buffer;
        for (;;) {
            std::size_t n = 0;
            switch (stream_->read(buffer, n)) {
            case Io::Done:
                received_ += as_text(ByteView(buffer).first(n));
                return true;
            case Io::WantRead:
            case Io::WantWrite:
                if (!wait(POLLIN)) {
                    ADD_FAILURE() << "nothing came; so far: " << received_.substr(0, 500);
                    return false;
                }
                break;
            case Io::Closed:
                return false;
            case Io::Failed:
                failed_ = true;
                return false;
            }
        }
    }
    // Whether bytes, the end or a failure came within so long. (Session tickets, which TLS keeps to itself,
    // do not count.)
    bool something_came(int within_ms) {
        const auto deadline = monotonic_ms() + within_ms;
        for (;;) {
            pollfd item{stream_->fd(), POLLIN, 0};
            if (poll(&item, 1, static_cast<int>(std::max<std::int64_t>(deadline - monotonic_ms(), 0))) != 1)
                return false;
            std::array<std::uint8_t, 16'384> buffer;
            std::size_t n = 0;
            const Io io = stream_->read(buffer, n);
            if (io == Io::Done)
                received_ += as_text(ByteView(buffer).first(n));
            // Else what came was TLS's own.
            if (io != Io::WantRead)
                return true;
        }
    }
    // The next answer, whole.
    HttpResponse answer(bool head = false) {
        HttpParser parser(HttpParser::Kind::Response, {.body = 64 << 20});
        if (head)
            parser.expect_no_body();
        for (;;) {
            const auto taken = parser.feed(as_bytes(received_));
            if (!taken) {
                ADD_FAILURE() << taken.error().describe() << ": " << received_.substr(0, 500);
                return {};
            }
            received_.erase(0, *taken);
            if (parser.done())
                return parser.take_response();
            if (!receive_more()) {
                ADD_FAILURE() << "the connection ended in an answer";
                return {};
            }
        }
    }
    std::string take() { return std::exchange(received_, {}); } // what has come
    const std::string& peek() const { return received_; }
    std::string rest() {
        while (receive_more()) {
        }
        return std::exchange(received_, {});
    }
    // Ended, and in good order rather than with a reset.
    bool ended() { return rest().empty() && !failed_; }
    bool failed() const { return failed_; }
    void half_close() { ::shutdown(stream_->fd(), SHUT_WR); }

  private:
    bool wait(short events) {
        pollfd item{stream_->fd(), events, 0};
        return poll(&item, 1, kPatienceMs) == 1;
    }
    std::unique_ptr<Stream> stream_;
    std::string received_;
    bool failed_ = false;
};

inline std::string get(const std::string& path, const std::string& more = {}) {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n";
}

inline std::string post(const std::string& path, const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

inline std::string body_of(const HttpResponse& response) {
    return std::string(as_text(response.body));
}

} // namespace redoubt::net::tests
