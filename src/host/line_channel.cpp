// SPDX-License-Identifier: Apache-2.0
#include "host/line_channel.h"

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace redoubt::host {

LineChannel::LineChannel(net::EventLoop& loop, net::Fd socket, std::function<void(const std::string&)> line,
                         std::function<void()> ended)
    : loop_(loop), socket_(std::move(socket)), line_(std::move(line)), ended_(std::move(ended)) {
    loop_.add(socket_.get(), EPOLLIN, [this](std::uint32_t events) {
        if ((events & EPOLLOUT) != 0)
            flush();
        if ((events & ~std::uint32_t{EPOLLOUT}) != 0)
            drain();
    });
}

LineChannel::~LineChannel() {
    close();
}

void LineChannel::close() {
    if (!socket_)
        return;
    loop_.remove(socket_.get());
    socket_.reset();
}

void LineChannel::send(const std::string& line) {
    if (!socket_)
        return;
    out_ += line;
    out_.push_back('\n');
    flush();
}

void LineChannel::flush() {
    while (socket_ && !out_.empty()) {
        const ssize_t n = ::send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return loop_.modify(socket_.get(), EPOLLIN | EPOLLOUT);
        if (n < 0)
            out_.clear(); // the other side is gone: reading says so
        else
            out_.erase(0, static_cast<std::size_t>(n));
    }
    if (socket_)
        loop_.modify(socket_.get(), EPOLLIN);
}

void LineChannel::drain() {
    while (socket_ && receive())
        ;
}

bool LineChannel::receive() {
    std::array<char, 4096> buffer{};
    const ssize_t n = recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (n > 0)
        in_.append(buffer.data(), static_cast<std::size_t>(n));
    for (std::size_t end = 0; n > 0 && (end = in_.find('\n')) != std::string::npos;) {
        const std::string line = in_.substr(0, end);
        in_.erase(0, end + 1);
        line_(line);
    }
    if (n > 0 && in_.size() <= kMaxLine)
        return true;
    close();
    const auto ended = ended_; // it may destroy the channel, and itself with it
    ended();
    return false;
}

} // namespace redoubt::host
