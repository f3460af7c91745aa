// SPDX-License-Identifier: Apache-2.0
// A vsock device on a loop of its own, with a guest and the sockets of the host around it.
#pragma once

#include "base/log.h"
#include "nitrosim/vsock_device.h"
#include "vsock_guest.h"

#include <future>

namespace redoubt::nitrosim::tests {

class VsockDeviceTest : public ::testing::Test {
  protected:
    void begin(std::uint32_t buffer = 65536, std::size_t max_connections = 1024, int answer_ms = kWaitMs) {
        set_log_level(LogLevel::Error);
        VsockOptions options;
        options.guest_cid = VsockGuest::kCid;
        options.path = path_;
        options.buffer = buffer;
        options.max_connections = max_connections;
        options.answer_ms = answer_ms;
        device_ = VsockDevice::create(thread_.loop(), options).value();
        server_ = VhostUser::create(thread_.loop(), path_ + "-device", *device_).value();
        thread_.start();
        guest_.emplace(path_ + "-device", ram_);
    }
    ~VsockDeviceTest() override {
        guest_.reset();
        thread_.stop();
        server_.reset();
        device_.reset();
        for (const auto& path : listening_)
            std::filesystem::remove(path);
        set_log_level(LogLevel::Info);
        EXPECT_FALSE(std::filesystem::exists(path_));
    }
    net::Fd listen(std::uint32_t port, int backlog = 1024) {
        listening_.push_back(path_ + "_" + std::to_string(port));
        return net::listen_on(unix_at(listening_.back()), backlog).value();
    }
    GuestStream stream(std::uint32_t own, std::uint32_t other, std::uint32_t buffer = 65536) {
        return GuestStream(*guest_, own, other, buffer);
    }
    // A host's connection that asked for `port` of the guest, and the guest's end of it.
    std::pair<net::Fd, GuestStream> asked(std::uint32_t port, std::uint32_t buffer = 65536) {
        net::Fd client = connect_blocking(path_);
        EXPECT_TRUE(write_all(client.get(), "CONNECT " + std::to_string(port) + "\n"));
        const auto request = guest_->receive();
        EXPECT_TRUE(request && request->header.op == VsockOp::Request);
        const VsockPacket header = request ? request->header : VsockPacket{};
        EXPECT_EQ(header.source_cid, kParentCid);
        EXPECT_EQ(header.target_port, port);
        GuestStream s = stream(port, header.source_port, buffer);
        s.learn(header);
        return {std::move(client), s};
    }
    std::pair<net::Fd, GuestStream> connected(std::uint32_t port, std::uint32_t buffer = 65536) {
        auto out = asked(port, buffer);
        out.second.send(VsockOp::Response);
        const std::string line = "OK " + std::to_string(port) + "\n";
        EXPECT_EQ(read_some(out.first.get(), line.size()), line);
        return out;
    }
    // The number of connections, asked on the loop's thread.
    std::size_t connections() {
        std::promise<std::size_t> promise;
        thread_.loop().post([&] { promise.set_value(device_->connections()); });
        return promise.get_future().get();
    }

    std::string path_ = test_path("vsock");
    std::vector<std::string> listening_;
    LoopThread thread_;
    std::unique_ptr<VsockDevice> device_;
    std::unique_ptr<VhostUser> server_;
    GuestRam ram_;
    std::optional<VsockGuest> guest_;
};

} // namespace redoubt::nitrosim::tests
