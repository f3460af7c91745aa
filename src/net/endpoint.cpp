// SPDX-License-Identifier: Apache-2.0
#include "net/endpoint.h"

#include "base/clock.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace redoubt::net {

namespace {

constexpr std::size_t kMaxHost = 253;                                // RFC 1035, section 2.3.4, as text
constexpr std::size_t kMaxPath = sizeof(sockaddr_un{}.sun_path) - 1; // 107
constexpr int kBacklogRetryMs = 5;

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

std::unexpected<Error> refuse(FixedText text, std::string_view what) {
    return fail(Code::Usage, text, std::string(what));
}

std::string system_error(const Endpoint& endpoint, int error) {
    return endpoint.text() + ": " + std::strerror(error);
}

bool parse_number(std::string_view text, std::uint32_t& out) noexcept {
    if (text.empty() || (text.size() > 1 && text[0] == '0'))
        return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

bool is_host_name(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxHost && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_';
    });
}

bool is_ipv6(const std::string& text) noexcept {
    in6_addr ignored{};
    return inet_pton(AF_INET6, text.c_str(), &ignored) == 1;
}

template<class T>
Address make_address(const T& value) noexcept {
    static_assert(sizeof(T) <= sizeof(sockaddr_storage));
    Address out;
    std::memcpy(&out.storage, &value, sizeof value);
    out.size = sizeof value;
    return out;
}

bool numeric_address(const std::string& host, std::uint32_t port, Address& out) noexcept {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        out = make_address(v4);
        return true;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        out = make_address(v6);
        return true;
    }
    return false;
}

// The address of an endpoint that needs no look-up.
bool fixed_address(const Endpoint& endpoint, Address& out) noexcept {
    switch (endpoint.kind) {
    case Endpoint::Kind::Unix: {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (endpoint.path.empty() || endpoint.path.size() > kMaxPath)
            return false;
        std::memcpy(address.sun_path, endpoint.path.data(), endpoint.path.size());
        out = make_address(address);
        return true;
    }
    case Endpoint::Kind::Vsock: {
        sockaddr_vm address{};
        address.svm_family = AF_VSOCK;
        address.svm_cid = endpoint.cid;
        address.svm_port = endpoint.port;
        out = make_address(address);
        return true;
    }
    case Endpoint::Kind::Tcp:
        return endpoint.port <= 0xffff && numeric_address(endpoint.host, endpoint.port, out);
    }
    return false;
}

std::vector<Address> look_up(const Endpoint& endpoint) {
    Address fixed;
    if (fixed_address(endpoint, fixed))
        return {fixed};
    if (endpoint.kind != Endpoint::Kind::Tcp || endpoint.port > 0xffff || !is_host_name(endpoint.host))
        return {};
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list) != 0)
        return {};
    std::vector<Address> out;
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
        if (at->ai_addrlen > sizeof(sockaddr_storage))
            continue;
        Address address;
        std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
        address.size = at->ai_addrlen;
        out.push_back(address);
    }
    freeaddrinfo(list);
    return out;
}

