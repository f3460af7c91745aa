// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/vsock_device.h"

#include "nitrosim/buffers.h"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <utility>

namespace redoubt::nitrosim {

namespace {

constexpr std::uint16_t kReceive = 0, kTransmit = 1, kEvent = 2; // the guest's words
constexpr std::size_t kMaxData = 64 * 1024;                      // of a packet to the guest
constexpr std::size_t kMaxRefusals = 1024; // then packets of the guest wait until it takes some
constexpr int kPacketsPerTurn = 256;       // then other sockets have their turn

} // namespace

Bytes VsockDevice::config() const {
    Bytes out(8);
    const std::uint64_t cid = options_.guest_cid;
    std::memcpy(out.data(), &cid, sizeof cid);
    return out;
}

void VsockDevice::detached() {
    forget_all();
    rings_ = nullptr;
    resumed_ = false;
}

// The guest's connections ended with its device, and their sockets end here.
void VsockDevice::stopped() {
    forget_all();
}

void VsockDevice::forget_all() {
    refusals_.clear();
    line_.clear();
    while (!connections_.empty())
        remove(connections_.begin());
}

void VsockDevice::break_ring(std::uint16_t queue, const Error& why) {
    rings_->refuse(queue, why);
    forget_all();
}

void VsockDevice::kicked(std::uint16_t queue) {
    if (queue == kReceive)
        send_packets();
    if (queue == kTransmit)
        take_packets();
    if (queue != kReceive)
        tell_of_reset();
}

// A driver that spoke to an earlier back end has connections that nobody knows here.
void VsockDevice::tell_of_reset() {
    resumed_ |= rings_->take_resumed(kTransmit);
    Virtqueue* const events = rings_->running(kEvent);
    if (!resumed_ || events == nullptr)
        return;
    Chain chain;
    const auto got = events->pop(chain);
    if (!got)
        return break_ring(kEvent, got.error());
    if (!*got)
        return;
    resumed_ = false;
    const ByteArray<4> transport_reset{}; // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET is 0
    events->push(chain.head, static_cast<std::uint32_t>(scatter(chain.writable, transport_reset)));
    rings_->notify(kEvent);
}

void VsockDevice::take_packets() {
    Virtqueue* const ring = rings_ == nullptr ? nullptr : rings_->running(kTransmit);
    if (ring == nullptr)
        return;
    bool any = false;
    for (int n = 0; refusals_.size() < kMaxRefusals; ++n) {
        if (n == kPacketsPerTurn) {
            if (again_ == 0)
                again_ = loop_.after(0, [this] {
                    again_ = 0;
                    take_packets();
                });
            break;
        }
        Chain chain;
        const auto got = ring->pop(chain);
        if (!got)
            return break_ring(kTransmit, got.error());
        if (!*got)
            break;
        ByteArray<kVsockHeader> header;
        if (gather(chain.readable, header) != header.size())
            return break_ring(kTransmit, {Code::BadRequest, "a vsock packet is shorter than its header"});
        const VsockPacket packet = read_packet(header);
        take_packet(packet, slice(chain.readable, kVsockHeader, packet.size),
                    packet.size <= chain.readable_size - kVsockHeader);
        ring->push(chain.head, 0);
        any = true;
    }
    if (any)
        rings_->notify(kTransmit);
    send_packets();
}

void VsockDevice::take_packet(const VsockPacket& packet, const std::vector<iovec>& data, bool whole) {
    const VsockPorts ports{packet.source_port, packet.target_port};
    if (packet.source_cid != options_.guest_cid)
        return; // a sender that is not there gets no answer
    const auto found = connections_.find(ports);
    if (packet.target_cid != kParentCid) {
        if (packet.op != VsockOp::Reset)
            refuse(packet.target_cid, ports);
    } else if (packet.op == VsockOp::Reset) {
        if (found != connections_.end())
            remove(found);
    } else if (packet.op == VsockOp::Request) {
        take_request(packet, ports);
    } else if (found == connections_.end()) {
        refuse(kParentCid, ports);
    } else if (packet.type != kVsockStream || !whole) {
        reset(ports);
    } else {
        take_for(found->second, packet, data);
    }
}

void VsockDevice::refuse(std::uint64_t cid, const VsockPorts& ports) {
    refusals_.push_back({cid, ports});
}

void VsockDevice::take_request(const VsockPacket& packet, const VsockPorts& ports) {
    if (connections_.contains(ports))
        return reset(ports);
    if (packet.type != kVsockStream || connections_.size() >= options_.max_connections)
        return refuse(kParentCid, ports);
    // The guest starts anew with these ports: an older reset is not for this connection.
    std::erase_if(refusals_, [&](const Refusal& r) { return r.cid == kParentCid && r.ports == ports; });
    VsockConnection& connection = connections_[ports];
    connection.ports = ports;
    connection.state = VsockConnection::State::Dialling;
    connection.guest_buffer = packet.buffer;
    connection.guest_forwarded = packet.forwarded;
    dial(ports, 0);
}

// What the guest says about a connection that there is. The connection may be gone afterwards.
void VsockDevice::take_for(VsockConnection& connection, const VsockPacket& packet,
                           const std::vector<iovec>& data) {
    using State = VsockConnection::State;
    const VsockPorts ports = connection.ports;
    connection.guest_buffer = packet.buffer;
    connection.guest_forwarded = packet.forwarded;
    if (packet.op == VsockOp::Response) {
        if (connection.state != State::Asked || connection.owes_request || !opened_to_guest(connection))
            return reset(ports);
    } else if (connection.state != State::Open) {
        return reset(ports);
    } else if (packet.op == VsockOp::Data) {
        if (connection.guest_sends_no_more || !to_host(connection, data, packet.size))
            return reset(ports);
    } else if (packet.op == VsockOp::Shutdown) {
        connection.guest_sends_no_more |= (packet.flags & kShutdownSend) != 0;
        connection.guest_receives_no_more |= (packet.flags & kShutdownReceive) != 0;
        if (connection.guest_receives_no_more)
            (void)shutdown(connection.fd.get(), SHUT_RD);
    } else if (packet.op == VsockOp::CreditRequest) {
        connection.owes_credit = true;
    } else if (packet.op != VsockOp::CreditUpdate) {
        return reset(ports);
    }
    line_up(connection);
    settle(connection);
}

void VsockDevice::line_up(VsockConnection& connection) {
    if (!connection.in_line && connection.has_packet()) {
        connection.in_line = true;
        line_.push_back(connection.ports);
    }
}

// Gives the guest's buffers to resets and then to connections in turn, a packet each.
void VsockDevice::send_packets() {
    Virtqueue* const ring = rings_ == nullptr ? nullptr : rings_->running(kReceive);
    if (ring == nullptr || sending_)
        return;
    sending_ = true; // settle() may come back here
    bool any = false;
    const bool full = refusals_.size() >= kMaxRefusals;
    while (!refusals_.empty() || !line_.empty()) {
        Chain chain;
        const auto got = ring->pop(chain);
        if (!got || (*got && chain.writable_size <= kVsockHeader)) {
            sending_ = false;
            return break_ring(kReceive,
                              got ? Error{Code::BadRequest, "a vsock buffer has no room behind the header"}
                                  : got.error());
        }
        if (!*got)
            break;
        std::size_t written = kVsockHeader;
        if (!refusals_.empty()) {
            const Refusal refusal = refusals_.front();
            refusals_.pop_front();
            VsockPacket packet;
            packet.source_cid = refusal.cid;
            packet.target_cid = options_.guest_cid;
            packet.source_port = refusal.ports.host;
            packet.target_port = refusal.ports.guest;
            packet.op = VsockOp::Reset;
            scatter(chain.writable, write_packet(packet));
        } else {
            const VsockPorts ports = line_.front();
            line_.pop_front();
            const auto found = connections_.find(ports);
            written = 0;
            if (found != connections_.end()) {
                found->second.in_line = false;
                written = fill(found->second, chain);
                line_up(found->second);
                if (!found->second.in_line)
                    settle(found->second);
            }
        }
        if (written == 0) {
            ring->unpop();
            continue;
        }
        ring->push(chain.head, static_cast<std::uint32_t>(written));
        any = true;
    }
    sending_ = false;
    if (any)
        rings_->notify(kReceive);
    if (full && refusals_.size() < kMaxRefusals && again_ == 0)
        again_ = loop_.after(0, [this] {
            again_ = 0;
            take_packets();
        });
}

VsockPacket VsockDevice::packet_of(VsockConnection& connection, VsockOp op) const {
    VsockPacket packet;
    packet.source_cid = kParentCid;
    packet.target_cid = options_.guest_cid;
    packet.source_port = connection.ports.host;
    packet.target_port = connection.ports.guest;
    packet.op = op;
    packet.buffer = options_.buffer;
    packet.forwarded = connection.told_forwarded = connection.forwarded;
    connection.owes_credit = false; // every packet tells it
    return packet;
}

// Writes the connection's next packet; 0: it has none after all.
std::size_t VsockDevice::fill(VsockConnection& connection, const Chain& chain) {
    const auto bare = [&](VsockOp op, std::uint32_t flags = 0) {
        VsockPacket packet = packet_of(connection, op);
        packet.flags = flags;
        return scatter(chain.writable, write_packet(packet));
    };
    if (std::exchange(connection.owes_request, false))
        return bare(VsockOp::Request);
    if (std::exchange(connection.owes_response, false))
        return bare(VsockOp::Response);
    if (connection.can_send_data())
        if (const std::size_t written = fill_data(connection, chain); written > 0)
            return written;
    if (const std::uint32_t flags = std::exchange(connection.owes_shutdown, 0); flags != 0) {
        connection.told_shutdown |= flags;
        return bare(VsockOp::Shutdown, connection.told_shutdown);
    }
    if (connection.owes_credit)
        return bare(VsockOp::CreditUpdate);
    return 0;
}

// From the socket straight into the guest's buffer.
std::size_t VsockDevice::fill_data(VsockConnection& connection, const Chain& chain) {
    const std::size_t room = std::min<std::size_t>(connection.credit(), kMaxData);
    const auto pieces = slice(chain.writable, kVsockHeader, room);
    if (pieces.empty())
        return 0;
    const ssize_t n = readv(connection.fd.get(), pieces.data(), static_cast<int>(pieces.size()));
    if (n < 0) {
        connection.readable = false;
        if (errno == EAGAIN || errno == EINTR)
            return 0;
        connection.host_gone = true; // ECONNRESET: it went without reading all of what it was sent
    }
    if (n <= 0) {
        connection.readable = false;
        connection.host_ended = true;
        connection.owes_shutdown |= kShutdownSend | (connection.host_gone ? kShutdownReceive : 0);
        return 0;
    }
    connection.sent += static_cast<std::uint32_t>(n);
    VsockPacket packet = packet_of(connection, VsockOp::Data);
    packet.size = static_cast<std::uint32_t>(n);
    scatter(chain.writable, write_packet(packet));
    return kVsockHeader + static_cast<std::size_t>(n);
}

} // namespace redoubt::nitrosim
