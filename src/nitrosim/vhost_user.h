// SPDX-License-Identifier: Apache-2.0
// Shows a virtio device to a virtual machine's monitor by the vhost-user protocol: this is the back end, QEMU
// the front end. One front end at a time; when it goes, the next one finds the device as new.
#pragma once

#include "net/acceptor.h"
#include "nitrosim/vhost_session.h"

#include <memory>
#include <optional>
#include <string>

namespace redoubt::nitrosim {

class VhostUser {
  public:
    // Listens on a unix socket. Loop and device outlive it. Errors: Io.
    static Result<std::unique_ptr<VhostUser>> create(net::EventLoop& loop, const std::string& socket_path,
                                                     VhostDevice& device);
    ~VhostUser();
    VhostUser(const VhostUser&) = delete;
    VhostUser& operator=(const VhostUser&) = delete;

  private:
    VhostUser(net::EventLoop& loop, VhostDevice& device) : loop_(loop), device_(device) {}
    void take(net::Fd front);
    void readable();
    enum class Received { All, Part, End };
    Result<Received> receive(std::span<std::uint8_t> into, std::size_t& have);
    Result<bool> next_message();
    void drop();

    net::EventLoop& loop_;
    VhostDevice& device_;
    std::string path_;
    std::optional<net::Acceptor> acceptor_;
    net::Fd front_;
    std::unique_ptr<VhostSession> session_;
    // The message that is being read.
    ByteArray<kVhostHeader> header_{};
    std::size_t have_header_ = 0, have_payload_ = 0;
    VhostMessage message_;
};

} // namespace redoubt::nitrosim
