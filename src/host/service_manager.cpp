// SPDX-License-Identifier: Apache-2.0
#include "host/service_manager.h"

#include "net/endpoint.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace redoubt::host {

namespace {

std::optional<std::int64_t> number_of(const char* text) {
    if (text == nullptr)
        return std::nullopt;
    std::int64_t number = 0;
    const char* const end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, number);
    return error == std::errc() && stop == end && number > 0 ? std::optional(number) : std::nullopt;
}

} // namespace

ServiceManager::ServiceManager(const char* notify_socket, const char* watchdog_usec,
                               const char* watchdog_pid) {
    const std::string_view socket = notify_socket != nullptr ? notify_socket : "";
    if ((socket.starts_with('/') || socket.starts_with('@')) && socket.size() > 1 &&
        socket.size() < sizeof sockaddr_un{}.sun_path)
        socket_ = socket;
    const auto usec = number_of(watchdog_usec);
    // The variables may be a parent's.
    if (usec && (watchdog_pid == nullptr || number_of(watchdog_pid) == getpid()))
        watchdog_ms_ = std::max<std::int64_t>(*usec / 1000, 1);
}

ServiceManager ServiceManager::from_environment() {
    return {std::getenv("NOTIFY_SOCKET"), std::getenv("WATCHDOG_USEC"), std::getenv("WATCHDOG_PID")};
}

void ServiceManager::status(std::string_view text) const {
    std::string message = "STATUS=" + std::string(text);
    std::ranges::replace(message, '\n', ' ');
    send(message);
}

void ServiceManager::send(std::string_view message) const {
    if (socket_.empty())
        return;
    const net::Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    if (socket_[0] == '@')
        address.sun_path[0] = '\0'; // an abstract name has no file
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    // A manager that does not listen changes nothing about the enclaves.
    (void)sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), size);
}

} // namespace redoubt::host
