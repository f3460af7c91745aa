// SPDX-License-Identifier: Apache-2.0
// The simulator's listeners when no descriptor is left for whoever connects: they wait, and are served later.
#include "base/log.h"
#include "front_end.h"
#include "nitrosim/boot_handshake.h"
#include "nitrosim/vsock_device.h"
#include "support/no_descriptors.h"

#include <sys/epoll.h>

namespace redoubt::nitrosim::tests {
namespace {

using redoubt::tests::busy_ms;
using redoubt::tests::NoDescriptors;

class NoDescriptorsTest : public ::testing::Test {
  protected:
    NoDescriptorsTest() { set_log_level(LogLevel::Error); }
    ~NoDescriptorsTest() override { set_log_level(LogLevel::Info); }

    net::Fd connect(std::string_view said) {
        net::Fd fd = net::connect_to({net::Endpoint::Kind::Unix, path_, 0, "", 0}, kWaitMs).value();
        EXPECT_EQ(send(fd.get(), said.data(), said.size(), MSG_NOSIGNAL), static_cast<ssize_t>(said.size()));
        return fd;
    }
    void rests_while_there_are_none() {
        const NoDescriptors none;
        EXPECT_LT(busy_ms(loop_, 400), 150);
    }
    // Runs the loop until something comes from the other side.
    std::string answer(const net::Fd& client) {
        loop_.add(client.get(), EPOLLIN, [this](std::uint32_t) { loop_.stop(); });
        const auto limit = loop_.after(kWaitMs, [this] { loop_.stop(); });
        loop_.run();
        loop_.cancel(limit);
        loop_.remove(client.get());
        std::string out(64, '\0');
        const ssize_t n = recv(client.get(), out.data(), out.size(), MSG_DONTWAIT);
        out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return out;
    }

    std::string path_ = test_path("socket");
    net::EventLoop loop_;
};

class NoDevice final : public VhostDevice {
  public:
    std::uint16_t queues() const override { return 1; }
    Bytes config() const override { return {}; }
    void attached(Rings&) override {}
    void detached() override {}
    void stopped() override {}
    void kicked(std::uint16_t) override {}
};

TEST_F(NoDescriptorsTest, a_front_end_waits_and_is_served_later) {
    NoDevice device;
    const auto server = VhostUser::create(loop_, path_, device).value();
    const Bytes question = FrontEnd::message(static_cast<std::uint32_t>(VhostRequest::GetFeatures), {});
    const net::Fd front = connect(as_text(question));
    rests_while_there_are_none();
    EXPECT_EQ(answer(front).size(), kVhostHeader + 8);
    // One front end at a time still: another is not answered while this one is there.
    const net::Fd other = connect(as_text(question));
    EXPECT_LT(busy_ms(loop_, 200), 100);
    char byte = 0;
    EXPECT_LT(recv(other.get(), &byte, 1, MSG_DONTWAIT), 0);
    EXPECT_EQ(shutdown(front.get(), SHUT_RDWR), 0);
    EXPECT_EQ(answer(other).size(), kVhostHeader + 8);
}

TEST_F(NoDescriptorsTest, a_guest_that_boots_waits_and_is_answered_later) {
    bool booted = false;
    const auto handshake = BootHandshake::create(loop_, path_, [&] { booted = true; }).value();
    const net::Fd guest = connect("\xb7");
    rests_while_there_are_none();
    EXPECT_FALSE(booted);
    EXPECT_EQ(answer(guest), "\xb7");
    EXPECT_TRUE(booted);
}

TEST_F(NoDescriptorsTest, a_client_of_the_guest_waits_and_is_told_later_that_there_is_no_guest) {
    VsockOptions options;
    options.guest_cid = 16;
    options.path = path_;
    const auto device = VsockDevice::create(loop_, options).value();
    const net::Fd client = connect("CONNECT 5000\n");
    rests_while_there_are_none();
    char byte = 0;
    EXPECT_LT(recv(client.get(), &byte, 1, MSG_DONTWAIT), 0); // still there
    EXPECT_EQ(answer(client), "");
    EXPECT_EQ(recv(client.get(), &byte, 1, MSG_DONTWAIT), 0); // its end
}

} // namespace
} // namespace redoubt::nitrosim::tests
