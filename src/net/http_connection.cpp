// SPDX-License-Identifier: Apache-2.0
#include "net/http_connection.h"

#include "base/clock.h"

#include <algorithm>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::net {

namespace {

constexpr std::size_t kMaxUnsent = 256 * 1024; // beyond, no further request is read
constexpr std::size_t kKeptBuffer = 64 * 1024; // a larger one is given back when it is empty
constexpr int kReadsPerEvent = 4;              // of a TLS record (16 KiB) each; then others have their turn
constexpr std::int64_t kLingerMs = 2'000;
constexpr std::uint64_t kMinProgress = 64 * 1024; // bytes a slow reader takes in each write timeout

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

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
    : server_(std::move(server)), stream_(std::move(stream)),
      parser_(HttpParser::Kind::Request, server_->options.limits),
      phase_(stream_.is_tls() ? Phase::Handshake : Phase::Open), interest_(EPOLLIN),
      since_ms_(monotonic_ms()) {}

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
        phase_ = Phase::Open;
        since_ms_ = monotonic_ms();
        peer_ = stream_.peer();
        read(); // the first request may have come with the handshake's last message
        if (phase_ == Phase::Open)
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

bool HttpServer::Impl::Connection::paused() const noexcept {
    return slots_.size() >= server_->options.max_pipelined || unsent() > kMaxUnsent;
}

bool HttpServer::Impl::Connection::wants_input() const noexcept {
    return phase_ == Phase::Open && !no_more_ && in_.empty() && !paused();
}

bool HttpServer::Impl::Connection::idle() const noexcept {
    return slots_.empty() && unsent() == 0 && in_.empty() && !parser_.started();
}

// Brings the server's sum up to date with what this connection holds.
void HttpServer::Impl::Connection::account() {
    const std::size_t now = phase_ == Phase::Closed ? 0 : slot_bytes_ + parser_.request().body.size();
    server_->held_bytes += now - held_bytes_; // modulo 2^64, as the sum is
    held_bytes_ = now;
}

bool HttpServer::Impl::Connection::holds_too_much() const noexcept {
    return held_bytes_ > kFairShare && server_->held_bytes > server_->options.max_held_bytes;
}

void HttpServer::Impl::Connection::read() {
    read_wants_write_ = false;
    for (int i = 0; i < kReadsPerEvent && wants_input(); ++i) {
        std::size_t n = 0;
        Bytes& buffer = server_->read_buffer;
        switch (stream_.read(buffer, n)) {
        case Io::Done: {
            const auto got = ByteView(buffer).first(n);
            const std::size_t taken = parse(got);
            if (phase_ != Phase::Open)
                return;
            if (!no_more_ && taken < n)
                in_.assign(got.begin() + static_cast<std::ptrdiff_t>(taken), got.end());
            if (!stream_.pending())
                return update_interest();
            break;
        }
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

// Parses and hands out requests until the bytes end or no more is wanted; returns how many were taken.
std::size_t HttpServer::Impl::Connection::parse(ByteView bytes) {
    std::size_t at = 0;
    while (at < bytes.size() && phase_ == Phase::Open && !no_more_ && !paused()) {
        if (!parser_.started())
            request_since_ms_ = monotonic_ms();
        const auto taken = parser_.feed(bytes.subspan(at));
        if (!taken) {
            reject(taken.error());
            return bytes.size();
        }
        at += *taken;
        account();
        if (holds_too_much()) {
            reject({Code::Overloaded, "the server holds too many request bodies; try again in a second"});
            return bytes.size();
        }
        if (parser_.done())
            dispatch();
        else
            offer_continue();
    }
    return at;
}

void HttpServer::Impl::Connection::dispatch() {
    HttpRequest request = parser_.take_request();
    request.peer = peer_;
    served_ = true;
    continue_sent_ = false;
    if (!request.keep_alive || server_->draining)
        no_more_ = true;
    slots_.push_back({request.keep_alive, request.method == "HEAD", request.body.size()});
    slot_bytes_ += request.body.size();
    Responder respond;
    respond.state_ =
        std::make_shared<Responder::State>(weak_from_this(), first_sequence_ + slots_.size() - 1);
    const auto server = server_; // the handler may end the server, and with it this connection
    server->handler(std::move(request), std::move(respond));
}

// The client waits for our 100 before it sends the body.
bool HttpServer::Impl::Connection::continue_owed() const noexcept {
    return !continue_sent_ && parser_.head_done() && parser_.request().expect_continue;
}

// RFC 9110, section 10.1.1; after the answers to earlier requests.
void HttpServer::Impl::Connection::offer_continue() {
    if (!slots_.empty() || !continue_owed())
        return;
    continue_sent_ = true;
    request_since_ms_ = monotonic_ms();
    append(out_, as_bytes(kContinue));
    want_flush();
}

// The message's end is not known any more, so neither is the next one's beginning.
void HttpServer::Impl::Connection::reject(const Error& error) {
    ++server_->counts.rejected;
    no_more_ = true;
    auto response = HttpResponse::error(error);
    if (response.status == 503)
        response.headers.push_back({"retry-after", "1"});
    slots_.push_back({false, false, 0, true, std::move(response)});
    write_answers();
}

void HttpServer::Impl::Connection::answer(std::uint64_t sequence, HttpResponse response,
                                          std::optional<std::size_t> cut_after) {
    if (phase_ != Phase::Open)
        return;
    const std::uint64_t at = sequence - first_sequence_;
    if (at >= slots_.size() || slots_[at].answered)
        return;
    slots_[at].answered = true;
    slots_[at].cut_after = cut_after;
    slot_bytes_ -= std::exchange(slots_[at].body, 0);
    account();
    if (at == 0) {
        write_answer(slots_.front(), response);
        slots_.pop_front();
        ++first_sequence_;
        write_answers();
    } else {
        slots_[at].response = std::move(response);
    }
}

// Those that are complete and whose turn it is.
void HttpServer::Impl::Connection::write_answers() {
    while (!slots_.empty() && slots_.front().answered) {
        write_answer(slots_.front(), slots_.front().response);
        slots_.pop_front();
        ++first_sequence_;
    }
    offer_continue();
    want_flush();
}

void HttpServer::Impl::Connection::write_answer(const Slot& slot, const HttpResponse& response) {
    const bool last = slots_.size() == 1;
    const bool more_coming = !no_more_ && (!server_->draining || parser_.started() || !in_.empty());
    const bool keep_alive = slot.keep_alive && (!last || more_coming);
    if (cut_)
        return; // an earlier answer ended the connection
    if (slot.cut_after) {
        const std::size_t before = out_.size();
        append_response(out_, response, keep_alive, slot.head, server_->common_headers());
        out_.resize(std::min(out_.size(), before + *slot.cut_after));
        no_more_ = true;
        cut_ = true;
        return;
    }
    append_response(out_, response, keep_alive, slot.head, server_->common_headers());
    if (!keep_alive) {
        no_more_ = true;
        close_wanted_ = true;
    }
}

void HttpServer::Impl::Connection::want_flush() {
    if (std::exchange(flush_wanted_, true))
        return;
    server_->plan_flush(shared_from_this());
}

void HttpServer::Impl::Connection::flush() {
    flush_wanted_ = false;
    if (phase_ != Phase::Open)
        return;
    bool full = false;
    while (sent_ < out_.size() && !full) {
        std::size_t n = 0;
        switch (stream_.write(ByteView(out_).subspan(sent_), n)) {
        case Io::Done:
            sent_ += n;
            sent_total_ += n;
            break;
        case Io::WantRead:
        case Io::WantWrite:
            full = true;
            break;
        case Io::Closed:
        case Io::Failed:
            return close();
        }
    }
    if (full && !blocked_) {
        blocked_since_ms_ = monotonic_ms();
        delivered_at_block_ = delivered();
    }
    blocked_ = full;
    if (!full) {
        out_.clear();
        sent_ = 0;
        if (out_.capacity() > kKeptBuffer)
            out_ = Bytes();
        if (cut_)
            return close();
        if (close_wanted_)
            return linger();
        if (slots_.empty()) {
            if (no_more_)
                return linger();
            since_ms_ = monotonic_ms();
        }
    } else if (sent_ >= out_.size() / 2) {
        out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
        sent_ = 0;
    }
    resume();
}

// What the peer's kernel has taken. Counting what the socket took instead would let a peer that reads seem to
// stand still: a full socket takes nothing until a third of its buffer, perhaps megabytes, is free again.
std::uint64_t HttpServer::Impl::Connection::delivered() const noexcept {
    int queued = 0;
    if (ioctl(stream_.fd(), SIOCOUTQ, &queued) != 0 || queued < 0)
        return sent_total_;
    return sent_total_ - std::min(sent_total_, static_cast<std::uint64_t>(queued));
}

// There may be room for requests again.
void HttpServer::Impl::Connection::resume() {
    if (!in_.empty() && !paused()) {
        in_taken_ += parse(ByteView(in_).subspan(in_taken_));
        if (phase_ != Phase::Open)
            return;
        if (no_more_ || in_taken_ == in_.size()) {
            in_.clear();
            in_taken_ = 0;
        }
    }
    update_interest();
    if (wants_input() && stream_.pending())
        read_later();
}

void HttpServer::Impl::Connection::update_interest() {
    const bool reads = wants_input();
    if (reads && !reads_ && parser_.started())
        request_since_ms_ = monotonic_ms(); // it was not the client that made its request wait
    reads_ = reads;
    const std::uint32_t wanted = (reads ? EPOLLIN : 0U) | (blocked_ || read_wants_write_ ? EPOLLOUT : 0U);
    if (wanted != interest_)
        server_->loop.modify(stream_.fd(), interest_ = wanted);
}

// The peer sends no more. What it asked before is answered.
void HttpServer::Impl::Connection::peer_ended() {
    no_more_ = true;
    if (slots_.empty() && unsent() == 0)
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
    if (blocked_) {
        if (now - blocked_since_ms_ < limits.write_timeout_ms)
            return;
        const std::uint64_t now_delivered = delivered();
        if (now_delivered < delivered_at_block_ + kMinProgress)
            return close();
        blocked_since_ms_ = now;
        delivered_at_block_ = now_delivered;
    } else if (parser_.started()) {
        if (wants_input() && !continue_owed() && now - request_since_ms_ >= limits.request_timeout_ms)
            reject({Code::Timeout, "the request did not arrive in time; send it faster"});
    } else if (idle()) {
        if (now - since_ms_ >= limits.idle_timeout_ms ||
            (server_->draining &&
             now - std::max(since_ms_, server_->drain_since_ms) >= server_->drain_idle_ms))
            close();
    }
}

void HttpServer::Impl::Connection::close() {
    if (phase_ == Phase::Closed)
        return;
    const auto self = shared_from_this();
    if (phase_ == Phase::Open && unsent() == 0 && !cut_)
        stream_.shutdown();
    phase_ = Phase::Closed;
    server_->loop.remove(stream_.fd());
    stream_ = Stream::plain(Fd());
    in_ = Bytes();
    out_ = Bytes();
    in_taken_ = sent_ = 0;
    slots_.clear();
    slot_bytes_ = 0;
    account();
    server_->forget(*this);
}

} // namespace redoubt::net
