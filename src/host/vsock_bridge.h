// SPDX-License-Identifier: Apache-2.0
// A unix socket that leads to a vsock port of a simulated guest. The simulator's own socket wants a line
// "CONNECT PORT" first and answers "OK …"; gateway and watchdog connect here and speak at once, as they do to
// real vsock.
#pragma once

#include "host/relay.h"
#include "net/acceptor.h"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

namespace redoubt::host {

class VsockBridge {
  public:
    // Listens only once the guest's port answers, which is tried every kRetryMs: until then, connections are
    // refused, as a booting enclave refuses them. The loop outlives the bridge.
    VsockBridge(net::EventLoop& loop, std::string listen_path, std::string vsock_path, std::uint32_t port);
    ~VsockBridge();
    VsockBridge(const VsockBridge&) = delete;
    VsockBridge& operator=(const VsockBridge&) = delete;

    bool listening() const noexcept { return acceptor_.has_value(); }

    static constexpr int kRetryMs = 100;
    static constexpr int kDialMs = 5'000; // for the guest's answer
    static constexpr std::size_t kMaxConnections = 256;

  private:
    // One connection towards the guest, until its port has answered.
    struct Dial {
        net::Fd fd;
        net::Fd client; // who waits for it; none: the bridge asks for itself
        std::string said, to_say;
        net::EventLoop::TimerId timer = 0;
    };
    void try_guest();
    void dial(net::Fd client);
    void ready(std::list<Dial>::iterator dial, std::uint32_t events);
    void end(std::list<Dial>::iterator dial, bool answered);
    void take(net::Fd client);

    net::EventLoop& loop_;
    std::string listen_path_, vsock_path_;
    std::uint32_t port_;
    std::optional<net::Acceptor> acceptor_;
    std::list<Dial> dials_;
    std::list<std::unique_ptr<Relay>> relays_;
    net::EventLoop::TimerId timer_ = 0;
    bool timer_set_ = false;
};

} // namespace redoubt::host