Fd make_socket(int family) noexcept {
    Fd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd && (family == AF_INET || family == AF_INET6)) {
        const int on = 1; // messages are written whole; waiting for more to send only delays them
        (void)setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

// A socket file nobody listens on is left over from a process that died. Anything else at the path stays.
Status remove_stale_socket(const Endpoint& endpoint, const Address& address) {
    struct stat info {};
    if (lstat(endpoint.path.c_str(), &info) != 0)
        return {}; // nothing there, or bind will say what is wrong
    if (!S_ISSOCK(info.st_mode))
        return fail(Code::Io, "the path to listen on exists and is not a socket; choose another",
                    endpoint.path);
    const Fd probe = make_socket(AF_UNIX);
    if (!probe)
        return fail(Code::Io, "a socket cannot be made", system_error(endpoint, errno));
    // EAGAIN: its queue is full, so somebody owns it.
    if (connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN)
        return fail(Code::Io, "another process listens there", endpoint.path);
    if (errno == ECONNREFUSED && unlink(endpoint.path.c_str()) != 0 && errno != ENOENT)
        return fail(Code::Io, "a stale socket file cannot be removed", system_error(endpoint, errno));
    return {};
}

enum class Connected { Yes, Pending, QueueFull, No };

Connected begin_connect(const Fd& fd, const Address& address) noexcept {
    if (connect(fd.get(), address.get(), address.size) == 0)
        return Connected::Yes;
    if (errno == EINPROGRESS || errno == EINTR)
        return Connected::Pending;
    return errno == EAGAIN && address.storage.ss_family == AF_UNIX ? Connected::QueueFull : Connected::No;
}

// Waits for `events`; false when the deadline passes first.
bool wait_for(int fd, short events, std::int64_t deadline_ms) noexcept {
    for (;;) {
        const std::int64_t left = deadline_ms - monotonic_ms();
        if (left <= 0)
            return false;
        pollfd item{fd, events, 0};
        const int n = poll(&item, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

// On failure errno says why.
Fd connect_one(const Address& address, std::int64_t deadline_ms) noexcept {
    Fd fd = make_socket(address.storage.ss_family);
    if (!fd)
        return {};
    Connected outcome = begin_connect(fd, address);
    while (outcome == Connected::QueueFull && monotonic_ms() < deadline_ms) {
        (void)poll(nullptr, 0, kBacklogRetryMs); // a unix socket's queue reports nothing to wait for
        outcome = begin_connect(fd, address);
    }
    if (outcome == Connected::Yes)
        return fd;
    if (outcome == Connected::Pending) {
        if (wait_for(fd.get(), POLLOUT, deadline_ms)) {
            int error = 0;
            socklen_t size = sizeof error;
            if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
                return fd;
            errno = error;
        } else {
            errno = ETIMEDOUT;
        }
    }
    return {};
}

} // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = other.release();
    }
    return *this;
}

Fd::~Fd() {
    reset();
}

int Fd::release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
}

void Fd::reset() noexcept {
    if (fd_ < 0)
        return;
    const int before = errno;
    (void)close(fd_); // on Linux the descriptor is gone whatever close says
    errno = before;
    fd_ = -1;
}

std::string Endpoint::text() const {
    switch (kind) {
    case Kind::Unix:
        return "unix:" + path;
    case Kind::Vsock:
        return "vsock:" + std::to_string(cid) + ":" + std::to_string(port);
    case Kind::Tcp:
        break;
    }
    const bool brackets = host.find(':') != std::string::npos;
    return "tcp:" + (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    Endpoint out;
    std::string_view rest = text;
    const auto eat = [&rest](std::string_view prefix) {
        if (!rest.starts_with(prefix))
            return false;
        rest.remove_prefix(prefix.size());
        return true;
    };
    if (eat("unix:")) {
        if (rest.empty() || rest.size() > kMaxPath || rest.find('\0') != std::string_view::npos)
            return refuse("a unix endpoint's path has 1 to 107 bytes", text);
        out.kind = Endpoint::Kind::Unix;
        out.path = std::string(rest);
        return out;
    }
    const bool vsock = eat("vsock:");
    if (!vsock && !eat("tcp:"))
        return refuse("an endpoint is unix:PATH, vsock:CID:PORT or tcp:HOST:PORT", text);
    const auto colon = rest.rfind(':');
    if (colon == std::string_view::npos || !parse_number(rest.substr(colon + 1), out.port))
        return refuse("an endpoint ends with a colon and a decimal port", text);
    const std::string_view host = rest.substr(0, colon);
    if (vsock) {
        out.kind = Endpoint::Kind::Vsock;
        if (!parse_number(host, out.cid) || out.port == VMADDR_PORT_ANY)
            return refuse("a vsock endpoint is vsock:CID:PORT with two decimal numbers", text);
        return out;
    }
    out.kind = Endpoint::Kind::Tcp;
    if (out.port > 0xffff)
        return refuse("a tcp port is at most 65535", text);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        out.host = std::string(host.substr(1, host.size() - 2));
        if (out.host.find('\0') != std::string::npos || !is_ipv6(out.host))
            return refuse("between brackets stands an IPv6 address", text);
    } else if (is_host_name(host)) {
        out.host = std::string(host);
    } else {
        return refuse("a tcp endpoint's host is a name, an IPv4 address or an IPv6 address in brackets",
                      text);
    }
    return out;
}

