// SPDX-License-Identifier: Apache-2.0
// What a connection of the server speaks, apart from how its bytes move: HTTP/1.1 (net/http1.h), or a
// protocol that a server is given as a factory (HttpServerOptions::http2).
#pragma once

#include "net/http_server.h"

#include <optional>

namespace redoubt::net {

// A connection, as its protocol sees it.
class HttpCarrier {
  public:
    virtual const HttpServerOptions& options() const noexcept = 0;
    virtual HttpServer::Counts& counts() noexcept = 0;
    virtual bool draining() const noexcept = 0;
    virtual bool open() const noexcept = 0; // false: nothing is read or sent any more
    virtual bool secure() const noexcept = 0;
    // Header lines that every answer has, each with its CR LF; and the value of the one that changes, "date".
    virtual const std::string& common_lines() = 0;
    virtual const std::string& date() = 0;
    // A whole request. Its handler may answer at once, and may end the server: ask open() afterwards.
    virtual void hand_on(HttpRequest&& request, std::uint64_t sequence) = 0;
    // Tells how many bytes of bodies the connection holds now. False: that is more than its share, and the
    // server has too many.
    virtual bool hold(std::size_t bytes) noexcept = 0;
    virtual void want_flush() = 0;

    std::size_t unsent() const noexcept { return out.size() - sent; }

    // Beyond, no further request is read or handed on.
    static constexpr std::size_t kMaxUnsent = 256 * 1024;

    Bytes out; // from `sent` on to be sent; whoever appends says want_flush()
    std::size_t sent = 0;
    bool no_more = false; // nothing more is read: the peer's last request is here, it sent nonsense, or ended
    bool close_wanted = false; // when all is sent, the connection lingers
    bool cut = false;          // when all is sent, the connection is dropped

  protected:
    ~HttpCarrier() = default;
};

class HttpProtocol {
  public:
    virtual ~HttpProtocol() = default;

    // Takes all of `bytes`; what has to wait it keeps.
    virtual void take(ByteView bytes) = 0;
    // Before each write: appends what can be sent now.
    virtual void fill() {}
    // Some of what was unsent is sent: there may be room for requests again.
    virtual void resume() {}
    virtual void answer(std::uint64_t sequence, HttpResponse response,
                        std::optional<std::size_t> cut_after) = 0;
    virtual bool gone(std::uint64_t sequence) const noexcept = 0; // nobody waits for this answer
    virtual bool wants_input() const noexcept = 0;
    virtual bool working() const noexcept = 0; // on requests that are whole: their answers are not in `out`
    // A request that has come in part: since when.
    virtual std::optional<std::int64_t> partial_since() const noexcept = 0;
    // Reading goes on after a pause: it was not the client that made its request wait.
    virtual void waited(std::int64_t now) noexcept = 0;
    // False: there is nothing to wait for, the connection idles. `blocked`: the socket takes no more.
    virtual bool check_time(std::int64_t now, bool blocked) = 0;
    // Draining begins.
    virtual void drain() {}
    // An idle connection is to end. True: the protocol has a last word, which is in `out`.
    virtual bool farewell() { return false; }
    // It has ended: nothing is sent any more, and what is held for it is given back.
    virtual void ended() noexcept = 0;
};

} // namespace redoubt::net
