// SPDX-License-Identifier: Apache-2.0
#include "net/http_connection.h"

#include "base/clock.h"
#include "base/spare.h"
#include "net/http1.h"

#include <algorithm>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::net {

namespace {

constexpr std::size_t kKeptBuffer = 128 * 1024; // a larger one is given back when it is empty
constexpr std::size_t kIdleBuffer = 16 * 1024;  // and this much of a connection that has been idle
constexpr std::int64_t kIdleMs = 1'000;         // for so long
constexpr int kWritesPerFlush = 16; // of what a protocol fills in at once; then others have their turn
constexpr int kReadsPerEvent = 4;   // of a TLS record (16 KiB) each; then others have their turn
constexpr std::int64_t kLingerMs = 2'000;
constexpr std::uint64_t kMinProgress = 64 * 1024; // bytes a slow reader takes in each write timeout

} // namespace

HttpServer::Responder::State::~State() {
    if (!answered)
        answer(HttpResponse::error(Code::Internal, "the server failed to answer; try again"));
}

void HttpServer::Responder::State::answer(HttpResponse response, std::optional<std::size_t> cut_after) {
    if (std::exchange(answered, true))
        return;
    if (const auto to = connection.lock())
        to->answer(sequence, std::move(response), cut_after);
}

HttpServer::Impl::Connection::Connection(std::shared_ptr<Impl> server, Stream stream)
    : server_(std::move(server)), stream_(std::move(stream)), interest_(EPOLLIN), since_ms_(monotonic_ms()) {
    if (!stream_.is_tls())
        begin();
}

void HttpServer::Impl::Connection::start() {
    server_->loop.add(stream_.fd(), interest_,
                      [self = shared_from_this()](std::uint32_t events) { self->ready(events); });
}

void HttpServer::Impl::Connection::ready(std::uint32_t events) {
    switch (phase_) {
    case Phase::Handshake:
        return shake_hands();
    case Phase::Open:
        if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            return close(); // both directions are gone: nobody is there to answer
        if ((events & EPOLLOUT) != 0)
            flush();
        if ((events & EPOLLIN) != 0 || read_wants_write_)
            read();
        return;
    case Phase::Lingering:
        return drain_input();
    case Phase::Closed:
        return;
    }
}

void HttpServer::Impl::Connection::shake_hands() {
    const Io outcome = stream_.handshake();
    switch (outcome) {
    case Io::Done:
        begin();
        read(); // the first request may have come with the handshake's last message
        if (open())
            update_interest();
        return;
    case Io::WantRead:
    case Io::WantWrite: {
        const std::uint32_t wanted = outcome == Io::WantRead ? EPOLLIN : EPOLLOUT;
        if (wanted != interest_)
            server_->loop.modify(stream_.fd(), interest_ = wanted);
        return;
    }
    case Io::Closed:
    case Io::Failed:
        ++server_->counts.handshakes_failed;
        return close();
    }
}

void HttpServer::Impl::Connection::begin() {
    phase_ = Phase::Open;
    since_ms_ = monotonic_ms();
    peer_ = stream_.peer();
    if (options().http2 && stream_.alpn() == "h2")
        protocol_ = options().http2(*this);
    else
        protocol_ = std::make_unique<Http1>(*this);
}

// Brings the server's sum up to date with what this connection holds.
bool HttpServer::Impl::Connection::hold(std::size_t bytes) noexcept {
    server_->held_bytes += bytes - held_bytes_; // modulo 2^64, as the sum is
    held_bytes_ = bytes;
    return held_bytes_ <= kFairShare || server_->held_bytes <= options().max_held_bytes;
}

void HttpServer::Impl::Connection::hand_on(HttpRequest&& request, std::uint64_t sequence) {
    request.peer = peer_;
    served_ = worked_ = true;
    Responder respond;
    respond.state_ = make_spare_shared<Responder::State>(weak_from_this(), sequence);
    const auto server = server_; // the handler may end the server, and with it this connection
    server->handler(std::move(request), std::move(respond));
}

void HttpServer::Impl::Connection::answer(std::uint64_t sequence, HttpResponse response,
                                          std::optional<std::size_t> cut_after) {
    if (open())
        protocol_->answer(sequence, std::move(response), cut_after);
}

bool HttpServer::Impl::Connection::gone(std::uint64_t sequence) const noexcept {
    return phase_ == Phase::Closed || protocol_->gone(sequence);
}

void HttpServer::Impl::Connection::read() {
    read_wants_write_ = false;
    for (int i = 0; i < kReadsPerEvent && wants_input(); ++i) {
        std::size_t n = 0;
        Bytes& buffer = server_->read_buffer;
        switch (stream_.read(buffer, n)) {
        case Io::Done:
            protocol_->take(ByteView(buffer).first(n));
            if (!open())
                return;
            if (!stream_.pending())
                return update_interest();
            break;
        case Io::WantRead:
            return update_interest();
        case Io::WantWrite:
            read_wants_write_ = true;
            return update_interest();
        case Io::Closed:
            return peer_ended();
        case Io::Failed:
            return close();
        }
    }
    update_interest();
    if (wants_input() && stream_.pending())
        read_later();
}

// What lies decrypted inside TLS wakes no epoll.
void HttpServer::Impl::Connection::read_later() {
    if (std::exchange(read_planned_, true))
        return;
    (void)server_->loop.after(0, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->read_planned_ = false;
            self->read();
        }
    });
}

void HttpServer::Impl::Connection::want_flush() {
    if (std::exchange(flush_wanted_, true))
        return;
    server_->plan_flush(shared_from_this());
}

