// SPDX-License-Identifier: Apache-2.0
// The watchdog's own connection to one enclave: asks who it is, and then again and again whether it can sign.
#pragma once

#include "net/event_loop.h"
#include "wire/message.h"

#include <functional>
#include <string>

namespace redoubt::host {

// What an enclave says of itself. Nothing of it is believed where it matters: it is shown, and compared.
struct SignedProbe {
    bool manifest_taken = false;
    std::uint64_t vaults_open = 0;
    std::string pcr0; // as its NSM describes it: zeros in debug mode
    bool development = false;
};

class ProbeLink {
  public:
    // `signed_now`: it signed a probe just now. Failures are not told: what counts is the time since the last
    // success. The loop outlives the link. The callback may destroy the link.
    ProbeLink(net::EventLoop& loop, net::Endpoint endpoint, int every_ms,
              std::function<void(const SignedProbe&)> signed_now, std::function<void()> lost = {});
    ~ProbeLink();
    ProbeLink(const ProbeLink&) = delete;
    ProbeLink& operator=(const ProbeLink&) = delete;

    const net::Endpoint& endpoint() const noexcept { return endpoint_; }

    static constexpr int kConnectAgainMs = 100;

  private:
    void connect();
    void ready(std::uint32_t events);
    void ask(wire::Kind kind);
    bool flush();
    void receive();
    bool take(const wire::Reply& reply);
    void down();
    void after(int ms, std::function<void()> task);

    net::EventLoop& loop_;
    net::Endpoint endpoint_;
    int every_ms_;
    std::function<void(const SignedProbe&)> signed_now_;
    std::function<void()> lost_; // a connection over which it signed has ended
    net::Fd fd_;
    bool connecting_ = false, has_signed_ = false;
    std::uint32_t interest_ = 0;
    Bytes out_;
    std::size_t sent_ = 0;
    wire::FrameReader reader_;
    std::uint64_t id_ = 0; // of the question that waits for its answer
    wire::Kind asked_ = wire::Kind::Hello;
    SignedProbe said_;
    net::EventLoop::TimerId timer_ = 0;
    bool timer_set_ = false;
};

} // namespace redoubt::host
