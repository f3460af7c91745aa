// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/boot_handshake.h"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace redoubt::nitrosim {

namespace {

constexpr std::uint8_t kHeartbeat = 0xb7;
constexpr std::size_t kMaxGuests = 4; // one is enough; another pushes one of them out

} // namespace

Result<std::unique_ptr<BootHandshake>>
BootHandshake::create(net::EventLoop& loop, const std::string& socket_path, std::function<void()> booted) {
    REDOUBT_TRY(const auto endpoint, net::parse_endpoint("unix:" + socket_path));
    std::unique_ptr<BootHandshake> out(new BootHandshake(loop, socket_path, std::move(booted)));
    REDOUBT_TRY(net::Fd listener, net::listen_on(endpoint));
    out->acceptor_.emplace(loop, std::move(listener),
                           [shake = out.get()](net::Fd guest) { shake->take(std::move(guest)); });
    return out;
}

BootHandshake::~BootHandshake() {
    for (const auto& [fd, guest] : guests_)
        loop_.remove(fd);
    if (acceptor_)
        (void)unlink(path_.c_str());
}

void BootHandshake::take(net::Fd guest) {
    if (guests_.size() == kMaxGuests) {
        loop_.remove(guests_.begin()->first);
        guests_.erase(guests_.begin());
    }
    const int fd = guest.get();
    guests_[fd] = std::move(guest);
    loop_.add(fd, EPOLLIN, [this, fd](std::uint32_t) { read_byte(fd); });
}

void BootHandshake::read_byte(int fd) {
    std::uint8_t byte = 0;
    const ssize_t n = recv(fd, &byte, 1, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    const bool good = n == 1 && byte == kHeartbeat && send(fd, &kHeartbeat, 1, MSG_NOSIGNAL) == 1;
    loop_.remove(fd);
    guests_.erase(fd);
    if (good && booted_)
        booted_();
}

} // namespace redoubt::nitrosim
