// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/vsock_device.h"

#include "nitrosim/buffers.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace redoubt::nitrosim {

namespace {

constexpr std::size_t kMaxLine = 32; // "CONNECT 4294967295\n" has 19
constexpr std::size_t kMaxClients = 256;
constexpr int kDialAgainMs = 5; // a listener whose queue is full tells nobody when it has room
constexpr int kDialTries = 400;
constexpr std::size_t kMaxTaken = 64 * 1024; // kept in front of the bytes that wait

bool would_block(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

enum class Dialled { Yes, Full, No };

Dialled dial_unix(const std::string& path, net::Fd& out) noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return Dialled::No;
    std::memcpy(address.sun_path, path.data(), path.size());
    net::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd)
        return Dialled::No;
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return errno == EAGAIN ? Dialled::Full : Dialled::No;
    out = std::move(fd);
    return Dialled::Yes;
}

// "CONNECT 5000\n"
std::optional<std::uint32_t> parse_connect(std::string_view line) noexcept {
    constexpr std::string_view kWord = "CONNECT ";
    if (!line.starts_with(kWord) || !line.ends_with('\n'))
        return std::nullopt;
    const std::string_view number = line.substr(kWord.size(), line.size() - kWord.size() - 1);
    std::uint32_t port = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), port);
    if (error != std::errc{} || end != number.data() + number.size() || port == 0xffffffff)
        return std::nullopt;
    return port;
}

} // namespace

Result<std::unique_ptr<VsockDevice>> VsockDevice::create(net::EventLoop& loop, VsockOptions options) {
    if (options.guest_cid <= kParentCid || options.guest_cid == 0xffffffff)
        return fail(Code::Usage, "an enclave's CID is 4 to 4294967294");
    REDOUBT_TRY(const auto endpoint, net::parse_endpoint("unix:" + options.path));
    if (options.path.size() + std::string_view("_4294967295").size() >= sizeof(sockaddr_un{}.sun_path))
        return fail(Code::Usage, "the path of the vsock sockets is too long; use a shorter folder",
                    options.path);
    std::unique_ptr<VsockDevice> out(new VsockDevice(loop, std::move(options)));
    REDOUBT_TRY(net::Fd listener, net::listen_on(endpoint));
    out->acceptor_.emplace(loop, std::move(listener), [device = out.get()](net::Fd accepted) {
        device->take_client(std::move(accepted));
    });
    return out;
}

VsockDevice::~VsockDevice() {
    forget_all();
    loop_.cancel(again_);
    while (!clients_.empty())
        drop_client(clients_.begin()->first);
    if (acceptor_)
        (void)unlink(options_.path.c_str());
}

void VsockDevice::take_client(net::Fd accepted) {
    const int fd = accepted.get();
    Client& client = clients_[fd];
    client.fd = std::move(accepted);
    client.timer = loop_.after(options_.answer_ms, [this, fd] { drop_client(fd); });
    loop_.add(fd, EPOLLIN, [this, fd](std::uint32_t) { read_line(fd); });
    acceptor_->want(clients_.size() < kMaxClients); // the others wait in the listener's queue
}

void VsockDevice::drop_client(int fd) {
    const auto found = clients_.find(fd);
    if (found == clients_.end())
        return;
    loop_.cancel(found->second.timer);
    loop_.remove(fd);
    clients_.erase(found);
    acceptor_->want(true);
}

// Takes the line and nothing after it: that is the guest's already.
void VsockDevice::read_line(int fd) {
    std::string& line = clients_.at(fd).line;
    std::array<char, kMaxLine> peeked;
    const ssize_t n = recv(fd, peeked.data(), kMaxLine - line.size(), MSG_PEEK);
    if (n < 0 && would_block(errno))
        return;
    if (n <= 0)
        return drop_client(fd);
    const std::string_view text(peeked.data(), static_cast<std::size_t>(n));
    const std::size_t end = text.find('\n');
    const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
    if (recv(fd, peeked.data(), size, 0) != static_cast<ssize_t>(size))
        return drop_client(fd);
    line += text.substr(0, size);
    if (end == std::string_view::npos) {
        if (line.size() >= kMaxLine)
            drop_client(fd);
        return;
    }
    const auto port = parse_connect(line);
    net::Fd taken;
    if (port) {
        loop_.remove(fd);
        taken = std::move(clients_.at(fd).fd);
    }
    drop_client(fd);
    if (port)
        connect_to_guest(std::move(taken), *port);
}

void VsockDevice::connect_to_guest(net::Fd fd, std::uint32_t port) {
    // Without a driver at work nobody would ever answer. Closing tells the client.
    if (rings_ == nullptr || rings_->running(0) == nullptr || rings_->running(1) == nullptr ||
        connections_.size() >= options_.max_connections)
        return;
    VsockPorts ports{port, next_port_};
    while (connections_.contains(ports))
        ++ports.host;
    next_port_ = ports.host == 0x7fffffff ? 0x40000000 : ports.host + 1;
    VsockConnection& connection = connections_[ports];
    connection.ports = ports;
    connection.fd = std::move(fd);
    connection.state = VsockConnection::State::Asked;
    connection.owes_request = true;
    connection.timer = loop_.after(options_.answer_ms, [this, ports] {
        reset(ports);
        send_packets();
    });
    line_up(connection);
    send_packets();
}

