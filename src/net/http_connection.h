// SPDX-License-Identifier: Apache-2.0
// The server's inside (http_server.h is its outside): what all connections share, and one connection.
#pragma once

#include "net/http_protocol.h"

#include <optional>
#include <vector>

namespace redoubt::net {

struct HttpServer::Impl : std::enable_shared_from_this<Impl> {
    class Connection;

    Impl(EventLoop& event_loop, Fd listening, const TlsContext* context, HttpServerOptions server_options,
         Handler request_handler);

    void start();
    void stop(); // nothing is called back any more
    void drain(int timeout_ms, std::function<void()> done);

    void accept_some();
    void watch_listener(bool wanted);
    void begin(Fd fd);
    void forget(Connection& connection);
    bool make_room();
    void plan_flush(std::shared_ptr<Connection> connection);
    void flush_all();
    void plan_sweep();
    void sweep();
    void finish_drain();
    // "date" and "server" as header lines; the date alone.
    const std::string& common_headers();
    const std::string& date();

    EventLoop& loop;
    Fd listener;
    const TlsContext* tls;
    const HttpServerOptions options;
    const Handler handler;
    std::vector<std::shared_ptr<Connection>> connections;
    std::size_t held_bytes = 0; // of bodies, by all connections
    HttpServer::Counts counts{};
    std::vector<std::shared_ptr<Connection>> unflushed, flushing;
    Bytes read_buffer; // of whoever reads at the moment; nothing stays in it
    std::string date_text, common_headers_text;
    std::int64_t common_headers_second = -1;
    int sweep_ms;
    EventLoop::TimerId sweep_timer = 0; // 0: none
    bool flush_planned = false;
    bool listener_watched = false;
    bool stopped = false;
    bool draining = false;
    std::int64_t drain_since_ms = 0;
    int drain_idle_ms = 0;
    std::function<void()> drained;
};

struct HttpServer::Responder::State {
    State(std::weak_ptr<Impl::Connection> to, std::uint64_t request) noexcept
        : connection(std::move(to)), sequence(request) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();
    void answer(HttpResponse response, std::optional<std::size_t> cut_after = std::nullopt);

    std::weak_ptr<Impl::Connection> connection;
    std::uint64_t sequence;
    bool answered = false;
};

// Handshake → Open → (Lingering →) Closed. While Open, its protocol reads requests and writes answers; when
// no more is to be read and all is sent, or an answer was the last one, the connection lingers. Lingering:
// our side is shut, and what the peer still sends is read and dropped for a while, for closing with unread
// bytes would reset the connection and could take the answer with it.
class HttpServer::Impl::Connection final : public HttpCarrier,
                                           public std::enable_shared_from_this<Connection> {
  public:
    Connection(std::shared_ptr<Impl> server, Stream stream);

    void start();
    void answer(std::uint64_t sequence, HttpResponse response, std::optional<std::size_t> cut_after);
    bool gone(std::uint64_t sequence) const noexcept;
    void flush();
    void check_time(std::int64_t now);
    void drain();
    void close();

    const HttpServerOptions& options() const noexcept override { return server_->options; }
    HttpServer::Counts& counts() noexcept override { return server_->counts; }
    bool draining() const noexcept override { return server_->draining; }
    bool open() const noexcept override { return phase_ == Phase::Open; }
    bool secure() const noexcept override { return stream_.is_tls(); }
    const std::string& common_lines() override { return server_->common_headers(); }
    const std::string& date() override { return server_->date(); }
    void hand_on(HttpRequest&& request, std::uint64_t sequence) override;
    bool hold(std::size_t bytes) noexcept override;
    void want_flush() override;

  private:
    friend struct HttpServer::Impl;
    enum class Phase { Handshake, Open, Lingering, Closed };

    void ready(std::uint32_t events);
    void shake_hands();
    void begin();
    void read();
    void read_later();
    bool send();
    void sent_all();
    void peer_ended();
    void linger();
    void drain_input();
    void update_interest();
    std::uint64_t delivered() const noexcept;
    bool wants_input() const noexcept { return open() && !no_more && protocol_->wants_input(); }
    // Waits for nothing of ours: it is in its handshake, idle, or slow to send a request.
    bool evictable() const noexcept {
        return phase_ == Phase::Handshake || (open() && !protocol_->working() && unsent() == 0);
    }
    // Whether this one rather makes room for another: who has never sent a whole request before those who
    // have, and of either kind the one that has kept us waiting for longest.
    bool goes_before(const Connection& other) const noexcept {
        return served_ != other.served_ ? !served_ : waiting_since() < other.waiting_since();
    }
    std::int64_t waiting_since() const noexcept {
        return served_ ? protocol_->partial_since().value_or(since_ms_) : since_ms_;
    }

    std::shared_ptr<Impl> server_;
    Stream stream_;
    std::shared_ptr<const Peer> peer_;       // as the handshake told
    std::unique_ptr<HttpProtocol> protocol_; // nullptr: in its handshake
    Phase phase_ = Phase::Handshake;
    std::size_t index_ = 0; // in server_->connections
    std::uint32_t interest_;
    std::size_t held_bytes_ = 0; // what server_->held_bytes has of this connection
    bool served_ = false;        // a whole request has come
    bool worked_ = false;        // since it was idle
    bool blocked_ = false;       // the socket takes no more
    bool read_wants_write_ = false;
    bool read_planned_ = false;
    bool flush_wanted_ = false;
    bool reads_ = true;     // wanted input when last asked
    std::int64_t since_ms_; // the phase began, or the connection became idle
    std::int64_t blocked_since_ms_ = 0;
    std::uint64_t sent_total_ = 0, delivered_at_block_ = 0;
};

} // namespace redoubt::net
