// SPDX-License-Identifier: Apache-2.0
// The server's inside (http_server.h is its outside): what all connections share, and one connection.
#pragma once

#include "net/http_server.h"

#include <deque>
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
    // "date" and "server" as header lines.
    const std::string& common_headers();

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
    std::string common_headers_text;
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

// Handshake → Open → (Lingering →) Closed. While Open, requests are read and answered:
//   no_more_       no further request is read: the peer's last one is here, it sent nonsense, or it ended
//   paused()       not at the moment: enough is in work or unsent
//   close_wanted_  an answer with "connection: close" was written; when all is sent, the connection lingers
// Lingering: our side is shut, and what the peer still sends is read and dropped for a while, for closing
// with unread bytes would reset the connection and could take the answer with it.
class HttpServer::Impl::Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(std::shared_ptr<Impl> server, Stream stream);

    void start();
    void answer(std::uint64_t sequence, HttpResponse response, std::optional<std::size_t> cut_after);
    void flush();
    void check_time(std::int64_t now);
    void close();
    bool closed() const noexcept { return phase_ == Phase::Closed; }

  private:
    friend struct HttpServer::Impl;
    enum class Phase { Handshake, Open, Lingering, Closed };
    struct Slot {
        bool keep_alive;
        bool head;
        std::size_t body;
        bool answered = false;
        HttpResponse response{};                // where it waits for those before it
        std::optional<std::size_t> cut_after{}; // Responder::cut()
    };

    void ready(std::uint32_t events);
    void shake_hands();
    void read();
    void read_later();
    std::size_t parse(ByteView bytes);
    void dispatch();
    void offer_continue();
    void reject(const Error& error);
    void write_answer(const Slot& slot, const HttpResponse& response);
    void write_answers();
    void resume();
    void peer_ended();
    void linger();
    void drain_input();
    void want_flush();
    void update_interest();
    std::uint64_t delivered() const noexcept;
    bool continue_owed() const noexcept;
    bool paused() const noexcept;
    bool wants_input() const noexcept;
    bool idle() const noexcept;
    // Waits for nothing of ours: it is in its handshake, idle, or slow to send a request.
    bool evictable() const noexcept {
        return phase_ == Phase::Handshake || (phase_ == Phase::Open && slots_.empty() && unsent() == 0);
    }
    // Whether this one rather makes room for another: who has never sent a whole request before those who
    // have, and of either kind the one that has kept us waiting for longest.
    bool goes_before(const Connection& other) const noexcept {
        return served_ != other.served_ ? !served_ : waiting_since() < other.waiting_since();
    }
    std::int64_t waiting_since() const noexcept {
        return served_ && parser_.started() ? request_since_ms_ : since_ms_;
    }
    void account();
    bool holds_too_much() const noexcept;
    std::size_t unsent() const noexcept { return out_.size() - sent_; }

    std::shared_ptr<Impl> server_;
    Stream stream_;
    std::shared_ptr<const Peer> peer_; // as the handshake told
    HttpParser parser_;
    Phase phase_;
    std::size_t index_ = 0; // in server_->connections
    std::uint32_t interest_;
    Bytes in_; // received, not parsed: paused in the middle of a read
    std::size_t in_taken_ = 0;
    Bytes out_;
    std::size_t sent_ = 0;
    std::deque<Slot> slots_;           // requests in work, in order
    std::size_t slot_bytes_ = 0;       // their bodies
    std::size_t held_bytes_ = 0;       // what server_->held_bytes has of this connection
    std::uint64_t first_sequence_ = 0; // of slots_
    bool served_ = false;              // a whole request has come
    bool no_more_ = false;
    bool close_wanted_ = false;
    bool cut_ = false;     // what is unsent goes out, then the connection is dropped
    bool blocked_ = false; // the socket takes no more
    bool read_wants_write_ = false;
    bool read_planned_ = false;
    bool flush_wanted_ = false;
    bool continue_sent_ = false;
    bool reads_ = true;                 // wanted input when last asked
    std::int64_t since_ms_;             // the phase began, or the connection became idle
    std::int64_t request_since_ms_ = 0; // its first byte
    std::int64_t blocked_since_ms_ = 0;
    std::uint64_t sent_total_ = 0, delivered_at_block_ = 0;
};

} // namespace redoubt::net
