// SPDX-License-Identifier: Apache-2.0
// Passes bytes between two connected stream sockets on an event loop, unread: each direction ends on its own
// (half-close), and a side that does not read makes the other wait, with at most 64 KiB kept between them.
#pragma once

#include "base/bytes.h"
#include "net/event_loop.h"

#include <array>
#include <cstdint>
#include <functional>

namespace redoubt::host {

class Relay {
  public:
    // Both descriptors are non-blocking. `finished` is called once, from a later event: the relay may be
    // destroyed in it. The loop outlives the relay.
    Relay(net::EventLoop& loop, net::Fd a, net::Fd b, std::function<void()> finished);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

  private:
    enum class Side : std::size_t { A = 0, B = 1 };
    // From one side to the other. open → ended (its source is at the end; bytes may wait) → closed.
    struct Direction {
        Bytes waiting;         // read from the source, not yet taken by the sink
        std::size_t taken = 0; // of `waiting`
        bool ended = false;
        bool closed = false; // the end was passed on, or the sink takes nothing any more
    };
    struct End {
        net::Fd fd;
        std::uint32_t interest = 0;
        bool registered = false;
    };
    enum class Outcome { Going, Broken };

    static Side other(Side side) noexcept { return side == Side::A ? Side::B : Side::A; }
    End& end(Side side) noexcept { return ends_[static_cast<std::size_t>(side)]; }
    Direction& from(Side side) noexcept { return directions_[static_cast<std::size_t>(side)]; }
    void on_event(Side side, std::uint32_t events);
    Outcome pump(Side source);
    void flush(Side source);
    void pass_on_end(Side source);
    void give_up(Side source);
    void register_interest(Side side);
    void abort();

    net::EventLoop& loop_;
    std::array<End, 2> ends_;
    std::array<Direction, 2> directions_; // by source
    std::function<void()> finished_;
};

} // namespace redoubt::host
