// SPDX-License-Identifier: Apache-2.0
#include "host/vsock_bridge.h"

#include "base/log.h"
#include "runner_support.h"
#include "sockets_support.h"
#include "support/no_descriptors.h"

namespace redoubt::host::tests {

namespace {

// Plays the simulator's socket on a thread: answers each connection's first line with `answer`, then echoes.
class FakeGuest {
  public:
    FakeGuest(const std::string& path, std::string answer) : answer_(std::move(answer)) {
        auto listener = net::listen_on(*net::parse_endpoint("unix:" + path));
        EXPECT_TRUE(listener);
        listener_ = std::move(*listener);
        thread_ = std::thread([this] { serve(); });
    }
    ~FakeGuest() {
        stop_ = true;
        thread_.join();
    }
    std::vector<std::string> lines() {
        const std::lock_guard lock(mutex_);
        return lines_;
    }

  private:
    void serve() {
        std::vector<std::thread> peers;
        while (!stop_) {
            net::Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!fd) {
                usleep(2'000);
                continue;
            }
            peers.emplace_back([this, peer = std::move(fd)] {
                limit_waiting(peer.get(), 10);
                std::string line;
                while (line.size() < 64 && (line.empty() || line.back() != '\n')) {
                    const std::string next = receive(peer.get(), 1);
                    if (next.empty())
                        return;
                    line += next;
                }
                {
                    const std::lock_guard lock(mutex_);
                    lines_.push_back(line);
                }
                if (!send_all(peer.get(), answer_))
                    return;
                for (std::string byte; !(byte = receive(peer.get(), 1)).empty();)
                    if (!send_all(peer.get(), byte))
                        return;
            });
        }
        for (auto& peer : peers)
            peer.join();
    }
    std::string answer_;
    net::Fd listener_;
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::vector<std::string> lines_;
    std::thread thread_;
};

TEST(VsockBridge, passes_connections_on_to_the_guests_port_byte_for_byte) {
    Folder folder;
    net::EventLoop loop;
    FakeGuest guest(folder.file("vsock"), "OK 1073741824\nhello");
    {
        VsockBridge bridge(loop, folder.file("enclave"), folder.file("vsock"), 5000);
        ASSERT_TRUE(run_until(loop, [&] { return bridge.listening(); }));
        std::string got;
        std::thread client([&] {
            const net::Fd fd = connect_unix(folder.file("enclave"));
            EXPECT_TRUE(send_all(fd.get(), "abc"));
            got = receive(fd.get(), 8); // what the guest said right behind its answer is not lost
            loop.post([&] { loop.stop(); });
        });
        loop.run();
        client.join();
        EXPECT_EQ(got, "helloabc");
        EXPECT_EQ(guest.lines(), (std::vector<std::string>{"CONNECT 5000\n", "CONNECT 5000\n"}));
    }
    EXPECT_FALSE(std::filesystem::exists(folder.file("enclave")));
}

TEST(VsockBridge, does_not_listen_before_the_guest_answers) {
    Folder folder;
    net::EventLoop loop;
    VsockBridge bridge(loop, folder.file("enclave"), folder.file("vsock"), 5000);
    EXPECT_FALSE(run_until(
        loop, [&] { return bridge.listening(); }, 500));
    EXPECT_FALSE(std::filesystem::exists(folder.file("enclave")));
    FakeGuest guest(folder.file("vsock"), "OK 1\n");
    EXPECT_TRUE(run_until(loop, [&] { return bridge.listening(); }));
}

TEST(VsockBridge, lets_clients_wait_while_no_descriptor_is_left_and_serves_them_later) {
    set_log_level(LogLevel::Error);
    Folder folder;
    net::EventLoop loop;
    FakeGuest guest(folder.file("vsock"), "OK 1\nhello");
    VsockBridge bridge(loop, folder.file("enclave"), folder.file("vsock"), 5000);
    ASSERT_TRUE(run_until(loop, [&] { return bridge.listening(); }));
    const net::Fd client = connect_unix(folder.file("enclave"));
    {
        const redoubt::tests::NoDescriptors none;
        EXPECT_LT(redoubt::tests::busy_ms(loop, 400), 150);
    }
    std::string got;
    std::thread reader([&] {
        got = receive(client.get(), 5);
        loop.post([&] { loop.stop(); });
    });
    loop.run();
    reader.join();
    EXPECT_EQ(got, "hello");
    set_log_level(LogLevel::Info);
}

TEST(VsockBridge, takes_nothing_else_for_an_answer) {
    for (const std::string& answer :
         {std::string("NO 1\n"), std::string("OKAY\n"), std::string(1000, 'O'), std::string("\n")}) {
        Folder folder;
        net::EventLoop loop;
        FakeGuest guest(folder.file("vsock"), answer);
        VsockBridge bridge(loop, folder.file("enclave"), folder.file("vsock"), 5000);
        EXPECT_FALSE(run_until(
            loop, [&] { return bridge.listening(); }, 400))
            << answer;
    }
}

} // namespace

} // namespace redoubt::host::tests
