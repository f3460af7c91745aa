// SPDX-License-Identifier: Apache-2.0
#include "gateway/stream_link.h"

#include "base/log.h"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::gateway {

StreamLink::StreamLink(net::EventLoop& loop, net::Endpoint endpoint, Events events)
    : loop_(loop), endpoint_(std::move(endpoint)), events_(std::move(events)) {}

StreamLink::~StreamLink() {
    leave();
}

void StreamLink::start() {
    auto fd = net::start_connect(endpoint_);
    if (!fd) {
        // From the loop: whoever starts it is not done with it yet.
        loop_.defer([self = shared_from_this()] { self->end("the connection was refused"); });
        return;
    }
    fd_ = std::move(*fd);
    interest_ = EPOLLOUT;
    loop_.add(fd_.get(), interest_, [weak = weak_from_this()](std::uint32_t events) {
        if (const auto self = weak.lock())
            self->ready(events);
    });
    timer_ = loop_.after(kConnectMs, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->timer_ = 0;
            self->end("the connection was not accepted in time");
        }
    });
}

void StreamLink::stop() {
    events_ = {};
    leave();
    state_ = State::Ended;
}

void StreamLink::leave() {
    if (timer_ != 0)
        loop_.cancel(std::exchange(timer_, 0));
    if (fd_)
        loop_.remove(fd_.get());
    fd_.reset();
    out_.clear();
    sent_ = 0;
}

void StreamLink::end(FixedText why) {
    if (state_ == State::Ended)
        return;
    state_ = State::Ended;
    leave();
    log(LogLevel::Warning, "an enclave's link for TLS streams ended",
        {{"enclave", endpoint_.text()}, {"why", why.view()}});
    const auto events = std::exchange(events_, {});
    if (events.ended)
        events.ended();
}

void StreamLink::ready(std::uint32_t events) {
    const auto self = shared_from_this();
    if (state_ == State::Connecting)
        return connected();
    if ((events & EPOLLOUT) != 0)
        flush();
    if (state_ == State::Open && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        read();
}

void StreamLink::connected() {
    if (timer_ != 0)
        loop_.cancel(std::exchange(timer_, 0));
    if (!net::connect_result(fd_))
        return end("the connection was refused");
    state_ = State::Open;
    flush();
}

void StreamLink::read() {
    const auto space = reader_.space();
    const ssize_t n = recv(fd_.get(), space.data(), space.size(), 0);
    if (n == 0)
        return end("the enclave ended the connection");
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? void() : end("the connection broke");
    reader_.commit(static_cast<std::size_t>(n));
    while (state_ == State::Open) {
        const auto frame = reader_.next();
        if (!frame || (*frame && !wire::is_stream((*frame)->kind)))
            return end("the enclave sent what is nothing of a stream's");
        if (!*frame)
            return;
        events_.frame(**frame);
    }
}

void StreamLink::send(wire::Kind kind, std::uint64_t stream, const std::function<void(Bytes&)>& encode) {
    if (state_ == State::Ended)
        return;
    const std::size_t payload_at = wire::begin_frame(out_, kind, stream);
    encode(out_);
    wire::end_frame(out_, payload_at);
    if (state_ == State::Open && !std::exchange(flush_deferred_, true))
        loop_.defer([self = shared_from_this()] {
            self->flush_deferred_ = false;
            if (self->state_ == State::Open)
                self->flush();
        });
}

void StreamLink::flush() {
    while (sent_ < out_.size()) {
        const ssize_t n = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return end("the connection broke");
        if (n < 0)
            break;
        sent_ += static_cast<std::size_t>(n);
    }
    if (sent_ == out_.size()) {
        out_.clear();
        sent_ = 0;
    } else if (sent_ >= out_.size() / 2) { // a socket that is never empty must not keep what was sent
        out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
        sent_ = 0;
    }
    const std::uint32_t wanted = EPOLLIN | (out_.empty() ? 0u : std::uint32_t{EPOLLOUT});
    if (wanted != interest_)
        loop_.modify(fd_.get(), interest_ = wanted);
}

} // namespace redoubt::gateway
