// SPDX-License-Identifier: Apache-2.0
#include "host/vsock_proxy.h"

#include "base/clock.h"
#include "base/log.h"
#include "sockets_support.h"

#include <fcntl.h>
#include <filesystem>
#include <future>
#include <random>
#include <sys/eventfd.h>

namespace redoubt::host::tests {

namespace {

std::string random_bytes(std::size_t size, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string out(size, '\0');
    for (char& c : out)
        c = static_cast<char>(random());
    return out;
}

std::string socket_path() {
    static int count = 0;
    return std::filesystem::temp_directory_path() /
           ("redoubt-proxy-" + std::to_string(getpid()) + "-" + std::to_string(++count));
}

ProxyOptions options_for(std::uint16_t port) {
    ProxyOptions options;
    options.listen.kind = net::Endpoint::Kind::Unix;
    options.listen.path = socket_path();
    options.remote_host = "127.0.0.1";
    options.remote_port = port;
    options.allowlist = {{"127.0.0.1", port}};
    return options;
}

// serve_proxy in a thread of its own.
class RunningProxy {
  public:
    explicit RunningProxy(ProxyOptions options)
        : options_(std::move(options)), stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        set_log_level(LogLevel::Error);
        std::promise<void> ready;
        auto is_ready = ready.get_future();
        thread_ = std::thread([this, &ready] {
            result_ = serve_proxy(options_, stop_.get(), [&ready] { ready.set_value(); });
        });
        EXPECT_EQ(is_ready.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    }
    ~RunningProxy() {
        stop();
        set_log_level(LogLevel::Info);
    }
    void stop() {
        if (!thread_.joinable())
            return;
        const std::uint64_t one = 1;
        EXPECT_EQ(write(stop_.get(), &one, sizeof one), 8);
        thread_.join();
        EXPECT_TRUE(result_) << result_.error().describe();
        std::filesystem::remove(options_.listen.path);
    }
    net::Fd connect() const { return connect_unix(options_.listen.path); }

