// SPDX-License-Identifier: Apache-2.0
// Guests that break the rules, reboot or go.
#include "vsock_device_fixture.h"

namespace redoubt::nitrosim::tests {
namespace {

using VsockFaultsTest = VsockDeviceTest;

TEST_F(VsockFaultsTest, packets_that_make_no_sense_are_reset) {
    begin();
    const net::Fd listener = listen(8000);
    std::uint32_t port = 100;
    const auto check = [&](const char* what, auto change, std::string_view data = {}) {
        GuestStream s = stream(++port, 8000);
        ASSERT_TRUE(s.connect()) << what;
        VsockPacket packet = s.header(VsockOp::Data);
        packet.size = static_cast<std::uint32_t>(data.size());
        change(packet);
        guest_->send(packet, data);
        const auto answer = guest_->receive();
        ASSERT_TRUE(answer) << what;
        EXPECT_EQ(answer->header.op, VsockOp::Reset) << what;
        EXPECT_EQ(answer->header.source_port, packet.target_port) << what;
        EXPECT_EQ(answer->header.target_port, packet.source_port) << what;
        EXPECT_EQ(answer->header.source_cid, packet.target_cid) << what;
    };
    check("no such connection", [](VsockPacket& p) { p.source_port = 99; });
    check("another target", [](VsockPacket& p) { p.target_cid = 2; });
    check("a target of 64 bits", [](VsockPacket& p) { p.target_cid |= std::uint64_t{1} << 32; });
    check("seqpacket", [](VsockPacket& p) { p.type = 2; });
    check("operation 0", [](VsockPacket& p) { p.op = VsockOp{0}; });
    check("operation 8", [](VsockPacket& p) { p.op = VsockOp{8}; });
    check("an answer nobody asked for", [](VsockPacket& p) { p.op = VsockOp::Response; });
    check("a second request", [](VsockPacket& p) { p.op = VsockOp::Request; });
    check(
        "more data than the packet has", [](VsockPacket& p) { p.size = 9; }, "12345678");
    check(
        "4 GiB of data", [](VsockPacket& p) { p.size = 0xffffffff; }, "12345678");
    // A reset is answered by nothing, and so is a sender that is not this guest.
    GuestStream s = stream(++port, 8000);
    s.send(VsockOp::Reset);
    VsockPacket stranger = s.header(VsockOp::Request);
    stranger.source_cid = VsockGuest::kCid + 1;
    guest_->send(stranger);
    EXPECT_FALSE(guest_->receive(100));
}

TEST_F(VsockFaultsTest, data_after_the_guests_own_end_is_reset) {
    begin();
    auto [client, s] = connected(5000);
    s.send(VsockOp::Shutdown, kShutdownSend);
    s.send_data("more");
    EXPECT_TRUE(s.wait(VsockOp::Reset));
}

TEST_F(VsockFaultsTest, rings_that_break_the_rules_end_everything_without_a_crash) {
    const struct {
        const char* what;
        std::uint32_t queue;
        void (*post)(VsockGuest&);
    } cases[] = {
        {"a packet shorter than its header", 1,
         [](VsockGuest& g) { (void)g.transmit().post_out(Bytes(43)); }},
        {"an empty packet", 1, [](VsockGuest& g) { (void)g.transmit().post_out({}); }},
        {"a packet to write to", 1, [](VsockGuest& g) { (void)g.transmit().post_in(100); }},
        {"no such descriptor", 1, [](VsockGuest& g) { g.transmit().offer(64); }},
        {"an index from nowhere", 1, [](VsockGuest& g) { g.transmit().set_index(40'000); }},
        {"a receive buffer without room", 0,
         [](VsockGuest& g) {
             g.refills = false;
             for (std::uint16_t i = 0; i < VsockGuest::kRing; ++i)
                 g.receiving().write(i, {g.receiving().buffer_address(i), 44, 2, 0});
         }},
        {"a receive index from nowhere", 0, [](VsockGuest& g) { g.receiving().set_index(40'000); }},
    };
    for (const auto& c : cases) {
        begin();
        {
            auto [client, s] = connected(5000);
            c.post(*guest_);
            guest_->front.kick(c.queue);
            if (c.queue == 0) {
                ASSERT_TRUE(write_all(client.get(), "x"));
            }
            EXPECT_TRUE(guest_->front.refused(c.queue)) << c.what;
            EXPECT_TRUE(at_end(client.get())) << c.what;
        }
        EXPECT_TRUE(guest_->front.alive()) << c.what;
        guest_.reset();
        thread_.stop();
        server_.reset();
        device_.reset();
    }
}

TEST_F(VsockFaultsTest, a_flood_of_refused_packets_waits_for_the_guest) {
    begin();
    guest_->refills = false;
    for (std::uint32_t i = 0; i < 3000; ++i) {
        if (guest_->transmit().free() == 0 && !guest_->front.called(1, 200))
            break; // the device takes no more
        while (guest_->transmit().used()) {
        }
        if (guest_->transmit().free() == 0)
            continue;
        guest_->send(stream(i, 9).header(VsockOp::Request));
    }
    guest_->refills = true;
    std::size_t resets = 0;
    guest_->refill();
    while (const auto packet = guest_->receive(500)) {
        resets += packet->header.op == VsockOp::Reset ? 1U : 0U;
    }
    EXPECT_GE(resets, 1024U);
    EXPECT_EQ(connections(), 0U);
}

TEST_F(VsockFaultsTest, a_reboot_of_the_guest_ends_its_connections_and_starts_anew) {
    begin();
    auto [client, s] = connected(5000);
    const net::Fd listener = listen(8000);
    GuestStream out = stream(1000, 8000);
    ASSERT_TRUE(out.connect());
    const net::Fd host = accept_blocking(listener);
    (void)guest_->front.stop(0);
    (void)guest_->front.stop(1);
    EXPECT_TRUE(at_end(client.get()));
    EXPECT_TRUE(at_end(host.get()));
    EXPECT_EQ(connections(), 0U);
    DriverRing receive(ram_, 64), transmit(ram_, 64);
    (void)receive.post_in(4096);
    guest_->front.start(0, receive);
    guest_->front.start(1, transmit);
    (void)transmit.post_out(write_packet(stream(1000, 8000).header(VsockOp::Request)));
    guest_->front.kick(1);
    ASSERT_TRUE(guest_->front.called(0));
    EXPECT_TRUE(receive.used());
    const net::Fd again = accept_blocking(listener);
}

TEST_F(VsockFaultsTest, a_front_end_that_goes_ends_the_connections) {
    begin();
    auto [client, s] = connected(5000);
    guest_.reset();
    EXPECT_TRUE(at_end(client.get()));
    guest_.emplace(path_ + "-device", ram_);
    auto [other, anew] = connected(5000);
    ASSERT_TRUE(write_all(other.get(), "again"));
    EXPECT_TRUE(anew.receive_bytes(5));
}

TEST_F(VsockFaultsTest, a_driver_that_goes_on_in_the_middle_learns_that_its_connections_are_gone) {
    begin();
    DriverRing events(ram_, 16);
    const auto buffer = events.post_in(8);
    std::memset(events.buffer(buffer), 0xff, 8);
    guest_->front.start(2, events);
    guest_->send(stream(1, 2).header(VsockOp::Reset)); // the ring moves on
    EXPECT_FALSE(guest_->front.called(2, 100));        // nothing happened yet
    const auto base = guest_->front.stop(1);
    EXPECT_EQ(base, 1U);
    guest_->front.start(1, guest_->transmit(), static_cast<std::uint16_t>(base));
    ASSERT_TRUE(guest_->front.called(2));
    EXPECT_EQ(events.used(), (DriverRing::Used{buffer, 4}));
    EXPECT_EQ(to_hex({events.buffer(buffer), 8}), "00000000ffffffff");
}

} // namespace
} // namespace redoubt::nitrosim::tests
