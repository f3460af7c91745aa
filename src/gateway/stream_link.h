// SPDX-License-Identifier: Apache-2.0
// A connection to one enclave that carries nothing but clients' TLS streams: of its own, so that their bytes
// hold up no request of the other listener. Made when the first stream needs it. When it ends, so do its
// streams. Loop thread only.
#pragma once

#include "net/event_loop.h"
#include "wire/stream.h"

#include <functional>
#include <memory>

namespace redoubt::gateway {

class StreamLink : public std::enable_shared_from_this<StreamLink> {
  public:
    struct Events {
        std::function<void(const wire::Frame& frame)> frame; // of a kind that streams know
        std::function<void()> ended;                         // once; nothing comes after it
    };

    StreamLink(net::EventLoop& loop, net::Endpoint endpoint, Events events);
    ~StreamLink();
    StreamLink(const StreamLink&) = delete;
    StreamLink& operator=(const StreamLink&) = delete;

    void start();
    void stop(); // without a word to anybody
    const net::Endpoint& endpoint() const noexcept { return endpoint_; }
    bool ended() const noexcept { return state_ == State::Ended; }

    // `encode` appends the payload. What is sent before the connection is made waits for it; what is sent in
    // one turn of the loop leaves in one write. After the end: nothing happens.
    void send(wire::Kind kind, std::uint64_t stream, const std::function<void(Bytes&)>& encode);

    static constexpr int kConnectMs = 1'000;

  private:
    enum class State { Connecting, Open, Ended };
    void ready(std::uint32_t events);
    void connected();
    void read();
    void flush();
    void end(FixedText why);
    void leave();

    net::EventLoop& loop_;
    net::Endpoint endpoint_;
    Events events_;
    State state_ = State::Connecting;
    net::Fd fd_;
    std::uint32_t interest_ = 0;
    wire::FrameReader reader_;
    Bytes out_;
    std::size_t sent_ = 0;
    bool flush_deferred_ = false;
    net::EventLoop::TimerId timer_ = 0; // 0: none
};

} // namespace redoubt::gateway
