// SPDX-License-Identifier: Apache-2.0
// Blocking sockets with time limits, for driving the proxy from tests. Loopback and unix sockets only.
#pragma once

#include "net/endpoint.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <mutex>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace redoubt::host::tests {

inline void limit_waiting(int fd, int seconds) {
    const timeval limit{seconds, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

inline net::Fd connect_unix(const std::string& path) {
    net::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        ADD_FAILURE() << "cannot connect to " << path << ": " << std::strerror(errno);
    limit_waiting(fd.get(), 20);
    return fd;
}

inline bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

// Up to `size` bytes, less only at the end of the stream or on failure.
inline std::string receive(int fd, std::size_t size) {
    std::string out;
    std::array<char, 16384> buffer;
    while (out.size() < size) {
        const ssize_t n = recv(fd, buffer.data(), std::min(buffer.size(), size - out.size()), 0);
        if (n <= 0)
            break;
        out.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return out;
}

inline std::string receive_to_end(int fd) {
    return receive(fd, static_cast<std::size_t>(-1));
}

// True if the other end closed without sending anything (or reset the connection).
inline bool is_refused(int fd) {
    char byte = 0;
    const ssize_t n = recv(fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

// A TCP server on 127.0.0.1 with a thread for each connection.
class TcpServer {
  public:
    using Handler = std::function<void(int fd)>;
    explicit TcpServer(Handler handler, std::uint16_t port = 0) : handler_(std::move(handler)) {
        listener_ = net::Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int on = 1;
        setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        socklen_t size = sizeof address;
        EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(listen(listener_.get(), 1024), 0);
        EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
        acceptor_ = std::thread([this] { serve(); });
    }
    ~TcpServer() {
        shutdown(listener_.get(), SHUT_RDWR);
        acceptor_.join();
        for (std::thread& worker : workers_)
            worker.join();
    }
    std::uint16_t port() const { return port_; }
    int accepted() const { return accepted_; }

  private:
    void serve() {
        for (;;) {
            const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0)
                return;
            ++accepted_;
            limit_waiting(fd, 20);
            workers_.emplace_back([this, fd] {
                handler_(fd);
                close(fd);
            });
        }
    }
    Handler handler_;
    net::Fd listener_;
    std::uint16_t port_ = 0;
    std::atomic<int> accepted_{0};
    std::vector<std::thread> workers_;
    std::thread acceptor_;
};

inline void echo(int fd) {
    std::array<char, 16384> buffer;
    for (ssize_t n = 0; (n = recv(fd, buffer.data(), buffer.size(), 0)) > 0;)
        if (!send_all(fd, {buffer.data(), static_cast<std::size_t>(n)}))
            return;
    shutdown(fd, SHUT_WR);
}

} // namespace redoubt::host::tests
