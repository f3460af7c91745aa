// SPDX-License-Identifier: Apache-2.0
// One stream between the guest and a unix socket of the host: its books. What to do with them is in
// vsock_device.cpp (packets) and vsock_host.cpp (sockets).
#pragma once

#include "base/bytes.h"
#include "net/event_loop.h"

#include <compare>

namespace redoubt::nitrosim {

// Both ends' ports: the guest's, and the one at CID 3.
struct VsockPorts {
    std::uint32_t guest = 0, host = 0;
    auto operator<=>(const VsockPorts&) const = default;
};

struct VsockConnection {
    enum class State {
        Dialling, // the guest asked; the host's listener has a full queue
        Asked,    // the guest was asked (or will be, once it has a buffer)
        Open,
    };

    VsockPorts ports;
    State state = State::Open;
    net::Fd fd;
    std::uint32_t interest = 0; // as registered with the loop; 0: not registered
    net::EventLoop::TimerId timer = 0;

    // Towards the guest: what it can keep bounds what is sent, and nothing is kept here.
    std::uint32_t sent = 0, guest_buffer = 0, guest_forwarded = 0; // the last two as the guest says
    bool readable = false;                                         // the socket has bytes, or its end
    bool host_ended = false;                                       // all of its bytes are read
    bool host_gone = false;                                        // it takes none either

    // Towards the host.
    Bytes waiting;         // not taken by the socket yet; at most the buffer that the guest was told of
    std::size_t taken = 0; // of `waiting`
    std::uint32_t forwarded = 0, told_forwarded = 0;
    bool refuses = false; // the host takes nothing any more: what comes is thrown away
    bool guest_sends_no_more = false, guest_receives_no_more = false, end_passed_on = false;

    // Packets that the guest is still to get.
    bool owes_request = false, owes_response = false, owes_credit = false;
    std::uint32_t owes_shutdown = 0, told_shutdown = 0; // kShutdown…
    bool in_line = false;                               // for a buffer of the guest

    // What the guest can take now. Its word is not trusted: more than it ever said is none.
    std::uint32_t credit() const noexcept {
        const std::uint32_t on_the_way = sent - guest_forwarded;
        return on_the_way < guest_buffer ? guest_buffer - on_the_way : 0;
    }
    bool can_send_data() const noexcept {
        return state == State::Open && readable && !host_ended && !guest_receives_no_more && credit() > 0;
    }
    bool has_packet() const noexcept {
        return owes_request || owes_response || owes_credit || owes_shutdown != 0 || can_send_data();
    }
};

} // namespace redoubt::nitrosim
