// SPDX-License-Identifier: Apache-2.0
#include "net/endpoint.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace redoubt::net {
namespace {

std::string temporary_path(const std::string& name) {
    return std::filesystem::temp_directory_path() / ("redoubt-net-" + std::to_string(getpid()) + "-" + name);
}

TEST(Endpoint, reads_each_kind_and_writes_it_back) {
    for (const char* text :
         {"unix:/run/redoubt.sock", "unix:a:b", "vsock:3:8000", "vsock:4294967295:5000", "tcp:127.0.0.1:8443",
          "tcp:[::1]:0", "tcp:kms.eu-central-1.amazonaws.com:443", "tcp:localhost:65535"}) {
        const auto endpoint = parse_endpoint(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(endpoint->text(), text);
    }
    EXPECT_EQ(parse_endpoint("tcp:[::1]:443")->host, "::1");
    EXPECT_EQ(parse_endpoint("vsock:16:9000")->cid, 16u);
    EXPECT_EQ(parse_endpoint("vsock:16:9000")->port, 9000u);
}

TEST(Endpoint, refuses_what_is_not_one) {
    for (const std::string text : {"",
                                   "tcp",
                                   "tcp:",
                                   "tcp::80",
                                   "tcp:host",
                                   "tcp:host:",
                                   "tcp:host:65536",
                                   "tcp:host:080",
                                   "tcp:host:+80",
                                   "tcp:host:8 0",
                                   "tcp:::1:80",
                                   "tcp:[::1:80",
                                   "tcp:[1.2.3.4]:80",
                                   "tcp:[]:80",
                                   "tcp:a b:80",
                                   "tcp:user@host:80",
                                   "tcp:host/x:80",
                                   "unix:",
                                   "vsock:3",
                                   "vsock::8000",
                                   "vsock:3:",
                                   "vsock:-1:8000",
                                   "vsock:4294967296:1",
                                   "vsock:3:4294967295",
                                   "TCP:host:80",
                                   "http://host:80"}) {
        const auto endpoint = parse_endpoint(text);
        ASSERT_FALSE(endpoint) << text;
        EXPECT_EQ(endpoint.error().code, Code::Usage) << text;
    }
    EXPECT_TRUE(parse_endpoint("unix:" + std::string(107, 'x')));
    EXPECT_FALSE(parse_endpoint("unix:" + std::string(108, 'x')));
    EXPECT_FALSE(parse_endpoint(std::string("unix:/a\0b", 9)));
    EXPECT_FALSE(parse_endpoint("tcp:" + std::string(254, 'x') + ":1"));
}

TEST(Fd, closes_what_it_owns_and_nothing_else) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    {
        Fd a(ends[0]);
        Fd b(std::move(a));
        EXPECT_FALSE(a);
        EXPECT_EQ(b.get(), ends[0]);
        a = std::move(b);
        EXPECT_EQ(a.get(), ends[0]);
        EXPECT_NE(fcntl(ends[0], F_GETFD), -1);
        a = Fd();
        EXPECT_EQ(fcntl(ends[0], F_GETFD), -1);
        Fd c(ends[1]);
        EXPECT_EQ(c.release(), ends[1]);
    }
    EXPECT_NE(fcntl(ends[1], F_GETFD), -1);
    close(ends[1]);
}

void expect_bytes_pass(const Fd& listener, const Fd& client) {
    pollfd item{listener.get(), POLLIN, 0};
    ASSERT_EQ(poll(&item, 1, 5'000), 1);
    const Fd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(server);
    ASSERT_EQ(send(client.get(), "x", 1, MSG_NOSIGNAL), 1);
    char byte = 0;
    EXPECT_EQ(recv(server.get(), &byte, 1, 0), 1);
    EXPECT_EQ(byte, 'x');
}

TEST(Listening, on_tcp_port_zero_tells_the_real_port_and_accepts_there) {
    for (const char* text : {"tcp:127.0.0.1:0", "tcp:localhost:0"}) {
        const auto asked = *parse_endpoint(text);
        const auto listener = listen_on(asked);
        ASSERT_TRUE(listener) << listener.error().describe();
        EXPECT_NE(fcntl(listener->get(), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(fcntl(listener->get(), F_GETFD) & FD_CLOEXEC, 0);
        const auto real = local_endpoint(asked, *listener);
        ASSERT_TRUE(real);
        EXPECT_NE(real->port, 0u);
        EXPECT_EQ(real->host, "127.0.0.1");
        const auto client = connect_to(*real, 5'000);
        ASSERT_TRUE(client) << client.error().describe();
        EXPECT_NE(fcntl(client->get(), F_GETFL) & O_NONBLOCK, 0);
        expect_bytes_pass(*listener, *client);
    }
}

TEST(Listening, on_a_unix_path_makes_a_private_file_and_replaces_a_stale_one) {
    Endpoint endpoint;
    endpoint.path = temporary_path("unix.sock");
    const mode_t before = umask(0);
    { ASSERT_TRUE(listen_on(endpoint)); } // closed: the file stays
    ASSERT_TRUE(std::filesystem::exists(endpoint.path));
    const auto listener = listen_on(endpoint);
    umask(before);
    ASSERT_TRUE(listener) << listener.error().describe();
    struct stat info {};
    ASSERT_EQ(stat(endpoint.path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0600u);
    const auto client = connect_to(endpoint, 5'000);
    ASSERT_TRUE(client);
    expect_bytes_pass(*listener, *client);

    // Somebody listens there now: taking the path from him would be silent theft.
    const auto second = listen_on(endpoint);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::Io);
    EXPECT_TRUE(connect_to(endpoint, 5'000));
    std::filesystem::remove(endpoint.path);
}

TEST(Listening, never_removes_a_file_that_is_no_socket) {
    Endpoint endpoint;
    endpoint.path = temporary_path("file");
    std::ofstream(endpoint.path) << "precious";
    const auto listener = listen_on(endpoint);
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().code, Code::Io);
    EXPECT_EQ(std::filesystem::file_size(endpoint.path), 8u);
    std::filesystem::remove(endpoint.path);
}

TEST(Listening, on_a_name_or_a_used_port_is_refused) {
    EXPECT_EQ(listen_on(*parse_endpoint("tcp:example.org:0")).error().code, Code::Io);
    const auto asked = *parse_endpoint("tcp:127.0.0.1:0");
    const auto listener = listen_on(asked);
    EXPECT_EQ(listen_on(*local_endpoint(asked, *listener)).error().code, Code::Io);
}

TEST(Listening, on_a_reserved_port_works_again_and_again_and_for_nobody_else) {
    const auto reserved = reserve_port("127.0.0.1");
    ASSERT_TRUE(reserved);
    const auto endpoint = *parse_endpoint("tcp:127.0.0.1:" + std::to_string(reserved->port));
    for (int i = 0; i < 3; ++i) {
        const auto listener = listen_on(endpoint);
        ASSERT_TRUE(listener);
        EXPECT_TRUE(connect_to(endpoint, 5'000));
    }
    EXPECT_EQ(connect_to(endpoint, 5'000).error().code, Code::ConnectFailed) << "nobody listens now";
    std::vector<Fd> taken;
    for (int i = 0; i < 500; ++i) {
        auto other = listen_on(*parse_endpoint("tcp:127.0.0.1:0"));
        ASSERT_TRUE(other);
        EXPECT_NE(local_endpoint(endpoint, *other)->port, endpoint.port);
        taken.push_back(std::move(*other));
    }
    EXPECT_EQ(reserve_port("example.org").error().code, Code::Io);
}

TEST(Connecting, to_nobody_fails_at_once) {
    const auto reserved = reserve_port("127.0.0.1"); // bound, never listening
    ASSERT_TRUE(reserved);
    const auto real = *parse_endpoint("tcp:127.0.0.1:" + std::to_string(reserved->port));
    EXPECT_EQ(connect_to(real, 5'000).error().code, Code::ConnectFailed);
    Endpoint nowhere;
    nowhere.path = temporary_path("nowhere.sock");
    EXPECT_EQ(connect_to(nowhere, 5'000).error().code, Code::ConnectFailed);
    EXPECT_EQ(start_connect(nowhere).error().code, Code::ConnectFailed);
    EXPECT_EQ(start_connect(*parse_endpoint("tcp:localhost:1")).error().code, Code::ConnectFailed);
}

TEST(Connecting, to_a_unix_socket_with_a_full_queue_ends_with_the_deadline) {
    Endpoint endpoint;
    endpoint.path = temporary_path("full.sock");
    const auto listener = listen_on(endpoint, 0);
    ASSERT_TRUE(listener);
    std::vector<Fd> waiting;
    Result<Fd> last = connect_to(endpoint, 100);
    for (int i = 0; i < 10 && last; ++i) {
        waiting.push_back(std::move(*last));
        last = connect_to(endpoint, 100);
    }
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().code, Code::ConnectFailed);
    std::filesystem::remove(endpoint.path);
}

TEST(Connecting, without_waiting_is_decided_when_the_socket_is_writable) {
    const auto asked = *parse_endpoint("tcp:127.0.0.1:0");
    const auto listener = listen_on(asked);
    const auto real = *local_endpoint(asked, *listener);
    const auto client = start_connect(real);
    ASSERT_TRUE(client);
    pollfd item{client->get(), POLLOUT, 0};
    ASSERT_EQ(poll(&item, 1, 5'000), 1);
    EXPECT_TRUE(connect_result(*client));
    expect_bytes_pass(*listener, *client);

    Fd never(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect_result(never).error().code, Code::ConnectFailed);
}

} // namespace
} // namespace redoubt::net
