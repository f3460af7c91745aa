// SPDX-License-Identifier: Apache-2.0
#include "host/vsock_proxy.h"

#include "base/log.h"
#include "host/relay.h"
#include "host/resolver.h"
#include "net/acceptor.h"

#include <algorithm>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unordered_map>

namespace redoubt::host {

namespace {

constexpr int kConnectTimeoutMs = 5'000; // an address; then the next one is tried
constexpr std::size_t kOtherDescriptors = 64;

bool same_name(const std::string& a, const std::string& b) { // DNS names: RFC 4343
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
}

// Which addresses of the remote may be connected to.
struct Permission {
    bool any = false;    // the allow-list names the host itself
    Addresses addresses; // else these
    bool allows(const std::string& address) const {
        return any || std::find(addresses.begin(), addresses.end(), address) != addresses.end();
    }
};

Result<Permission> permission_for(const ProxyOptions& options) {
    Permission out;
    std::vector<std::string> hosts;
    for (const AllowEntry& entry : options.allowlist)
        if (entry.port == options.remote_port)
            hosts.push_back(entry.address);
    const std::string remote = options.remote_host + " port " + std::to_string(options.remote_port);
    if (hosts.empty())
        return fail(Code::Usage, "the allow-list has no entry with the remote's port", remote);
    out.any = std::any_of(hosts.begin(), hosts.end(),
                          [&](const std::string& host) { return same_name(host, options.remote_host); });
    if (out.any)
        return out;
    const Addresses remote_addresses = look_up(options.remote_host, options.address_family);
    if (remote_addresses.empty())
        return fail(
            Code::Io,
            "the remote is not named in the allow-list, and its address cannot be looked up to compare",
            remote);
    for (const std::string& host : hosts)
        for (const std::string& address : look_up(host, options.address_family))
            if (std::find(remote_addresses.begin(), remote_addresses.end(), address) !=
                remote_addresses.end())
                out.addresses.push_back(address);
    if (out.addresses.empty())
        return fail(Code::Usage, "the allow-list has no entry for the remote: add its address and port",
                    remote);
    return out;
}

// Two descriptors a connection. Returns how many connections the limit really allows.
std::size_t make_room(std::size_t connections) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return connections;
    const rlim_t wanted = connections * 2 + kOtherDescriptors;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted)
        return connections;
    return limit.rlim_cur > kOtherDescriptors + 2
               ? static_cast<std::size_t>(limit.rlim_cur - kOtherDescriptors) / 2
               : 1;
}

class Proxy {
  public:
    Proxy(const ProxyOptions& options, Permission permission, net::Fd listener)
        : options_(options), permission_(std::move(permission)), listener_(std::move(listener)),
          resolver_(loop_, options.remote_host, options.address_family),
          max_connections_(make_room(options.max_connections)) {
        if (max_connections_ < options.max_connections)
            log(LogLevel::Warning, "proxy-limited",
                {{"connections", std::to_string(max_connections_)},
                 {"reason", "raise the limit of open descriptors (RLIMIT_NOFILE)"}});
    }
    ~Proxy() {
        acceptor_.reset();
        for (auto& [id, connection] : connections_)
            stop_connecting(*connection);
    }
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    void serve(int stop_fd, const std::function<void()>& ready) {
        loop_.add(stop_fd, EPOLLIN, [this](std::uint32_t) { loop_.stop(); });
        acceptor_.emplace(loop_, std::move(listener_), [this](net::Fd client) { begin(std::move(client)); });
        if (ready)
            ready();
        loop_.run();
        loop_.remove(stop_fd);
    }

  private:
    // resolving → connecting (one address after another) → relaying
    struct Connection {
        std::uint64_t id = 0;
        net::Fd client;
        net::Fd remote;
        Addresses addresses;
        std::size_t next_address = 0;
        bool connecting = false; // `remote` is registered, `timer` set
        net::EventLoop::TimerId timer = 0;
        std::unique_ptr<Relay> relay;
    };

