// SPDX-License-Identifier: Apache-2.0
// An HTTP server whose answers are the test's bytes, so that it can also lie, stop short or hang up. Plain or
// TLS, on loopback, a thread for each connection.
#pragma once

#include "aws/credentials.h"
#include "net/http.h"
#include "net/tls.h"

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <mutex>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace redoubt::aws::tests {

struct RawAnswer {
    Bytes bytes;
    bool hang_up = false; // close the connection after these bytes
};

inline RawAnswer answer(const net::HttpResponse& response) {
    return {net::serialise_response(response, true)};
}

inline RawAnswer answer(int status, const std::string& body,
                        const std::string& type = "application/x-amz-json-1.1") {
    net::HttpResponse response;
    response.status = status;
    response.headers.push_back({"content-type", type});
    response.body = to_bytes(body);
    return answer(response);
}

class FakeServer {
  public:
    using Handler = std::function<RawAnswer(const net::HttpRequest&)>;

    FakeServer(const net::TlsContext* tls, Handler handler) : tls_(tls), handler_(std::move(handler)) {
        const auto asked = net::parse_endpoint("tcp:127.0.0.1:0").value();
        listener_ = net::listen_on(asked).value();
        endpoint_ = net::local_endpoint(asked, listener_).value();
        stop_ = net::Fd(eventfd(0, EFD_CLOEXEC));
        acceptor_ = std::thread([this] { accept_all(); });
    }
    ~FakeServer() {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
        acceptor_.join();
        for (auto& thread : threads_)
            thread.join();
    }
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;

    const net::Endpoint& endpoint() const { return endpoint_; }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(endpoint_.port); }
    int connections() const { return connections_; }
    int requests() const { return requests_; }
    void handle(Handler handler) {
        const std::lock_guard lock(mutex_);
        handler_ = std::move(handler);
    }

  private:
    // False: the server stops.
    bool wait(int fd, short events) {
        pollfd fds[2] = {{fd, events, 0}, {stop_.get(), POLLIN, 0}};
        while (poll(fds, 2, -1) < 0 && errno == EINTR) {
        }
        return fds[1].revents == 0;
    }

    void accept_all() {
        while (wait(listener_.get(), POLLIN)) {
            net::Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!fd)
                continue;
            ++connections_;
            threads_.emplace_back([this, moved = std::make_shared<net::Fd>(std::move(fd))] {
                if (tls_ == nullptr) {
                    serve(net::Stream::plain(std::move(*moved)));
                } else if (auto stream = net::Stream::tls_server(*tls_, std::move(*moved))) {
                    serve(std::move(*stream));
                }
            });
        }
    }

    // Repeats an operation until it is done. False: the connection or the server has ended.
    template<class Operation>
    bool until_done(net::Stream& stream, Operation operation) {
        for (;;) {
            switch (operation()) {
            case net::Io::Done:
                return true;
            case net::Io::WantRead:
                if (!wait(stream.fd(), POLLIN))
                    return false;
                break;
            case net::Io::WantWrite:
                if (!wait(stream.fd(), POLLOUT))
                    return false;
                break;
            default:
                return false;
            }
        }
    }

    void serve(net::Stream stream) {
        if (!until_done(stream, [&] { return stream.handshake(); }))
            return;
        net::HttpParser parser(net::HttpParser::Kind::Request);
        Bytes buffer(16 * 1024);
        for (;;) {
            std::size_t size = 0;
            if (!until_done(stream, [&] { return stream.read(buffer, size); }))
                return;
            ByteView rest = ByteView(buffer).first(size);
            while (!rest.empty()) {
                const auto consumed = parser.feed(rest);
                if (!consumed) {
                    ADD_FAILURE() << "not a request: " << consumed.error().describe();
                    return;
                }
                rest = rest.subspan(*consumed);
                if (parser.done() && !reply(stream, parser.take_request()))
                    return;
            }
        }
    }

    bool reply(net::Stream& stream, const net::HttpRequest& request) {
        ++requests_;
        RawAnswer out;
        {
            const std::lock_guard lock(mutex_);
            out = handler_(request);
        }
        ByteView rest = out.bytes;
        while (!rest.empty()) {
            std::size_t written = 0;
            if (!until_done(stream, [&] { return stream.write(rest, written); }))
                return false;
            rest = rest.subspan(written);
        }
        if (out.hang_up)
            stream.shutdown();
        return !out.hang_up;
    }

    const net::TlsContext* tls_;
    std::mutex mutex_;
    Handler handler_;
    net::Endpoint endpoint_;
    net::Fd listener_, stop_;
    std::atomic<int> connections_{0}, requests_{0};
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

// A certificate authority made for the test, and contexts on both sides of it.
class Authority {
  public:
    Authority() : authority_(net::make_certificate_authority("Redoubt test").value()) {}

    net::TlsContext server(const std::string& name) const {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-aws-XXXXXX").string();
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        const std::filesystem::path folder = pattern;
        const auto pair = net::make_server_certificate(authority_, {name}).value();
        std::ofstream(folder / "server.pem") << pair.certificate;
        std::ofstream(folder / "server.key") << pair.key;
        auto context = net::TlsContext::server(folder / "server.pem", folder / "server.key", {"http/1.1"});
        std::filesystem::remove_all(folder);
        return std::move(context.value());
    }
    net::TlsContext client() const {
        return net::TlsContext::client(authority_.certificate, {"http/1.1"}).value();
    }

  private:
    net::PemPair authority_;
};

inline Credentials test_credentials(bool with_token = true) {
    Credentials out;
    out.access_key_id = "ASIAREDOUBTTEST00000";
    out.secret_access_key = Secret::copy_of(as_bytes("a secret of a test, and of no account"));
    if (with_token)
        out.session_token = Secret::copy_of(as_bytes("a/session+token=of=a=test"));
    return out;
}

inline std::string text_of(const Secret& secret) {
    return std::string(secret.text(SecretAccess("compare it in a test")));
}

template<class T>
Code code_of(const Result<T>& result) {
    EXPECT_FALSE(result.has_value());
    return result ? Code::Internal : result.error().code;
}

} // namespace redoubt::aws::tests
