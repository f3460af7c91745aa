// SPDX-License-Identifier: Apache-2.0
// Stream endpoints: "unix:PATH", "vsock:CID:PORT", "tcp:HOST:PORT" (HOST numeric, or a name for connecting;
// "[::1]" for IPv6). vsock is for inside a guest and for real Nitro hosts; tests never open it on the host.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace redoubt::net {

struct Endpoint {
    enum class Kind { Unix, Vsock, Tcp } kind = Kind::Unix;
    std::string path;       // unix
    std::uint32_t cid = 0;  // vsock; 0xffffffff = any, for listening
    std::string host;       // tcp
    std::uint32_t port = 0; // vsock, tcp; 0 = any free (tcp listening)

    std::string text() const;
};

Result<Endpoint> parse_endpoint(std::string_view text); // Error: Usage

// A file descriptor that closes itself.
class Fd {
  public:
    Fd() noexcept = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd();
    int get() const noexcept { return fd_; }
    int release() noexcept;
    void reset() noexcept;
    explicit operator bool() const noexcept { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

// Non-blocking, close-on-exec. A stale unix socket file is replaced; the new one has mode 0600. Error: Io.
Result<Fd> listen_on(const Endpoint& endpoint, int backlog = 1024);
// Where a tcp listener really listens (for port 0).
Result<Endpoint> local_endpoint(const Endpoint& asked, const Fd& listener);
// Keeps a tcp port (0: a free one) for a listener that another process opens now and again later: while the
// descriptor is open the kernel gives the port to nobody who asks for "any", neither bind(2) nor connect(2),
// and lets a socket with SO_REUSEADDR, such as listen_on's, have it by number. Numeric hosts only. Error: Io.
struct ReservedPort {
    Fd held;
    std::uint16_t port = 0;
};
Result<ReservedPort> reserve_port(const std::string& host, std::uint16_t port = 0);
// Blocking connect with a deadline; the descriptor returned is non-blocking. Names are resolved here
// (blocking). Error: ConnectFailed.
Result<Fd> connect_to(const Endpoint& endpoint, int timeout_ms);
// Starts a non-blocking connect (numeric hosts only); writable when done, then ask connect_result. Error:
// ConnectFailed.
Result<Fd> start_connect(const Endpoint& endpoint);
Status connect_result(const Fd& fd);

} // namespace redoubt::net
