// SPDX-License-Identifier: Apache-2.0
// The enclave's server on a unix socket, with frames of any kind.
#include "enclave/server.h"
#include "net/tls.h"
#include "nitro/software_nsm.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace redoubt::enclave {
namespace {

class Running {
  public:
    Running() {
        static const auto root = *nitro::make_development_root();
        static const auto authority = *net::make_certificate_authority("server tests");
        nitro::SoftwareNsmOptions nsm;
        nsm.pcrs[0].fill(1);
        Options options;
        options.image = Image::Development;
        options.tls_roots_pem = authority.certificate;
        options.kms_proxies[""] = *net::parse_endpoint("unix:/nonexistent/kms.sock");
        enclave_ = *Enclave::create(*nitro::make_software_nsm(root, nsm), options);
        std::string name = (std::filesystem::temp_directory_path() / "redoubt-srv-XXXXXX").string();
        folder_ = mkdtemp(name.data());
        endpoint_ = *net::parse_endpoint("unix:" + folder_ + "/s");
        ServerOptions server;
        server.listener = *net::listen_on(endpoint_);
        server.signers = 2;
        stop_ = net::Fd(eventfd(0, EFD_CLOEXEC));
        thread_ = std::thread([this, server = std::move(server)]() mutable {
            serve(*enclave_, std::move(server), stop_.get());
        });
    }
    ~Running() {
        stop();
        std::filesystem::remove_all(folder_);
    }
    void stop() {
        if (!thread_.joinable())
            return;
        const std::uint64_t one = 1;
        (void)!write(stop_.get(), &one, sizeof one);
        thread_.join();
    }
    net::Fd connect() const { return *net::connect_to(endpoint_, 2'000); }

  private:
    std::unique_ptr<Enclave> enclave_;
    std::string folder_;
    net::Endpoint endpoint_;
    net::Fd stop_;
    std::thread thread_;
};

Bytes frame(wire::Kind kind, std::uint64_t id, ByteView payload = {}) {
    Bytes out;
    const std::size_t at = wire::begin_frame(out, kind, id);
    append(out, payload);
    wire::end_frame(out, at);
    return out;
}

bool send_all(const net::Fd& fd, ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t n = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
            continue;
        }
        pollfd waiting{fd.get(), POLLOUT, 0};
        if (n == 0 || (errno != EAGAIN && errno != EINTR) || poll(&waiting, 1, 2'000) <= 0)
            return false;
    }
    return true;
}

// The next reply, or nullopt when the connection ended.
std::optional<std::pair<std::uint64_t, wire::Reply>> receive(const net::Fd& fd, wire::FrameReader& reader) {
    for (;;) {
        const auto next = reader.next();
        if (!next)
            return std::nullopt;
        if (*next) {
            auto reply = wire::decode_reply((*next)->payload);
            if (!reply)
                return std::nullopt;
            return std::pair{(*next)->id, std::move(*reply)};
        }
        pollfd waiting{fd.get(), POLLIN, 0};
        if (poll(&waiting, 1, 5'000) <= 0)
            return std::nullopt;
        const auto space = reader.space();
        const ssize_t n = recv(fd.get(), space.data(), space.size(), 0);
        if (n <= 0)
            return std::nullopt;
        reader.commit(static_cast<std::size_t>(n));
    }
}

TEST(EnclaveServer, answers_pipelined_frames_of_several_connections) {
    Running server;
    std::vector<net::Fd> connections;
    for (int i = 0; i < 8; ++i)
        connections.push_back(server.connect());
    for (const auto& fd : connections) {
        Bytes all;
        for (std::uint64_t id = 1; id <= 100; ++id)
            append(all, frame(id % 10 == 0 ? wire::Kind::Hello : wire::Kind::Probe, id));
        ASSERT_TRUE(send_all(fd, all));
    }
    for (const auto& fd : connections) {
        wire::FrameReader reader;
        std::vector<bool> seen(101);
        for (int i = 0; i < 100; ++i) {
            const auto reply = receive(fd, reader);
            ASSERT_TRUE(reply);
            EXPECT_EQ(reply->second.status, 200);
            EXPECT_FALSE(seen[reply->first]) << "one answer a request";
            seen[reply->first] = true;
        }
    }
}

TEST(EnclaveServer, takes_a_frame_that_comes_byte_by_byte) {
    Running server;
    const auto fd = server.connect();
    for (const auto byte : frame(wire::Kind::Probe, 7)) {
        ASSERT_TRUE(send_all(fd, ByteView(&byte, 1)));
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    wire::FrameReader reader;
    const auto reply = receive(fd, reader);
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->first, 7u);
}

TEST(EnclaveServer, closes_a_connection_that_sends_no_frames_and_serves_the_others) {
    Running server;
    const auto good = server.connect();
    for (const Bytes& bad :
         {Bytes(64, 0xff), Bytes{0, 0, 0, 1, 2}, Bytes{0, 0, 0, 9, 99, 0, 0, 0, 0, 0, 0, 0, 1}}) {
        const auto fd = server.connect();
        ASSERT_TRUE(send_all(fd, bad));
        wire::FrameReader reader;
        EXPECT_FALSE(receive(fd, reader));
    }
    ASSERT_TRUE(send_all(good, frame(wire::Kind::Probe, 1)));
    wire::FrameReader reader;
    EXPECT_TRUE(receive(good, reader));
}

TEST(EnclaveServer, refuses_payloads_that_are_no_message_with_a_code) {
    Running server;
    const auto fd = server.connect();
    wire::FrameReader reader;
    std::uint64_t id = 0;
    for (const auto kind : {wire::Kind::Manifest, wire::Kind::Credentials, wire::Kind::VaultOpen,
                            wire::Kind::Request, wire::Kind::Reply})
        for (const Bytes& payload : {Bytes{}, Bytes(1, 0), Bytes(100, 0xff), Bytes(1000, '{')}) {
            ASSERT_TRUE(send_all(fd, frame(kind, ++id, payload)));
            const auto reply = receive(fd, reader);
            ASSERT_TRUE(reply) << id;
            EXPECT_GE(reply->second.status, 400) << id << reply->second.body;
        }
}

TEST(EnclaveServer, a_peer_that_does_not_read_delays_nobody_and_costs_bounded_memory) {
    Running server;
    const auto greedy = server.connect();
    const int small = 4096;
    (void)setsockopt(greedy.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    std::atomic<bool> running{true};
    std::thread flood([&] {
        Bytes many;
        for (int i = 0; i < 1000; ++i)
            append(many, frame(wire::Kind::Probe, 1));
        for (int i = 0; i < 50 && running; ++i)
            if (!send_all(greedy, many))
                break; // its frames are not read any more: that is the bound
    });
    const auto fd = server.connect();
    wire::FrameReader reader;
    for (std::uint64_t id = 1; id <= 20; ++id) {
        ASSERT_TRUE(send_all(fd, frame(wire::Kind::Probe, id)));
        ASSERT_TRUE(receive(fd, reader));
    }
    running = false;
    (void)shutdown(greedy.get(), SHUT_RDWR);
    flood.join();
}

TEST(EnclaveServer, stops_while_work_waits_and_connections_are_open) {
    Running server;
    std::vector<net::Fd> connections;
    for (int i = 0; i < 4; ++i) {
        connections.push_back(server.connect());
        Bytes many;
        for (std::uint64_t id = 1; id <= 50; ++id)
            append(many, frame(wire::Kind::Hello, id)); // each waits for a worker
        ASSERT_TRUE(send_all(connections.back(), many));
    }
    server.stop();
}

} // namespace
} // namespace redoubt::enclave
