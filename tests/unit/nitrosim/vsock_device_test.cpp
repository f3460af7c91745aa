// SPDX-License-Identifier: Apache-2.0
// Connections: how they come about, and how not.
#include "vsock_device_fixture.h"

#include <set>

namespace redoubt::nitrosim::tests {
namespace {

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