void HttpServer::Impl::Connection::flush() {
    flush_wanted_ = false;
    for (int i = 0; i < kWritesPerFlush; ++i) {
        if (!open())
            return;
        if (!blocked_ || unsent() == 0)
            protocol_->fill();
        if (!send())
            return;
        if (unsent() > 0) { // the socket is full
            if (sent >= out.size() / 2) {
                out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(sent));
                sent = 0;
            }
            break;
        }
        if (out.empty()) {
            sent_all();
            break;
        }
        out.clear();
        sent = 0;
        // Not in this turn: what is deferred there is done before any socket is read.
        if (i + 1 == kWritesPerFlush && !std::exchange(flush_wanted_, true))
            (void)server_->loop.after(0, [weak = weak_from_this()] {
                if (const auto self = weak.lock())
                    self->flush();
            });
    }
    if (!open())
        return;
    protocol_->resume();
    if (!open())
        return;
    update_interest();
    if (wants_input() && stream_.pending())
        read_later();
}

// False: the connection ended.
bool HttpServer::Impl::Connection::send() {
    bool full = false;
    while (sent < out.size() && !full) {
        std::size_t n = 0;
        switch (stream_.write(ByteView(out).subspan(sent), n)) {
        case Io::Done:
            sent += n;
            sent_total_ += n;
            break;
        case Io::WantRead:
        case Io::WantWrite:
            full = true;
            break;
        case Io::Closed:
        case Io::Failed:
            close();
            return false;
        }
    }
    if (full && !blocked_) {
        blocked_since_ms_ = monotonic_ms();
        delivered_at_block_ = delivered();
    }
    blocked_ = full;
    return true;
}

void HttpServer::Impl::Connection::sent_all() {
    if (out.capacity() > kKeptBuffer)
        out = Bytes();
    if (cut)
        return close();
    if (close_wanted)
        return linger();
    if (protocol_->working())
        return;
    if (no_more)
        return linger();
    if (std::exchange(worked_, false))
        since_ms_ = monotonic_ms();
}

// What the peer's kernel has taken. Counting what the socket took instead would let a peer that reads seem to
// stand still: a full socket takes nothing until a third of its buffer, perhaps megabytes, is free again.
std::uint64_t HttpServer::Impl::Connection::delivered() const noexcept {
    int queued = 0;
    if (ioctl(stream_.fd(), SIOCOUTQ, &queued) != 0 || queued < 0)
        return sent_total_;
    return sent_total_ - std::min(sent_total_, static_cast<std::uint64_t>(queued));
}

void HttpServer::Impl::Connection::update_interest() {
    const bool reads = wants_input();
    if (reads && !reads_)
        protocol_->waited(monotonic_ms());
    reads_ = reads;
    const std::uint32_t wanted = (reads ? EPOLLIN : 0U) | (blocked_ || read_wants_write_ ? EPOLLOUT : 0U);
    if (wanted != interest_)
        server_->loop.modify(stream_.fd(), interest_ = wanted);
}

// The peer sends no more. What it asked before is answered.
void HttpServer::Impl::Connection::peer_ended() {
    no_more = true;
    if (!protocol_->working() && unsent() == 0)
        return close();
    update_interest();
}

void HttpServer::Impl::Connection::linger() {
    phase_ = Phase::Lingering;
    since_ms_ = monotonic_ms();
    stream_.shutdown();
    (void)::shutdown(stream_.fd(), SHUT_WR);
    if (interest_ != EPOLLIN)
        server_->loop.modify(stream_.fd(), interest_ = EPOLLIN);
}

void HttpServer::Impl::Connection::drain_input() {
    Bytes& buffer = server_->read_buffer;
    const ssize_t n = recv(stream_.fd(), buffer.data(), buffer.size(), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close();
}

void HttpServer::Impl::Connection::check_time(std::int64_t now) {
    const HttpServerOptions& limits = server_->options;
    switch (phase_) {
    case Phase::Handshake:
        if (now - since_ms_ >= limits.handshake_timeout_ms) {
            ++server_->counts.handshakes_failed;
            close();
        }
        return;
    case Phase::Lingering:
        if (now - since_ms_ >= kLingerMs)
            close();
        return;
    case Phase::Closed:
        return;
    case Phase::Open:
        break;
    }
    const bool waits = protocol_->check_time(now, blocked_);
    if (!open())
        return;
    if (blocked_) {
        if (now - blocked_since_ms_ < limits.write_timeout_ms)
            return;
        const std::uint64_t now_delivered = delivered();
        if (now_delivered < delivered_at_block_ + kMinProgress)
            return close();
        blocked_since_ms_ = now;
        delivered_at_block_ = now_delivered;
    } else if (!waits && unsent() == 0) {
        if (out.capacity() > kIdleBuffer && now - since_ms_ >= kIdleMs)
            out = Bytes();
        if (now - since_ms_ < limits.idle_timeout_ms &&
            (!server_->draining ||
             now - std::max(since_ms_, server_->drain_since_ms) < server_->drain_idle_ms))
            return;
        if (!protocol_->farewell())
            return close();
        no_more = close_wanted = true;
        want_flush();
    }
}

void HttpServer::Impl::Connection::drain() {
    if (open())
        protocol_->drain();
}

void HttpServer::Impl::Connection::close() {
    if (phase_ == Phase::Closed)
        return;
    const auto self = shared_from_this();
    if (open() && unsent() == 0 && !cut)
        stream_.shutdown();
    phase_ = Phase::Closed;
    server_->loop.remove(stream_.fd());
    stream_ = Stream::plain(Fd());
    out = Bytes();
    sent = 0;
    if (protocol_)
        protocol_->ended();
    (void)hold(0);
    server_->forget(*this);
}

} // namespace redoubt::net
