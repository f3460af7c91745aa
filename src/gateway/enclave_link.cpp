// SPDX-License-Identifier: Apache-2.0
#include "gateway/enclave_link.h"

#include "base/log.h"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::gateway {

EnclaveLink::EnclaveLink(net::EventLoop& loop, net::Endpoint endpoint, Events events, std::size_t held_keys)
    : loop_(loop), endpoint_(std::move(endpoint)), events_(std::move(events)), held_keys_(held_keys) {}

EnclaveLink::~EnclaveLink() {
    if (timer_set_)
        loop_.cancel(timer_);
    if (fd_)
        loop_.remove(fd_.get());
}

void EnclaveLink::start() {
    connect();
}

void EnclaveLink::stop() {
    const auto self = shared_from_this();
    down("the gateway is stopping");
    state_ = State::Stopped;
    if (std::exchange(timer_set_, false))
        loop_.cancel(timer_);
}

void EnclaveLink::reset(FixedText why) {
    if (state_ == State::Open || state_ == State::Connecting)
        down(why);
}

void EnclaveLink::connect() {
    timer_set_ = false;
    if (state_ == State::Stopped)
        return;
    auto fd = net::start_connect(endpoint_);
    if (!fd)
        return down("the connection was refused");
    state_ = State::Connecting;
    fd_ = std::move(*fd);
    interest_ = EPOLLOUT;
    loop_.add(fd_.get(), interest_,
              [self = shared_from_this()](std::uint32_t events) { self->ready(events); });
    timer_set_ = true;
    timer_ = loop_.after(kConnectMs, [self = shared_from_this()] {
        self->timer_set_ = false;
        self->down("the connection was not accepted in time");
    });
}

void EnclaveLink::connected() {
    if (std::exchange(timer_set_, false))
        loop_.cancel(timer_);
    if (const auto status = net::connect_result(fd_); !status)
        return down("the connection was refused");
    state_ = State::Open;
    interest_ = EPOLLIN;
    loop_.modify(fd_.get(), interest_);
    heard_at_ = monotonic_ms();
    told_down_ = false;
    log(LogLevel::Info, "connected to an enclave", {{"enclave", endpoint_.text()}});
    events_.opened();
}

void EnclaveLink::ready(std::uint32_t events) {
    const auto self = shared_from_this();
    if (state_ == State::Connecting)
        return connected();
    if ((events & EPOLLOUT) != 0)
        flush();
    if (state_ == State::Open && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        read();
}

void EnclaveLink::read() {
    const auto space = reader_.space();
    const ssize_t n = recv(fd_.get(), space.data(), space.size(), 0);
    if (n == 0)
        return down("the enclave ended the connection");
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? void() : down("the connection broke");
    reader_.commit(static_cast<std::size_t>(n));
    heard_at_ = monotonic_ms();
    while (state_ == State::Open) {
        const auto frame = reader_.next();
        if (!frame || (*frame && (*frame)->kind != wire::Kind::Reply))
            return down("the enclave sent what is no reply");
        if (!*frame)
            return;
        const auto found = waiting_.find((*frame)->id);
        const auto readable = wire::decode_reply((*frame)->payload, *reply_);
        if (found == waiting_.end() || !readable)
            return down("the enclave sent a reply that cannot be read, or to no request");
        auto node = waiting_.extract(found);
        const Callback callback = std::move(node.mapped());
        if (spare_.size() < kMostSpare)
            spare_.push_back(std::move(node));
        come_to_ = std::max(come_to_, (*frame)->id);
        callback(reply_);
        if (!reply_ || reply_->body.capacity() > kKeptBody || reply_->records.size() > kKeptRecords)
            reply_ = wire::Reply();
    }
}

void EnclaveLink::send(wire::Kind kind, const std::function<void(Bytes&)>& encode, Callback callback) {
    if (state_ != State::Open)
        return callback(
            fail(Code::EnclaveUnavailable, "the enclave is not connected; try again in a second"));
    if (kind == wire::Kind::Request && out_.size() - sent_ > kMaxUnsent)
        return callback(fail(Code::Overloaded, "too many requests are waiting; try again in a second"));
    if (waiting_.empty())
        heard_at_ = monotonic_ms();
    const std::uint64_t id = next_id_++;
    if (spare_.empty()) {
        waiting_.emplace(id, std::move(callback));
    } else {
        auto node = std::move(spare_.back());
        spare_.pop_back();
        node.key() = id;
        node.mapped() = std::move(callback);
        waiting_.insert(std::move(node));
    }
    const std::size_t payload_at = wire::begin_frame(out_, kind, id);
    encode(out_);
    wire::end_frame(out_, payload_at);
    if (++unsent_frames_ >= kPush) // the enclave may as well begin
        push();
    if (!std::exchange(flush_deferred_, true))
        loop_.defer([self = shared_from_this()] {
            self->flush_deferred_ = false;
            if (self->state_ == State::Open)
                self->flush();
        });
}

// Sends what the socket takes. False: the connection broke, which is for flush() to tell: callbacks must not
// come from within just any send().
bool EnclaveLink::push() {
    unsent_frames_ = 0;
    while (sent_ < out_.size()) {
        const ssize_t n = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        sent_ += static_cast<std::size_t>(n);
    }
    return true;
}

void EnclaveLink::flush() {
    if (!push())
        return down("the connection broke");
    if (sent_ == out_.size()) {
        wipe(out_); // a Credentials frame may have passed through
        out_.clear();
        sent_ = 0;
    } else if (sent_ >= out_.size() / 2) { // a socket that is never empty must not keep what was sent
        out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
        sent_ = 0;
    }
    const std::uint32_t wanted = EPOLLIN | (out_.empty() ? 0u : std::uint32_t{EPOLLOUT});
    if (wanted != interest_) {
        interest_ = wanted;
        loop_.modify(fd_.get(), wanted);
    }
}

void EnclaveLink::down(FixedText why) {
    if (state_ == State::Stopped)
        return;
    const bool was_open = state_ == State::Open;
    state_ = State::Down;
    if (std::exchange(timer_set_, false))
        loop_.cancel(timer_);
    if (fd_) {
        loop_.remove(fd_.get());
        fd_.reset();
    }
    reader_ = wire::FrameReader();
    held_keys_.clear();
    wipe(out_);
    out_.clear();
    sent_ = 0;
    unsent_frames_ = 0;
    if (was_open || !std::exchange(told_down_, true))
        log(LogLevel::Warning, "an enclave is not reachable",
            {{"enclave", endpoint_.text()}, {"why", why.view()}});
    told_down_ = true;
    timer_set_ = true;
    timer_ = loop_.after(kRetryMs, [self = shared_from_this()] { self->connect(); });
    auto waiting = std::exchange(waiting_, {});
    come_to_ = next_id_ - 1;
    if (was_open)
        events_.closed();
    for (auto& [id, callback] : waiting)
        callback(fail(Code::EnclaveUnavailable, "the enclave's connection ended; try again in a second"));
}

std::int64_t EnclaveLink::silent_ms(std::int64_t now) const noexcept {
    return waiting_.empty() ? 0 : now - heard_at_;
}

} // namespace redoubt::gateway
