// SPDX-License-Identifier: Apache-2.0
#include "host/vsock_bridge.h"

#include "base/log.h"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace redoubt::host {

namespace {

constexpr std::size_t kMaxAnswer = 32; // "OK 4294967295\n" and some room

net::Endpoint unix_endpoint(const std::string& path) {
    net::Endpoint out;
    out.path = path;
    return out;
}

} // namespace

VsockBridge::VsockBridge(net::EventLoop& loop, std::string listen_path, std::string vsock_path,
                         std::uint32_t port)
    : loop_(loop), listen_path_(std::move(listen_path)), vsock_path_(std::move(vsock_path)), port_(port) {
    (void)unlink(listen_path_.c_str()); // of one that ended without us
    try_guest();
}

VsockBridge::~VsockBridge() {
    if (timer_set_)
        loop_.cancel(timer_);
    for (Dial& dial : dials_) {
        loop_.remove(dial.fd.get());
        loop_.cancel(dial.timer);
    }
    if (acceptor_)
        (void)unlink(listen_path_.c_str());
}

void VsockBridge::try_guest() {
    timer_set_ = false;
    dial({});
}

void VsockBridge::dial(net::Fd client) {
    auto fd = net::start_connect(unix_endpoint(vsock_path_));
    if (!fd) { // the client's connection ends with it
        if (!client && !acceptor_) {
            timer_set_ = true;
            timer_ = loop_.after(kRetryMs, [this] { try_guest(); });
        }
        return;
    }
    const auto at = dials_.emplace(dials_.end());
    at->fd = std::move(*fd);
    at->client = std::move(client);
    at->to_say = "CONNECT " + std::to_string(port_) + "\n";
    loop_.add(at->fd.get(), EPOLLOUT, [this, at](std::uint32_t events) { ready(at, events); });
    at->timer = loop_.after(kDialMs, [this, at] { end(at, false); });
}

void VsockBridge::ready(std::list<Dial>::iterator dial, std::uint32_t events) {
    if (!dial->to_say.empty()) {
        if ((events & EPOLLOUT) == 0 || !net::connect_result(dial->fd))
            return end(dial, false);
        const ssize_t n = send(dial->fd.get(), dial->to_say.data(), dial->to_say.size(), MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            return end(dial, false);
        dial->to_say.erase(0, static_cast<std::size_t>(n));
        if (dial->to_say.empty())
            loop_.modify(dial->fd.get(), EPOLLIN);
        return;
    }
    // Byte by byte: what follows the line belongs to whoever connected.
    while (dial->said.size() < kMaxAnswer) {
        char c = 0;
        const ssize_t n = recv(dial->fd.get(), &c, 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            return end(dial, false);
        dial->said.push_back(c);
        if (c == '\n')
            return end(dial, dial->said.starts_with("OK "));
    }
    end(dial, false);
}

void VsockBridge::end(std::list<Dial>::iterator dial, bool answered) {
    loop_.remove(dial->fd.get());
    loop_.cancel(dial->timer);
    Dial done = std::move(*dial);
    dials_.erase(dial);
    if (done.client) {
        if (!answered)
            return;
        const auto at = relays_.emplace(relays_.end());
        *at = std::make_unique<Relay>(loop_, std::move(done.client), std::move(done.fd),
                                      [this, at] { relays_.erase(at); });
        return;
    }
    if (!answered) {
        timer_set_ = true;
        timer_ = loop_.after(kRetryMs, [this] { try_guest(); });
        return;
    }
    auto listener = net::listen_on(unix_endpoint(listen_path_));
    if (!listener) {
        log(LogLevel::Error, "the enclave's socket cannot be made", {{"error", listener.error().describe()}});
        return;
    }
    acceptor_.emplace(loop_, std::move(*listener), [this](net::Fd client) { take(std::move(client)); });
}

void VsockBridge::take(net::Fd client) {
    if (dials_.size() + relays_.size() < kMaxConnections)
        dial(std::move(client));
}

} // namespace redoubt::host
