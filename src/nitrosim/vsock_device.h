// SPDX-License-Identifier: Apache-2.0
// A virtio-vsock device (virtio 1.2, section 5.10) whose host is CID 3, a Nitro enclave's parent, made of
// unix sockets: a guest that connects to port P of CID 3 reaches the socket PATH_P (nobody there: it is
// reset), and who connects to PATH and writes "CONNECT P\n" reaches port P of the guest, after "OK P\n" (the
// guest does not listen, or not answer: the socket is closed). Streams only. Each direction ends on its own;
// a side that does not read makes the other wait. AF_VSOCK of this machine is never used.
#pragma once

#include "net/acceptor.h"
#include "nitrosim/vhost_device.h"
#include "nitrosim/vsock_connection.h"
#include "nitrosim/vsock_packet.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace redoubt::nitrosim {

struct VsockOptions {
    std::uint32_t guest_cid = 0; // 4 … 2^32 - 2
    std::string path;            // of the socket for connections into the guest, and prefix of the others
    std::uint32_t buffer = 256 * 1024;  // bytes kept for a host that does not read, a connection
    std::size_t max_connections = 1024; // further ones are reset
    int answer_ms = 10'000;             // for the guest's answer, and for a client's CONNECT line
};

class VsockDevice final : public VhostDevice {
  public:
    // The loop outlives the device. Errors: Usage, Io.
    static Result<std::unique_ptr<VsockDevice>> create(net::EventLoop& loop, VsockOptions options);
    ~VsockDevice() override;
    VsockDevice(const VsockDevice&) = delete;
    VsockDevice& operator=(const VsockDevice&) = delete;

    std::uint16_t queues() const override { return 3; }
    Bytes config() const override;
    void attached(Rings& rings) override { rings_ = &rings; }
    void detached() override;
    void kicked(std::uint16_t queue) override;
    void stopped() override;

    std::size_t connections() const noexcept { return connections_.size(); }

  private:
    using Connections = std::map<VsockPorts, VsockConnection>; // references stay good until removal
    struct Client {                                            // that has not said CONNECT yet
        net::Fd fd;
        std::string line;
        net::EventLoop::TimerId timer = 0;
    };
    struct Refusal { // a reset to send for a connection that is not, or no more
        std::uint64_t cid;
        VsockPorts ports;
    };

    VsockDevice(net::EventLoop& loop, VsockOptions options) : loop_(loop), options_(std::move(options)) {}

    // vsock_device.cpp: the guest's side
    void take_packets();
    void take_packet(const VsockPacket& packet, const std::vector<iovec>& data, bool whole);
    void take_for(VsockConnection& connection, const VsockPacket& packet, const std::vector<iovec>& data);
    void take_request(const VsockPacket& packet, const VsockPorts& ports);
    void refuse(std::uint64_t cid, const VsockPorts& ports);
    void send_packets();
    std::size_t fill(VsockConnection& connection, const Chain& chain);
    std::size_t fill_data(VsockConnection& connection, const Chain& chain);
    VsockPacket packet_of(VsockConnection& connection, VsockOp op) const;
    void line_up(VsockConnection& connection);
    void break_ring(std::uint16_t queue, const Error& why);
    void forget_all();
    void tell_of_reset();

    // vsock_host.cpp: the host's side
    void take_client(net::Fd accepted);
    void read_line(int fd);
    void drop_client(int fd);
    void connect_to_guest(net::Fd fd, std::uint32_t port);
    void dial(const VsockPorts& ports, int tries);
    bool opened_to_guest(VsockConnection& connection);
    void on_event(const VsockPorts& ports, std::uint32_t events);
    bool to_host(VsockConnection& connection, const std::vector<iovec>& data, std::size_t size);
    void flush(VsockConnection& connection);
    void host_refuses(VsockConnection& connection);
    void settle(VsockConnection& connection);
    void reset(const VsockPorts& ports);
    void remove(Connections::iterator connection);

    net::EventLoop& loop_;
    VsockOptions options_;
    std::optional<net::Acceptor> acceptor_;
    Rings* rings_ = nullptr;
    std::map<int, Client> clients_;
    Connections connections_;
    std::deque<VsockPorts> line_; // connections that have a packet for the guest
    std::deque<Refusal> refusals_;
    std::uint32_t next_port_ = 0x40000000; // at CID 3, of connections into the guest
    net::EventLoop::TimerId again_ = 0;
    bool sending_ = false;
    bool resumed_ = false; // the driver is still to be told that its connections are gone
};

} // namespace redoubt::nitrosim
