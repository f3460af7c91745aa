// SPDX-License-Identifier: Apache-2.0
// An HTTP server on an event loop. Connections speak HTTP/1.1 with keep-alive and pipelining (answers in
// request order), and HTTP/2 where the server is given it and the client's TLS asks for it. The handler gets
// a whole request and answers now or later, from the loop's thread.
#pragma once

#include "net/event_loop.h"
#include "net/http.h"
#include "net/tls.h"

#include <functional>
#include <memory>

namespace redoubt::net {

class HttpCarrier; // net/http_protocol.h
class HttpProtocol;

struct HttpServerOptions {
    HttpLimits limits{};
    // Beyond, one that waits for its client makes room: in its handshake, idle, or in the middle of sending a
    // request. First those that never sent a whole one, the oldest of them; where none is, the new one is
    // closed at once.
    std::size_t max_connections = 4096;
    // Bodies of all connections together, half received or in work. Beyond, a connection that holds more than
    // kFairShare of it gets 503; those that hold less go on.
    std::size_t max_held_bytes = 256u << 20;
    std::size_t max_pipelined =
        64; // requests in work on one connection; beyond, reading stops until one is answered
    // Connections whose TLS agreed on "h2" (ALPN) speak this (http2/http2.h); empty: there are none. The
    // server's TLS context says what it agrees on.
    std::function<std::unique_ptr<HttpProtocol>(HttpCarrier& carrier)> http2{};
    std::size_t max_streams = 128; // requests at once on an HTTP/2 connection
    int handshake_timeout_ms = 10'000;
    int request_timeout_ms = 15'000; // from a request's first byte to its last
    int idle_timeout_ms = 120'000;
    int write_timeout_ms = 30'000; // a client that does not read
    std::string server_name{};     // "server" header; empty: none
};

class HttpServer {
  public:
    static constexpr std::size_t kFairShare = 64 * 1024;

    // Answers exactly once; a second call is ignored; calling it after the client went away does nothing. If
    // it is destroyed unanswered the client gets 500. Copyable. Loop thread only.
    class Responder {
      public:
        void operator()(HttpResponse response) const;
        // For stand-ins that play a failing network: when the answer's turn comes, its first `bytes` are sent
        // and the connection is dropped, by TLS without close_notify. Answers to later requests are lost.
        void cut(HttpResponse response = {}, std::size_t bytes = 0) const;
        bool client_gone() const noexcept;

      private:
        friend class HttpServer;
        struct State;
        std::shared_ptr<State> state_;
    };
    using Handler = std::function<void(HttpRequest&& request, Responder&& respond)>;

    // `tls` null: plain HTTP. The loop and context outlive the server; the context may be assigned to
    // (net/tls.h), on the loop's thread.
    HttpServer(EventLoop& loop, Fd listener, const TlsContext* tls, HttpServerOptions options,
               Handler handler);
    ~HttpServer();

    std::size_t connections() const noexcept;
    struct Counts {                                        // since the start
        std::uint64_t accepted = 0, handshakes_failed = 0; // connections; of them by TLS, or too late
        std::uint64_t evicted = 0, turned_away = 0;        // to make room, and where there was none to make
        std::uint64_t rejected = 0; // requests that were no HTTP, too large or too late
        std::uint64_t requests_http1 = 0, requests_http2 = 0; // that were handed on
    };
    Counts counts() const noexcept;
    // Stops accepting; open connections get "connection: close" with their next answer; `done` is called when
    // all are gone or after the time limit.
    void drain(int timeout_ms, std::function<void()> done);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace redoubt::net
