// SPDX-License-Identifier: Apache-2.0
#include "net/acceptor.h"

#include "base/log.h"

#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace redoubt::net {

Acceptor::Acceptor(EventLoop& loop, Fd listener, Accepted accepted)
    : loop_(loop), listener_(std::move(listener)), accepted_(std::move(accepted)) {
    watch();
}

Acceptor::~Acceptor() {
    want(false);
    if (resting_)
        loop_.cancel(timer_);
}

void Acceptor::want(bool wanted) {
    wanted_ = wanted;
    watch();
}

void Acceptor::watch() {
    const bool now = wanted_ && !resting_;
    if (now == watched_)
        return;
    watched_ = now;
    if (now)
        loop_.add(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_some(); });
    else
        loop_.remove(listener_.get());
}

void Acceptor::accept_some() {
    for (int i = 0; i < kAtOnce && wanted_; ++i) {
        Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd) {
            told_ = false;
            accepted_(std::move(fd));
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        // EMFILE, ENFILE, ENOBUFS, ENOMEM; whatever else there is must not spin either.
        if (!std::exchange(told_, true))
            log(LogLevel::Warning, "connections have to wait: none can be accepted now",
                {{"error", std::strerror(errno)}});
        resting_ = true;
        timer_ = loop_.after(kRestMs, [this] {
            resting_ = false;
            watch();
        });
        watch();
        return;
    }
}

} // namespace redoubt::net
