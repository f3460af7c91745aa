// SPDX-License-Identifier: Apache-2.0
// A guest's vsock driver and the host's sockets around it, for tests.
#pragma once

#include "front_end.h"
#include "nitrosim/vsock_packet.h"

namespace redoubt::nitrosim::tests {

struct Packet {
    VsockPacket header;
    std::string data;
};

class VsockGuest {
  public:
    static constexpr std::uint32_t kCid = 16;
    static constexpr std::uint16_t kRing = 64;
    static constexpr std::size_t kReceiveBuffer = 4096;

    VsockGuest(const std::string& path, GuestRam& ram)
        : front(path), receive_(ram, kRing), transmit_(ram, kRing) {
        front.negotiate(ram);
        for (int i = 0; i < kRing; ++i)
            (void)receive_.post_in(kReceiveBuffer);
        front.start(0, receive_);
        front.start(1, transmit_);
        EXPECT_TRUE(front.alive()); // all of it is in force
    }

    void send_bytes(ByteView bytes) {
        reclaim();
        while (transmit_.free() == 0) {
            ASSERT_TRUE(front.called(1));
            reclaim();
        }
        (void)transmit_.post_out(bytes);
        front.kick(1);
    }
    void send(const VsockPacket& header, std::string_view data = {}) {
        Bytes bytes = to_bytes(write_packet(header));
        append(bytes, as_bytes(data));
        send_bytes(bytes);
    }
    // The next packet, or nullopt when none comes in time.
    std::optional<Packet> receive(int ms = kWaitMs) {
        for (;;) {
            if (const auto used = receive_.used()) {
                const auto index = static_cast<std::uint16_t>(used->head);
                Packet out;
                ByteArray<kVsockHeader> header;
                EXPECT_GE(used->written, header.size());
                std::memcpy(header.data(), receive_.buffer(index), header.size());
                out.header = read_packet(header);
                EXPECT_EQ(used->written, kVsockHeader + out.header.size);
                out.data.assign(reinterpret_cast<const char*>(receive_.buffer(index)) + kVsockHeader,
                                out.header.size);
                EXPECT_EQ(out.header.target_cid, kCid);
                if (refills) {
                    (void)receive_.post_in(kReceiveBuffer);
                    front.kick(0);
                }
                return out;
            }
            if (!front.called(0, ms))
                return std::nullopt;
        }
    }
    void refill() {
        while (receive_.free() > 0)
            (void)receive_.post_in(kReceiveBuffer);
        front.kick(0);
    }
    DriverRing& transmit() { return transmit_; }
    DriverRing& receiving() { return receive_; }

    FrontEnd front;
    bool refills = true;

  private:
    void reclaim() {
        while (transmit_.used()) {
        }
    }
    DriverRing receive_, transmit_;
};

// One connection as the guest's kernel keeps it.
class GuestStream {
  public:
    GuestStream(VsockGuest& guest, std::uint32_t own, std::uint32_t other, std::uint32_t buffer = 65536)
        : guest_(guest), own_(own), other_(other), buffer_(buffer) {}

    VsockPacket header(VsockOp op) const {
        VsockPacket out;
        out.source_cid = VsockGuest::kCid;
        out.target_cid = kParentCid;
        out.source_port = own_;
        out.target_port = other_;
        out.op = op;
        out.buffer = buffer_;
        out.forwarded = received_;
        return out;
    }
    void send(VsockOp op, std::uint32_t flags = 0) {
        auto packet = header(op);
        packet.flags = flags;
        guest_.send(packet);
    }
    // Sends data with no regard to what the host can keep.
    void send_data(std::string_view bytes) {
        auto packet = header(VsockOp::Data);
        packet.size = static_cast<std::uint32_t>(bytes.size());
        guest_.send(packet, bytes);
        sent_ += packet.size;
    }
    // Takes packets until one of `op` comes; data before it is kept, and the host told that it was taken.
    std::optional<VsockPacket> wait(VsockOp op, int ms = kWaitMs) {
        for (;;) {
            const auto packet = next(ms);
            if (!packet || packet->op == op)
                return packet;
        }
    }
    // Takes the next packet of this connection.
    std::optional<VsockPacket> next(int ms = kWaitMs) {
        for (;;) {
            const auto packet = guest_.receive(ms);
            if (!packet)
                return std::nullopt;
            if (packet->header.target_port != own_ || packet->header.source_port != other_)
                continue;
            take(*packet);
            return packet->header;
        }
    }
    bool connect() {
        send(VsockOp::Request);
        return wait(VsockOp::Response).has_value();
    }
    // Sends all of it as the host's credit allows, in packets of at most 4000 bytes.
    bool send_all(std::string_view bytes) {
        while (!bytes.empty()) {
            const std::uint32_t credit = host_buffer_ - (sent_ - host_forwarded_);
            const std::size_t n = std::min<std::size_t>({credit, bytes.size(), 4000});
            if (n == 0) {
                if (!next()) // each packet tells of the host's room
                    return false;
                continue;
            }
            send_data(bytes.substr(0, n));
            bytes.remove_prefix(n);
        }
        return true;
    }
    bool receive_bytes(std::size_t size) {
        while (data.size() < size)
            if (!wait(VsockOp::Data))
                return false;
        return true;
    }

    // What a packet says that was taken otherwise.
    void learn(const VsockPacket& header) {
        host_buffer_ = header.buffer;
        host_forwarded_ = header.forwarded;
    }

    std::string data; // received
    std::uint32_t largest_on_the_way = 0;

  private:
    void take(const Packet& packet) {
        learn(packet.header);
        if (packet.header.op != VsockOp::Data)
            return;
        data += packet.data;
        on_the_way_ += packet.header.size;
        largest_on_the_way = std::max(largest_on_the_way, on_the_way_);
        // Told late, as Linux does: when half of the buffer is used.
        if (on_the_way_ * 2 >= buffer_) {
            received_ += std::exchange(on_the_way_, 0U);
            send(VsockOp::CreditUpdate);
        }
    }
    VsockGuest& guest_;
    std::uint32_t own_, other_, buffer_;
    std::uint32_t sent_ = 0, received_ = 0, on_the_way_ = 0, host_buffer_ = 0, host_forwarded_ = 0;
};

inline net::Endpoint unix_at(const std::string& path) {
    return {net::Endpoint::Kind::Unix, path, 0, "", 0};
}

// A blocking socket.
inline net::Fd connect_blocking(const std::string& path) {
    auto fd = net::connect_to(unix_at(path), kWaitMs).value();
    (void)fcntl(fd.get(), F_SETFL, 0);
    return fd;
}

inline net::Fd accept_blocking(const net::Fd& listener) {
    EXPECT_TRUE(wait_readable(listener.get()));
    return net::Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

inline bool write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

// Up to `size` bytes, fewer at the end of the stream or when nothing comes.
inline std::string read_some(int fd, std::size_t size) {
    std::string out;
    std::array<char, 65536> buffer;
    while (out.size() < size && wait_readable(fd)) {
        const ssize_t n = recv(fd, buffer.data(), std::min(buffer.size(), size - out.size()), 0);
        if (n <= 0)
            break;
        out.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return out;
}

// Whether the stream ends now.
inline bool at_end(int fd) {
    char byte;
    return wait_readable(fd) && recv(fd, &byte, 1, 0) <= 0;
}

inline std::string pattern(std::size_t size, unsigned seed = 1) {
    std::string out(size, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (char& c : out) {
        state = state * 1664525U + 1013904223U;
        c = static_cast<char>(state >> 24);
    }
    return out;
}

} // namespace redoubt::nitrosim::tests