// The guest listens: the client is told, and its bytes go through. False: it is gone.
bool VsockDevice::opened_to_guest(VsockConnection& connection) {
    loop_.cancel(std::exchange(connection.timer, 0));
    connection.state = VsockConnection::State::Open;
    const std::string line = "OK " + std::to_string(connection.ports.guest) + "\n";
    return send(connection.fd.get(), line.data(), line.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(line.size());
}

// Towards the host for the guest that asked.
void VsockDevice::dial(const VsockPorts& ports, int tries) {
    const auto found = connections_.find(ports);
    if (found == connections_.end())
        return;
    VsockConnection& connection = found->second;
    connection.timer = 0;
    const Dialled outcome = dial_unix(options_.path + "_" + std::to_string(ports.host), connection.fd);
    if (outcome == Dialled::Yes) {
        connection.state = VsockConnection::State::Open;
        connection.owes_response = true;
        line_up(connection);
        settle(connection);
    } else if (outcome == Dialled::Full && tries < kDialTries) {
        connection.timer = loop_.after(kDialAgainMs, [this, ports, tries] {
            dial(ports, tries + 1);
            send_packets();
        });
    } else {
        reset(ports);
    }
}

// Waits for exactly what the connection can use. A hang-up is reported whether asked for or not, so a socket
// that is waited for in no way is taken out of the loop. Ends a connection that is done; it may be gone
// after.
void VsockDevice::settle(VsockConnection& connection) {
    if (connection.state != VsockConnection::State::Open)
        return;
    if (connection.guest_sends_no_more && connection.waiting.empty()) {
        if (!std::exchange(connection.end_passed_on, true))
            (void)shutdown(connection.fd.get(), SHUT_WR);
        if (connection.guest_receives_no_more) // both directions are done: a reset is how the guest learns it
            return reset(connection.ports);
    }
    const bool reads = !connection.readable && !connection.host_ended && !connection.guest_receives_no_more &&
                       connection.credit() > 0;
    const std::uint32_t interest =
        (reads ? EPOLLIN : 0U) | (connection.waiting.empty() ? 0U : static_cast<std::uint32_t>(EPOLLOUT));
    if (interest == connection.interest)
        return;
    const int fd = connection.fd.get();
    if (interest == 0)
        loop_.remove(fd);
    else if (connection.interest == 0)
        loop_.add(fd, interest,
                  [this, ports = connection.ports](std::uint32_t events) { on_event(ports, events); });
    else
        loop_.modify(fd, interest);
    connection.interest = interest;
}

void VsockDevice::on_event(const VsockPorts& at, std::uint32_t events) {
    const VsockPorts ports = at; // `at` belongs to the callback, which may be removed
    const auto found = connections_.find(ports);
    if (found == connections_.end())
        return;
    VsockConnection& connection = found->second;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        connection.host_gone = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 && !connection.waiting.empty())
        flush(connection);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !connection.host_ended)
        connection.readable = true;
    line_up(connection);
    send_packets();
    if (const auto still = connections_.find(ports); still != connections_.end())
        settle(still->second);
}

// The guest's bytes, as far as it was told that there is room; false: it sent more, or says a size that is
// not.
bool VsockDevice::to_host(VsockConnection& connection, const std::vector<iovec>& data, std::size_t size) {
    if (connection.waiting.size() - connection.taken + size > options_.buffer)
        return false;
    if (connection.refuses)
        return true;
    std::size_t sent = 0;
    if (connection.waiting.empty() && size > 0) {
        std::vector<iovec> pieces = data;
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        const ssize_t n = sendmsg(connection.fd.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && !would_block(errno)) {
            host_refuses(connection);
            return true;
        }
        sent = n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    if (connection.taken > kMaxTaken) {
        connection.waiting.erase(connection.waiting.begin(),
                                 connection.waiting.begin() + static_cast<std::ptrdiff_t>(connection.taken));
        connection.taken = 0;
    }
    for (const iovec& piece : slice(data, sent, size - sent))
        append(connection.waiting, {static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len});
    connection.forwarded += static_cast<std::uint32_t>(sent);
    connection.owes_credit |= connection.forwarded - connection.told_forwarded >= options_.buffer / 4;
    return true;
}

void VsockDevice::flush(VsockConnection& connection) {
    while (connection.taken < connection.waiting.size()) {
        const ssize_t n = send(connection.fd.get(), connection.waiting.data() + connection.taken,
                               connection.waiting.size() - connection.taken, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && would_block(errno))
            break;
        if (n < 0)
            return host_refuses(connection);
        connection.taken += static_cast<std::size_t>(n);
        connection.forwarded += static_cast<std::uint32_t>(n);
    }
    if (connection.taken == connection.waiting.size()) {
        connection.waiting = Bytes(); // gives the memory back: most connections are idle most of the time
        connection.taken = 0;
    }
    connection.owes_credit |= connection.forwarded - connection.told_forwarded >= options_.buffer / 4;
}

// The host reads no more. Its own bytes still go through: they may all have been sent already.
void VsockDevice::host_refuses(VsockConnection& connection) {
    connection.refuses = true;
    connection.waiting = Bytes();
    connection.taken = 0;
    connection.owes_shutdown |= kShutdownReceive & ~connection.told_shutdown;
}

// Ends a connection, and the guest gets a reset.
void VsockDevice::reset(const VsockPorts& at) {
    const VsockPorts ports = at; // which may belong to the connection
    const auto found = connections_.find(ports);
    if (found == connections_.end())
        return;
    refuse(kParentCid, ports);
    remove(found);
}

void VsockDevice::remove(Connections::iterator connection) {
    VsockConnection& gone = connection->second;
    loop_.cancel(gone.timer);
    if (gone.interest != 0)
        loop_.remove(gone.fd.get());
    if (gone.in_line)
        std::erase(line_, gone.ports);
    connections_.erase(connection);
}

} // namespace redoubt::nitrosim
