// SPDX-License-Identifier: Apache-2.0
#include "host/relay.h"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::host {

namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr int kReadsPerEvent = 4; // then other connections have their turn; the loop is level-triggered

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK;
}

} // namespace

Relay::Relay(net::EventLoop& loop, net::Fd a, net::Fd b, std::function<void()> finished)
    : loop_(loop), finished_(std::move(finished)) {
    end(Side::A).fd = std::move(a);
    end(Side::B).fd = std::move(b);
    register_interest(Side::A);
    register_interest(Side::B);
}

Relay::~Relay() {
    for (End& e : ends_)
        if (e.registered)
            loop_.remove(e.fd.get());
}

// Every event leaves both sides registered for exactly what the relay waits for. A hang-up is reported
// whether asked for or not, so a side that is waited for in no way is taken out of the loop.
void Relay::register_interest(Side side) {
    End& e = end(side);
    const Direction& in = from(side);
    const Direction& out = from(other(side));
    const bool reads = !in.ended && !in.closed && in.waiting.empty();
    const bool writes = !out.closed && !out.waiting.empty();
    // At the end of its bytes a side is still watched: if it hangs up, nobody takes the other's bytes.
    const bool watches = in.ended && !out.closed;
    const std::uint32_t interest = (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U);
    if (!reads && !writes && !watches) {
        if (e.registered)
            loop_.remove(e.fd.get());
        e.registered = false;
    } else if (!e.registered) {
        loop_.add(e.fd.get(), interest, [this, side](std::uint32_t events) { on_event(side, events); });
        e.registered = true;
    } else if (interest != e.interest) {
        loop_.modify(e.fd.get(), interest);
    }
    e.interest = interest;
}

void Relay::on_event(Side side, std::uint32_t events) {
    constexpr std::uint32_t kGone = EPOLLHUP | EPOLLERR;
    const Side peer = other(side);
    Outcome outcome = Outcome::Going;
    if ((events & (EPOLLOUT | kGone)) != 0 && !from(peer).waiting.empty())
        flush(peer);
    if ((events & (EPOLLIN | kGone)) != 0 && !from(side).ended)
        outcome = pump(side);
    else if ((events & kGone) != 0)
        give_up(peer); // all of its bytes are read, and it takes none any more
    if (outcome == Outcome::Broken)
        abort();
    if (from(Side::A).closed && from(Side::B).closed) {
        for (End& e : ends_) {
            if (e.registered)
                loop_.remove(e.fd.get());
            e.registered = false;
            e.fd.reset();
        }
        if (const auto finished = std::exchange(finished_, nullptr))
            finished(); // may destroy this
        return;
    }
    register_interest(side);
    register_interest(peer);
}

// Source to sink until the source has no more, the sink takes no more, or it is others' turn.
Relay::Outcome Relay::pump(Side source) {
    static thread_local std::array<std::uint8_t, kBufferBytes> buffer;
    Direction& direction = from(source);
    const int sink = end(other(source)).fd.get();
    for (int i = 0; i < kReadsPerEvent; ++i) {
        if (direction.ended || direction.closed || !direction.waiting.empty())
            return Outcome::Going;
        const ssize_t got = recv(end(source).fd.get(), buffer.data(), buffer.size(), 0);
        if (got < 0)
            return would_block(errno) || errno == EINTR ? Outcome::Going : Outcome::Broken;
        if (got == 0) {
            direction.ended = true;
            pass_on_end(source);
            return Outcome::Going;
        }
        const std::size_t size = static_cast<std::size_t>(got);
        std::size_t sent = 0;
        while (sent < size) {
            const ssize_t n = send(sink, buffer.data() + sent, size - sent, MSG_NOSIGNAL);
            if (n > 0) {
                sent += static_cast<std::size_t>(n);
            } else if (n < 0 && would_block(errno)) {
                direction.waiting.assign(buffer.begin() + static_cast<std::ptrdiff_t>(sent),
                                         buffer.begin() + got);
                direction.taken = 0;
                break;
            } else if (n == 0 || errno != EINTR) {
                give_up(source);
                break;
            }
        }
    }
    return Outcome::Going;
}

void Relay::flush(Side source) {
    Direction& direction = from(source);
    while (direction.taken < direction.waiting.size()) {
        const ssize_t n = send(end(other(source)).fd.get(), direction.waiting.data() + direction.taken,
                               direction.waiting.size() - direction.taken, MSG_NOSIGNAL);
        if (n > 0) {
            direction.taken += static_cast<std::size_t>(n);
        } else if (n < 0 && would_block(errno)) {
            return;
        } else if (n == 0 || errno != EINTR) {
            give_up(source);
            return;
        }
    }
    direction.waiting = Bytes(); // gives the memory back: most connections are idle most of the time
    direction.taken = 0;
    if (direction.ended)
        pass_on_end(source);
}

void Relay::pass_on_end(Side source) {
    Direction& direction = from(source);
    if (direction.closed || !direction.waiting.empty())
        return;
    shutdown(end(other(source)).fd.get(), SHUT_WR);
    direction.closed = true;
}

// The sink takes nothing any more. The opposite direction goes on: its bytes may all have been sent already.
void Relay::give_up(Side source) {
    Direction& direction = from(source);
    direction.waiting = Bytes();
    direction.taken = 0;
    direction.closed = true;
}

// A side failed in the middle of its bytes. The other must not take that for their end: TCP is reset.
void Relay::abort() {
    for (End& e : ends_) {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        setsockopt(e.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    give_up(Side::A);
    give_up(Side::B);
}

} // namespace redoubt::host