    void begin(net::Fd client) {
        const std::uint64_t id = ++last_id_;
        auto connection = std::make_unique<Connection>();
        connection->id = id;
        connection->client = std::move(client);
        connections_.emplace(id, std::move(connection));
        acceptor_->want(connections_.size() < max_connections_); // the others wait in the listener's queue
        resolver_.resolve([this, id](const Addresses& addresses) { resolved(id, addresses); });
    }

    void resolved(std::uint64_t id, const Addresses& addresses) {
        const auto found = connections_.find(id);
        if (found == connections_.end())
            return;
        Connection& connection = *found->second;
        std::copy_if(addresses.begin(), addresses.end(), std::back_inserter(connection.addresses),
                     [&](const std::string& address) { return permission_.allows(address); });
        if (connection.addresses.empty()) {
            refuse(connection, addresses.empty() ? "the name cannot be looked up"
                                                 : "no address of the name is one that was allowed");
            return;
        }
        connect_next(connection);
    }

    void connect_next(Connection& connection) {
        stop_connecting(connection);
        while (connection.next_address < connection.addresses.size()) {
            net::Endpoint endpoint;
            endpoint.kind = net::Endpoint::Kind::Tcp;
            endpoint.host = connection.addresses[connection.next_address++];
            endpoint.port = options_.remote_port;
            auto started = net::start_connect(endpoint);
            if (!started)
                continue;
            connection.remote = std::move(*started);
            connection.connecting = true;
            loop_.add(connection.remote.get(), EPOLLOUT,
                      [this, &connection](std::uint32_t) { connected(connection); });
            connection.timer =
                loop_.after(kConnectTimeoutMs, [this, &connection] { connect_next(connection); });
            return;
        }
        refuse(connection, "no address of the remote accepts a connection");
    }

    void stop_connecting(Connection& connection) {
        if (!connection.connecting)
            return;
        loop_.remove(connection.remote.get());
        loop_.cancel(connection.timer);
        connection.remote.reset();
        connection.connecting = false;
    }

    void connected(Connection& connection) {
        if (!net::connect_result(connection.remote)) {
            connect_next(connection);
            return;
        }
        net::Fd remote = std::move(connection.remote);
        loop_.remove(remote.get());
        loop_.cancel(connection.timer);
        connection.connecting = false;
        const int on = 1;
        setsockopt(remote.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // small TLS records at once
        setsockopt(remote.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); // a remote that vanished
        connection.relay = std::make_unique<Relay>(loop_, std::move(connection.client), std::move(remote),
                                                   [this, id = connection.id] { end(id); });
    }

    void refuse(const Connection& connection, std::string_view reason) {
        log(LogLevel::Warning, "proxy-connection-refused",
            {{"remote", options_.remote_host},
             {"port", std::to_string(options_.remote_port)},
             {"reason", reason}});
        end(connection.id);
    }

    void end(std::uint64_t id) {
        connections_.erase(id);
        acceptor_->want(true);
    }

    const ProxyOptions& options_;
    Permission permission_;
    net::Fd listener_;
    net::EventLoop loop_;
    Resolver resolver_;
    std::size_t max_connections_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
    std::uint64_t last_id_ = 0;
    std::optional<net::Acceptor> acceptor_;
};

} // namespace

Status serve_proxy(const ProxyOptions& options, int stop_fd, const std::function<void()>& ready) {
    if (options.remote_host.empty() || options.remote_port == 0 || options.max_connections == 0)
        return fail(Code::Usage, "the proxy needs a remote host, a port and at least one connection");
    if (options.address_family != 0 && options.address_family != 4 && options.address_family != 6)
        return fail(Code::Usage, "the proxy's address family is 4, 6 or any");
    if (is_numeric_address(options.remote_host) &&
        look_up(options.remote_host, options.address_family).empty())
        return fail(Code::Usage, "the remote's address is not of the address family asked for",
                    options.remote_host);
    REDOUBT_TRY(Permission permission, permission_for(options));
    REDOUBT_TRY(net::Fd listener, net::listen_on(options.listen));
    Proxy proxy(options, std::move(permission), std::move(listener));
    proxy.serve(stop_fd, ready);
    return {};
}

} // namespace redoubt::host
