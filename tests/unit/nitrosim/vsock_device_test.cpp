// SPDX-License-Identifier: Apache-2.0
#include "nitrosim/vsock_device.h"

#include "base/log.h"
#include "vsock_guest.h"

#include <future>
#include <set>

namespace redoubt::nitrosim::tests {
namespace {

constexpr std::uint32_t kBoth = kShutdownReceive | kShutdownSend;

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

TEST_F(VsockDeviceTest, tells_the_guest_its_cid) {
    begin();
    Bytes payload = raw(std::array<std::uint32_t, 3>{0, 8, 0});
    payload.resize(20);
    const auto config = guest_->front.ask(VhostRequest::GetConfig, payload);
    ASSERT_TRUE(config && config->size() == 20);
    EXPECT_EQ(to_hex(ByteView(*config).subspan(12)), "1000000000000000");
}

TEST_F(VsockDeviceTest, a_guest_reaches_a_socket_of_the_host) {
    begin();
    const net::Fd listener = listen(8000);
    GuestStream s = stream(1000, 8000);
    ASSERT_TRUE(s.connect());
    const net::Fd host = accept_blocking(listener);
    s.send_data("request");
    EXPECT_EQ(read_some(host.get(), 7), "request");
    ASSERT_TRUE(write_all(host.get(), "answer"));
    ASSERT_TRUE(s.receive_bytes(6));
    EXPECT_EQ(s.data, "answer");
}

TEST_F(VsockDeviceTest, a_host_reaches_a_port_of_the_guest) {
    begin();
    auto [client, s] = connected(5000);
    ASSERT_TRUE(write_all(client.get(), "request"));
    ASSERT_TRUE(s.receive_bytes(7));
    EXPECT_EQ(s.data, "request");
    s.send_data("answer");
    EXPECT_EQ(read_some(client.get(), 6), "answer");
}

TEST_F(VsockDeviceTest, what_follows_the_connect_line_is_the_guests) {
    begin();
    const net::Fd client = connect_blocking(path_);
    ASSERT_TRUE(write_all(client.get(), "CONNECT 7\nCONNECT 8\n"));
    const auto request = guest_->receive();
    ASSERT_TRUE(request);
    GuestStream s = stream(7, request->header.source_port);
    s.send(VsockOp::Response);
    ASSERT_TRUE(s.receive_bytes(10));
    EXPECT_EQ(s.data, "CONNECT 8\n");
}

TEST_F(VsockDeviceTest, a_connect_line_may_come_byte_by_byte) {
    begin();
    const net::Fd client = connect_blocking(path_);
    for (const char c : std::string("CONNECT 4294967294\n")) {
        ASSERT_TRUE(write_all(client.get(), std::string(1, c)));
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const auto request = guest_->receive();
    ASSERT_TRUE(request);
    EXPECT_EQ(request->header.target_port, 4294967294U);
}

TEST_F(VsockDeviceTest, lines_that_are_no_connect_close_the_client) {
    begin();
    for (const char* line :
         {"\n", "CONNECT\n", "CONNECT \n", "CONNECT x\n", "CONNECT 1 \n", "CONNECT -1\n",
          "CONNECT 4294967295\n", "CONNECT 4294967296\n", "connect 1\n", "GET / HTTP/1.1\r\n",
          "CONNECT 1\r\n", "CONNECT 00000000000000000000000000000000001\n",
          "a line without an end that is longer than any"}) {
        const net::Fd client = connect_blocking(path_);
        ASSERT_TRUE(write_all(client.get(), line));
        EXPECT_TRUE(at_end(client.get())) << line;
    }
    EXPECT_EQ(connections(), 0U);
}

TEST_F(VsockDeviceTest, a_client_that_says_nothing_is_closed) {
    begin(65536, 1024, 100);
    const net::Fd client = connect_blocking(path_);
    EXPECT_TRUE(at_end(client.get()));
}

TEST_F(VsockDeviceTest, a_port_nobody_serves_is_reset_at_once) {
    begin();
    GuestStream s = stream(1000, 8001);
    s.send(VsockOp::Request);
    EXPECT_TRUE(s.wait(VsockOp::Reset));
    // Also where the socket's file is left, but not its server.
    listen(8002).reset();
    GuestStream left = stream(1001, 8002);
    left.send(VsockOp::Request);
    EXPECT_TRUE(left.wait(VsockOp::Reset));
    EXPECT_EQ(connections(), 0U);
}

TEST_F(VsockDeviceTest, a_client_is_closed_when_the_guest_does_not_listen) {
    begin();
    auto [client, s] = asked(5000);
    s.send(VsockOp::Reset);
    EXPECT_TRUE(at_end(client.get()));
    EXPECT_EQ(connections(), 0U);
}

TEST_F(VsockDeviceTest, a_client_is_closed_when_the_guest_does_not_answer) {
    begin(65536, 1024, 100);
    auto [client, s] = asked(5000);
    EXPECT_TRUE(at_end(client.get()));
    EXPECT_TRUE(s.wait(VsockOp::Reset));
    s.send(VsockOp::Response); // too late
    EXPECT_TRUE(s.wait(VsockOp::Reset));
}

TEST_F(VsockDeviceTest, a_client_is_closed_when_there_is_no_guest) {
    begin();
    guest_.reset();
    const net::Fd client = connect_blocking(path_);
    ASSERT_TRUE(write_all(client.get(), "CONNECT 5000\n"));
    EXPECT_TRUE(at_end(client.get()));
}

TEST_F(VsockDeviceTest, a_megabyte_each_way_at_once_with_small_credits) {
    constexpr std::uint32_t kBuffer = 4096;
    constexpr std::size_t kSize = std::size_t{1} << 20;
    begin(kBuffer);
    auto [client, s] = connected(5000, kBuffer);
    const std::string up = pattern(kSize, 1), down = pattern(kSize, 2);
    const int fd = client.get();
    auto writer = std::async(std::launch::async, [&] { return write_all(fd, up); });
    auto reader = std::async(std::launch::async, [&] { return read_some(fd, kSize); });
    ASSERT_TRUE(s.send_all(down));
    ASSERT_TRUE(s.receive_bytes(kSize));
    EXPECT_TRUE(writer.get());
    EXPECT_TRUE(reader.get() == down);
    EXPECT_TRUE(s.data == up);
    EXPECT_LE(s.largest_on_the_way, kBuffer);
}

TEST_F(VsockDeviceTest, a_megabyte_to_a_host_that_reads_late) {
    begin(16384);
    auto [client, s] = connected(5000);
    const int fd = client.get();
    const std::string sent = pattern(std::size_t{1} << 20);
    auto reader = std::async(std::launch::async, [&] {
        std::string out;
        while (out.size() < sent.size()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            const std::string some = read_some(fd, std::min<std::size_t>(sent.size() - out.size(), 10'000));
            if (some.empty())
                break;
            out += some;
        }
        return out;
    });
    ASSERT_TRUE(s.send_all(sent));
    EXPECT_TRUE(reader.get() == sent);
}

TEST_F(VsockDeviceTest, a_guest_that_takes_nothing_gets_no_more_than_it_said) {
    begin();
    auto [client, s] = connected(5000, 1000);
    ASSERT_TRUE(write_all(client.get(), pattern(5000)));
    std::size_t got = 0;
    while (const auto packet = guest_->receive(200)) {
        EXPECT_EQ(packet->header.op, VsockOp::Data);
        got += packet->data.size();
    }
    EXPECT_EQ(got, 1000U);
    // Credit that cannot be is none.
    auto update = s.header(VsockOp::CreditUpdate);
    update.forwarded = 50'000;
    guest_->send(update);
    EXPECT_FALSE(guest_->receive(100));
    update.forwarded = 1000;
    guest_->send(update);
    const auto more = guest_->receive();
    ASSERT_TRUE(more);
    EXPECT_EQ(more->data.size(), 1000U);
}

TEST_F(VsockDeviceTest, a_guest_that_sends_more_than_it_may_is_reset) {
    begin(4096);
    auto [client, s] = connected(5000);
    // The socket itself takes some; the reset comes before memory is anybody's problem.
    bool is_reset = false;
    for (int i = 0; i < 2000 && !is_reset; ++i) {
        s.send_data(pattern(4000));
        if (const auto packet = guest_->receive(0))
            is_reset = packet->header.op == VsockOp::Reset;
    }
    EXPECT_TRUE(is_reset || s.wait(VsockOp::Reset));
}

TEST_F(VsockDeviceTest, asks_for_credit_are_answered) {
    begin();
    auto [client, s] = connected(5000);
    s.send(VsockOp::CreditRequest);
    const auto update = s.wait(VsockOp::CreditUpdate);
    ASSERT_TRUE(update);
    EXPECT_EQ(update->buffer, 65536U);
    s.send_data("12345");
    EXPECT_EQ(read_some(client.get(), 5), "12345");
    s.send(VsockOp::CreditRequest);
    EXPECT_EQ(s.wait(VsockOp::CreditUpdate)->forwarded, 5U);
}

TEST_F(VsockDeviceTest, the_end_of_the_hosts_bytes_is_passed_on_and_the_answer_still_comes) {
    begin();
    auto [client, s] = connected(5000);
    const std::string sent = pattern(100'000);
    ASSERT_TRUE(write_all(client.get(), sent.substr(0, 60'000)));
    auto rest = std::async(std::launch::async, [&, fd = client.get()] {
        EXPECT_TRUE(write_all(fd, std::string_view(sent).substr(60'000)));
        shutdown(fd, SHUT_WR);
    });
    const auto end = s.wait(VsockOp::Shutdown);
    rest.get();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->flags, kShutdownSend);
    EXPECT_TRUE(s.data == sent);
    s.send_data("answer");
    s.send(VsockOp::Shutdown, kBoth);
    EXPECT_EQ(read_some(client.get(), 100), "answer");
    EXPECT_TRUE(s.wait(VsockOp::Reset));
    EXPECT_EQ(connections(), 0U);
}

TEST_F(VsockDeviceTest, the_end_of_the_guests_bytes_is_passed_on_and_the_answer_still_comes) {
    begin();
    const net::Fd listener = listen(8000);
    GuestStream s = stream(1000, 8000);
    ASSERT_TRUE(s.connect());
    net::Fd host = accept_blocking(listener);
    s.send_data("request");
    s.send(VsockOp::Shutdown, kShutdownSend);
    EXPECT_EQ(read_some(host.get(), 100), "request"); // up to its end
    ASSERT_TRUE(write_all(host.get(), "answer"));
    host.reset();
    const auto end = s.wait(VsockOp::Shutdown);
    ASSERT_TRUE(end);
    EXPECT_NE(end->flags & kShutdownSend, 0U);
    EXPECT_EQ(s.data, "answer");
    s.send(VsockOp::Shutdown, kBoth);
    EXPECT_TRUE(s.wait(VsockOp::Reset));
    EXPECT_EQ(connections(), 0U);
}

TEST_F(VsockDeviceTest, a_host_that_closes_sends_both_ends) {
    begin();
    auto [client, s] = connected(5000);
    client.reset();
    const auto end = s.wait(VsockOp::Shutdown);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->flags, kBoth);
    s.send(VsockOp::Reset);
    EXPECT_TRUE(guest_->front.alive());
    while (connections() != 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST_F(VsockDeviceTest, bytes_that_a_gone_host_does_not_take_are_refused_once) {
    begin(4096);
    const net::Fd listener = listen(8000);
    GuestStream s = stream(1000, 8000);
    ASSERT_TRUE(s.connect());
    net::Fd host = accept_blocking(listener);
    shutdown(host.get(), SHUT_RD); // and still writes
    s.send_data("x");
    const auto end = s.wait(VsockOp::Shutdown);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->flags, kShutdownReceive);
    ASSERT_TRUE(write_all(host.get(), "last words"));
    ASSERT_TRUE(s.receive_bytes(10));
}

TEST_F(VsockDeviceTest, a_guest_that_receives_no_more_stops_the_host) {
    begin();
    auto [client, s] = connected(5000);
    s.send(VsockOp::Shutdown, kShutdownReceive);
    bool refused = false;
    for (int i = 0; i < 1000 && !refused; ++i) {
        refused = !write_all(client.get(), "x");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(refused);
    s.send_data("still"); // the other direction goes on
    EXPECT_EQ(read_some(client.get(), 5), "still");
}

TEST_F(VsockDeviceTest, a_reset_of_the_guest_closes_the_host) {
    begin();
    auto [client, s] = connected(5000);
    s.send(VsockOp::Reset);
    EXPECT_TRUE(at_end(client.get()));
    EXPECT_EQ(connections(), 0U);
}

TEST_F(VsockDeviceTest, a_hundred_connections_in_each_direction_at_once) {
    begin();
    const net::Fd listener = listen(8000);
    std::vector<std::pair<net::Fd, GuestStream>> in;
    std::vector<std::pair<net::Fd, GuestStream>> out;
    for (std::uint32_t i = 0; i < 100; ++i) {
        in.push_back(connected(5000));
        out.emplace_back(net::Fd(), stream(20'000 + i, 8000));
        ASSERT_TRUE(out.back().second.connect());
        out.back().first = accept_blocking(listener);
    }
    EXPECT_EQ(connections(), 200U);
    for (auto* all : {&in, &out})
        for (std::size_t i = 0; i < all->size(); ++i) {
            auto& [fd, s] = (*all)[i];
            const std::string text = "number " + std::to_string(i);
            ASSERT_TRUE(write_all(fd.get(), text));
            ASSERT_TRUE(s.receive_bytes(text.size()));
            EXPECT_EQ(s.data, text);
            s.send_data(text);
            EXPECT_EQ(read_some(fd.get(), text.size()), text);
        }
}

TEST_F(VsockDeviceTest, clients_that_come_together_are_all_served) {
    begin();
    std::vector<net::Fd> clients;
    for (int i = 0; i < 100; ++i) {
        clients.push_back(connect_blocking(path_));
        ASSERT_TRUE(write_all(clients.back().get(), "CONNECT 5000\n"));
    }
    std::set<std::uint32_t> ports;
    for (int i = 0; i < 100; ++i) {
        const auto request = guest_->receive();
        ASSERT_TRUE(request);
        ports.insert(request->header.source_port);
        stream(5000, request->header.source_port).send(VsockOp::Response);
    }
    EXPECT_EQ(ports.size(), 100U);
    for (const auto& client : clients)
        EXPECT_EQ(read_some(client.get(), 8), "OK 5000\n");
}

TEST_F(VsockDeviceTest, connections_beyond_the_limit_are_reset) {
    begin(65536, 2);
    const net::Fd listener = listen(8000);
    GuestStream a = stream(1, 8000), b = stream(2, 8000), c = stream(3, 8000);
    ASSERT_TRUE(a.connect());
    ASSERT_TRUE(b.connect());
    c.send(VsockOp::Request);
    EXPECT_TRUE(c.wait(VsockOp::Reset));
    const net::Fd client = connect_blocking(path_);
    ASSERT_TRUE(write_all(client.get(), "CONNECT 1\n"));
    EXPECT_TRUE(at_end(client.get()));
    a.send(VsockOp::Reset);
    EXPECT_TRUE(c.connect());
}

TEST_F(VsockDeviceTest, a_listener_with_a_full_queue_is_dialled_again) {
    begin();
    const net::Fd listener = listen(8000, 0); // holds one
    GuestStream a = stream(1, 8000), b = stream(2, 8000);
    ASSERT_TRUE(a.connect());
    b.send(VsockOp::Request);
    EXPECT_FALSE(b.wait(VsockOp::Response, 50));
    const net::Fd first = accept_blocking(listener);
    EXPECT_TRUE(b.wait(VsockOp::Response));
    const net::Fd second = accept_blocking(listener);
}

TEST_F(VsockDeviceTest, packets_that_make_no_sense_are_reset) {
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

TEST_F(VsockDeviceTest, data_after_the_guests_own_end_is_reset) {
    begin();
    auto [client, s] = connected(5000);
    s.send(VsockOp::Shutdown, kShutdownSend);
    s.send_data("more");
    EXPECT_TRUE(s.wait(VsockOp::Reset));
}

TEST_F(VsockDeviceTest, rings_that_break_the_rules_end_everything_without_a_crash) {
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

TEST_F(VsockDeviceTest, a_guest_without_buffers_gets_its_packets_later) {
    begin();
    guest_->refills = false;
    auto [client, s] = connected(5000, 1 << 20);
    const std::string sent = pattern(std::size_t{600} << 10); // more than all buffers hold
    auto writer = std::async(std::launch::async, [&, fd = client.get()] { return write_all(fd, sent); });
    while (s.data.size() < sent.size()) {
        if (!s.wait(VsockOp::Data, 50))
            guest_->refill();
    }
    EXPECT_TRUE(writer.get());
    EXPECT_TRUE(s.data == sent);
}

TEST_F(VsockDeviceTest, a_flood_of_refused_packets_waits_for_the_guest) {
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

TEST_F(VsockDeviceTest, a_reboot_of_the_guest_ends_its_connections_and_starts_anew) {
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

TEST_F(VsockDeviceTest, a_front_end_that_goes_ends_the_connections) {
    begin();
    auto [client, s] = connected(5000);
    guest_.reset();
    EXPECT_TRUE(at_end(client.get()));
    guest_.emplace(path_ + "-device", ram_);
    auto [other, anew] = connected(5000);
    ASSERT_TRUE(write_all(other.get(), "again"));
    EXPECT_TRUE(anew.receive_bytes(5));
}

TEST_F(VsockDeviceTest, a_driver_that_goes_on_in_the_middle_learns_that_its_connections_are_gone) {
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

TEST(VsockDevice, refuses_what_cannot_be_an_enclaves) {
    net::EventLoop loop;
    for (const std::uint32_t cid : {0U, 1U, 2U, 3U, 0xffffffffU}) {
        VsockOptions options;
        options.guest_cid = cid;
        options.path = test_path("vsock");
        const auto made = VsockDevice::create(loop, options);
        ASSERT_FALSE(made) << cid;
        EXPECT_EQ(made.error().code, Code::Usage);
    }
    VsockOptions options;
    options.guest_cid = 4;
    options.path = "/tmp/" + std::string(95, 'x');
    EXPECT_FALSE(VsockDevice::create(loop, options));
}

} // namespace
} // namespace redoubt::nitrosim::tests
