// SPDX-License-Identifier: Apache-2.0
// The bytes of a connection, its credit, and its ends.
#include "vsock_device_fixture.h"

namespace redoubt::nitrosim::tests {
namespace {

constexpr std::uint32_t kBoth = kShutdownReceive | kShutdownSend;

using VsockStreamTest = VsockDeviceTest;

TEST_F(VsockStreamTest, a_megabyte_each_way_at_once_with_small_credits) {
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

TEST_F(VsockStreamTest, a_megabyte_to_a_host_that_reads_late) {
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

TEST_F(VsockStreamTest, a_guest_that_takes_nothing_gets_no_more_than_it_said) {
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

TEST_F(VsockStreamTest, a_guest_that_sends_more_than_it_may_is_reset) {
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

TEST_F(VsockStreamTest, asks_for_credit_are_answered) {
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

TEST_F(VsockStreamTest, a_guest_without_buffers_gets_its_packets_later) {
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

TEST_F(VsockStreamTest, the_end_of_the_hosts_bytes_is_passed_on_and_the_answer_still_comes) {
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

TEST_F(VsockStreamTest, the_end_of_the_guests_bytes_is_passed_on_and_the_answer_still_comes) {
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

TEST_F(VsockStreamTest, a_host_that_closes_sends_both_ends) {
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

TEST_F(VsockStreamTest, bytes_that_a_gone_host_does_not_take_are_refused_once) {
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

TEST_F(VsockStreamTest, a_guest_that_receives_no_more_stops_the_host) {
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

TEST_F(VsockStreamTest, a_reset_of_the_guest_closes_the_host) {
    begin();
    auto [client, s] = connected(5000);
    s.send(VsockOp::Reset);
    EXPECT_TRUE(at_end(client.get()));
    EXPECT_EQ(connections(), 0U);
}

} // namespace
} // namespace redoubt::nitrosim::tests