  private:
    ProxyOptions options_;
    net::Fd stop_;
    std::thread thread_;
    Status result_;
};

Error refusal(const ProxyOptions& options) {
    const net::Fd stop(eventfd(1, EFD_CLOEXEC)); // were it allowed, it would end at once
    const Status result = serve_proxy(options, stop.get(), {});
    std::filesystem::remove(options.listen.path);
    if (result)
        return {Code::Internal, "it was not refused"};
    return result.error();
}

TEST(VsockProxy, passes_on_the_end_of_the_request_and_then_relays_the_answer) {
    // The server answers only after it has seen the end of what the client sent.
    TcpServer server([](int fd) {
        std::string all = receive_to_end(fd);
        std::reverse(all.begin(), all.end());
        send_all(fd, all);
    });
    RunningProxy proxy(options_for(server.port()));
    const net::Fd client = proxy.connect();
    std::string sent = random_bytes(8 << 20, 1);
    ASSERT_TRUE(send_all(client.get(), sent));
    shutdown(client.get(), SHUT_WR);
    const std::string answer = receive_to_end(client.get());
    std::reverse(sent.begin(), sent.end());
    EXPECT_TRUE(answer == sent) << answer.size() << " bytes of " << sent.size();
}

TEST(VsockProxy, passes_on_the_end_of_the_answer_and_goes_on_with_the_request) {
    std::promise<std::string> got;
    TcpServer server([&](int fd) {
        send_all(fd, "first");
        shutdown(fd, SHUT_WR);
        got.set_value(receive_to_end(fd));
    });
    RunningProxy proxy(options_for(server.port()));
    const net::Fd client = proxy.connect();
    EXPECT_EQ(receive_to_end(client.get()), "first");
    const std::string sent = random_bytes(1 << 20, 2);
    ASSERT_TRUE(send_all(client.get(), sent));
    shutdown(client.get(), SHUT_WR);
    EXPECT_TRUE(got.get_future().get() == sent);
}

TEST(VsockProxy, relays_both_ways_at_once) {
    TcpServer server(echo);
    RunningProxy proxy(options_for(server.port()));
    const net::Fd client = proxy.connect();
    const std::string sent = random_bytes(16 << 20, 3);
    std::thread writer([&] {
        EXPECT_TRUE(send_all(client.get(), sent));
        shutdown(client.get(), SHUT_WR);
    });
    const std::string answer = receive_to_end(client.get());
    writer.join();
    EXPECT_TRUE(answer == sent) << answer.size() << " bytes of " << sent.size();
}

TEST(VsockProxy, a_client_that_closes_at_once_has_all_its_bytes_delivered) {
    std::promise<std::string> got;
    std::promise<void> read_now;
    TcpServer server([&](int fd) {
        read_now.get_future().wait();
        got.set_value(receive_to_end(fd));
    });
    RunningProxy proxy(options_for(server.port()));
    const std::string sent = random_bytes(300'000, 4);
    {
        const net::Fd client = proxy.connect();
        ASSERT_TRUE(send_all(client.get(), sent));
    }
    read_now.set_value();
    EXPECT_TRUE(got.get_future().get() == sent);
}

TEST(VsockProxy, stops_reading_from_a_client_whose_server_does_not_read_and_waits_without_work) {
    std::promise<void> read_now;
    std::promise<std::string> got;
    TcpServer server([&](int fd) {
        read_now.get_future().wait();
        got.set_value(receive_to_end(fd));
    });
    RunningProxy proxy(options_for(server.port()));
    net::Fd client = proxy.connect();
    const std::string block = random_bytes(1 << 20, 5);
    std::string sent;
    // The kernel's buffers (4 MiB and more each way on loopback) fill up, then nothing is taken any more.
    int idle = 0;
    while (idle < 10 && sent.size() < (256U << 20)) {
        const ssize_t n = send(client.get(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            sent.append(block.data(), static_cast<std::size_t>(n));
            idle = 0;
        } else {
            ++idle;
            usleep(20'000);
        }
    }
    EXPECT_LT(sent.size(), 64U << 20);
    client.reset(); // a hang-up, which epoll reports for as long as it is registered
    const auto cpu_ms = [] {
        timespec now{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return now.tv_sec * 1'000 + now.tv_nsec / 1'000'000;
    };
    const auto before = cpu_ms();
    usleep(500'000);
    EXPECT_LT(cpu_ms() - before, 200) << "the proxy spins";
    read_now.set_value();
    const std::string received = got.get_future().get();
    EXPECT_TRUE(received == sent) << received.size() << " bytes of " << sent.size();
}

TEST(VsockProxy, serves_300_connections_at_once) {
    TcpServer server(echo);
    RunningProxy proxy(options_for(server.port()));
    std::vector<net::Fd> clients;
    for (int i = 0; i < 300; ++i)
        clients.push_back(proxy.connect());
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < clients.size(); ++i)
            ASSERT_TRUE(send_all(clients[i].get(), random_bytes(2'000, i)));
        for (std::size_t i = clients.size(); i-- > 0;)
            ASSERT_TRUE(receive(clients[i].get(), 2'000) == random_bytes(2'000, i)) << i;
    }
    EXPECT_EQ(server.accepted(), 300);
    for (const net::Fd& client : clients)
        shutdown(client.get(), SHUT_WR);
    for (const net::Fd& client : clients)
        EXPECT_EQ(receive_to_end(client.get()), "");
}

TEST(VsockProxy, connections_above_the_limit_wait_for_their_turn) {
    TcpServer server(echo);
    ProxyOptions options = options_for(server.port());
    options.max_connections = 2;
    RunningProxy proxy(options);
    net::Fd first = proxy.connect();
    const net::Fd second = proxy.connect();
    for (const int open : {first.get(), second.get()}) {
        ASSERT_TRUE(send_all(open, "x"));
        ASSERT_EQ(receive(open, 1), "x");
    }
    const net::Fd third = proxy.connect();
    ASSERT_TRUE(send_all(third.get(), "y"));
    usleep(100'000);
    char byte = 0;
    EXPECT_EQ(recv(third.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(server.accepted(), 2);
    first.reset();
    EXPECT_EQ(receive(third.get(), 1), "y");
}

TEST(VsockProxy, a_remote_that_refuses_ends_one_connection_only) {
    std::uint16_t port = 0;
    {
        const TcpServer soon_gone(echo);
        port = soon_gone.port();
    }
    RunningProxy proxy(options_for(port));
    EXPECT_TRUE(is_refused(proxy.connect().get()));
    EXPECT_TRUE(is_refused(proxy.connect().get()));
    TcpServer server(echo, port);
    const net::Fd client = proxy.connect();
    ASSERT_TRUE(send_all(client.get(), "back"));
    EXPECT_EQ(receive(client.get(), 4), "back");
}

TEST(VsockProxy, a_failed_look_up_ends_one_connection_only) {
    ProxyOptions options = options_for(443);
    options.remote_host = "redoubt-test.invalid"; // RFC 6761: never resolves
    options.allowlist = {{"redoubt-test.invalid", 443}};
    RunningProxy proxy(options);
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(is_refused(proxy.connect().get())) << i;
    std::vector<net::Fd> together;
    for (int i = 0; i < 20; ++i)
        together.push_back(proxy.connect());
    for (const net::Fd& client : together)
        EXPECT_TRUE(is_refused(client.get()));
}

TEST(VsockProxy, stopping_ends_open_connections) {
    TcpServer server(echo);
    RunningProxy proxy(options_for(server.port()));
    const net::Fd client = proxy.connect();
    ASSERT_TRUE(send_all(client.get(), "x"));
    ASSERT_EQ(receive(client.get(), 1), "x");
    const std::int64_t begin = monotonic_ms();
    proxy.stop();
    EXPECT_LT(monotonic_ms() - begin, 2'000);
    EXPECT_TRUE(is_refused(client.get()));
}

TEST(VsockProxy, a_name_is_allowed_by_one_of_its_addresses) {
    TcpServer server(echo);
    ProxyOptions options = options_for(server.port());
    options.remote_host = "localhost";
    options.address_family = 4;
    RunningProxy proxy(options);
    const net::Fd client = proxy.connect();
    ASSERT_TRUE(send_all(client.get(), "by address"));
    EXPECT_EQ(receive(client.get(), 10), "by address");
}

TEST(VsockProxy, a_name_is_allowed_by_itself_in_either_case) {
    TcpServer server(echo);
    ProxyOptions options = options_for(server.port());
    options.remote_host = "localhost";
    options.allowlist = {{"LOCALHOST", server.port()}};
    RunningProxy proxy(options); // where localhost is ::1 first, the next address is tried
    const net::Fd client = proxy.connect();
    ASSERT_TRUE(send_all(client.get(), "by name"));
    EXPECT_EQ(receive(client.get(), 7), "by name");
}

TEST(VsockProxy, refuses_a_remote_that_is_not_allowed) {
    ProxyOptions options = options_for(8443);
    options.allowlist = {};
    EXPECT_EQ(refusal(options).code, Code::Usage);
    options.allowlist = {{"127.0.0.1", 443}};
    EXPECT_EQ(refusal(options).code, Code::Usage) << "another port";
    options.allowlist = {{"127.0.0.2", 8443}, {"kms.us-east-1.amazonaws.com.invalid", 8443}};
    EXPECT_EQ(refusal(options).code, Code::Usage) << "another host";
    options.allowlist = {{"127.0.0.1", 8443}};
    EXPECT_EQ(refusal(options).code, Code::Internal) << "the one that is allowed";
}

TEST(VsockProxy, a_remote_that_cannot_be_compared_is_not_allowed) {
    ProxyOptions options = options_for(443);
    options.remote_host = "redoubt-test.invalid";
    EXPECT_EQ(refusal(options).code, Code::Io);
}

TEST(VsockProxy, refuses_an_address_of_the_other_family) {
    ProxyOptions options = options_for(443);
    options.address_family = 6;
    EXPECT_EQ(refusal(options).code, Code::Usage);
    options.address_family = 5;
    EXPECT_EQ(refusal(options).code, Code::Usage);
}

} // namespace

} // namespace redoubt::host::tests