namespace {

// A socket that has its endpoint and does not listen yet.
Result<Fd> bound_socket(const Endpoint& endpoint) {
    Endpoint bound = endpoint;
    if (bound.kind == Endpoint::Kind::Tcp && bound.host == "localhost")
        bound.host = "127.0.0.1";
    Address address;
    if (!fixed_address(bound, address))
        return fail(Code::Io, "an endpoint to listen on needs a numeric address", endpoint.text());
    if (bound.kind == Endpoint::Kind::Unix)
        REDOUBT_CHECK(remove_stale_socket(bound, address));
    Fd fd = make_socket(address.storage.ss_family);
    if (!fd)
        return fail(Code::Io, "a socket cannot be made", system_error(endpoint, errno));
    if (bound.kind == Endpoint::Kind::Tcp) {
        const int on = 1; // a restart must not wait for old connections' TIME_WAIT
        (void)setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    } else if (bound.kind == Endpoint::Kind::Unix) {
        // bind(2) makes the file with the socket's own mode (unix(7)), so it is never open to others, not
        // even for a moment, and the process's umask stays as it is.
        if (fchmod(fd.get(), 0600) != 0)
            return fail(Code::Io, "a socket's mode cannot be set", system_error(endpoint, errno));
    }
    if (bind(fd.get(), address.get(), address.size) != 0)
        return fail(Code::Io, "cannot listen", system_error(endpoint, errno));
    return fd;
}

} // namespace

Result<Fd> listen_on(const Endpoint& endpoint, int backlog) {
    REDOUBT_TRY(Fd fd, bound_socket(endpoint));
    if (listen(fd.get(), backlog) != 0)
        return fail(Code::Io, "cannot listen", system_error(endpoint, errno));
    return fd;
}

Result<ReservedPort> reserve_port(const std::string& host, std::uint16_t port) {
    Endpoint asked;
    asked.kind = Endpoint::Kind::Tcp;
    asked.host = host;
    asked.port = port;
    ReservedPort out;
    REDOUBT_TRY(out.held, bound_socket(asked));
    REDOUBT_TRY(const Endpoint real, local_endpoint(asked, out.held));
    out.port = static_cast<std::uint16_t>(real.port);
    return out;
}

Result<Endpoint> local_endpoint(const Endpoint& asked, const Fd& listener) {
    if (asked.kind != Endpoint::Kind::Tcp)
        return asked;
    Address address;
    address.size = sizeof address.storage;
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    if (getsockname(listener.get(), address.get(), &address.size) != 0 ||
        getnameinfo(address.get(), address.size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return fail(Code::Io, "a listener's address cannot be read", system_error(asked, errno));
    Endpoint out = asked;
    out.host = host.data();
    if (!parse_number(port.data(), out.port))
        return fail(Code::Io, "a listener's port cannot be read", asked.text());
    return out;
}

Result<Fd> connect_to(const Endpoint& endpoint, int timeout_ms) {
    const std::int64_t deadline = monotonic_ms() + timeout_ms;
    const std::vector<Address> addresses = look_up(endpoint);
    if (addresses.empty())
        return fail(Code::ConnectFailed, "the address cannot be looked up", endpoint.text());
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        // An address that swallows packets must leave time for those after it.
        const std::int64_t now = monotonic_ms();
        const auto untried = static_cast<std::int64_t>(addresses.size() - i);
        Fd fd = connect_one(addresses[i], now + (deadline - now) / untried);
        if (fd)
            return fd;
    }
    return fail(Code::ConnectFailed, "cannot connect", system_error(endpoint, errno));
}

Result<Fd> start_connect(const Endpoint& endpoint) {
    Address address;
    if (!fixed_address(endpoint, address))
        return fail(Code::ConnectFailed, "an address to connect to without waiting must be numeric",
                    endpoint.text());
    Fd fd = make_socket(address.storage.ss_family);
    if (!fd)
        return fail(Code::ConnectFailed, "a socket cannot be made", system_error(endpoint, errno));
    const Connected outcome = begin_connect(fd, address);
    if (outcome == Connected::Yes || outcome == Connected::Pending)
        return fd;
    return fail(Code::ConnectFailed, "cannot connect", system_error(endpoint, errno));
}

Status connect_result(const Fd& fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    Address peer;
    peer.size = sizeof peer.storage;
    if (error == 0 && getpeername(fd.get(), peer.get(), &peer.size) != 0)
        error = errno; // ENOTCONN: not decided yet
    if (error != 0)
        return fail(Code::ConnectFailed, "cannot connect", std::strerror(error));
    return {};
}

} // namespace redoubt::net
