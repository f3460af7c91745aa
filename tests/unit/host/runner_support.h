// SPDX-License-Identifier: Apache-2.0
// What the tests of runners and watchdog share: a folder, a loop that no test holds for ever, and a socket
// that answers as an enclave does.
#pragma once

#include "net/event_loop.h"
#include "wire/message.h"

#include <atomic>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace redoubt::host::tests {

class Folder {
  public:
    Folder() {
        char name[] = "/tmp/redoubt-host-XXXXXX";
        path_ = mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }
    void write(const std::string& name, std::string_view text, bool program = false) const {
        std::ofstream(file(name), std::ios::binary) << text;
        if (program)
            chmod(file(name).c_str(), 0755);
    }
    std::string read(const std::string& name) const {
        std::ifstream in(file(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

  private:
    std::string path_;
};

// Runs the loop until the condition holds; false after the time limit.
inline bool run_until(net::EventLoop& loop, const std::function<bool()>& condition, int limit_ms = 20'000) {
    bool held = false;
    int left = limit_ms / 10;
    std::function<void()> look = [&] {
        held = condition();
        if (held || --left == 0)
            loop.stop();
        else
            loop.after(10, look);
    };
    loop.after(0, look);
    loop.run();
    return held;
}

// Answers Hello and Probe on a unix socket, on the test's own loop; `answering` false: it takes what comes
// and says nothing.
class FakeEnclave {
  public:
    FakeEnclave(net::EventLoop& loop, const std::string& path, std::string pcr0)
        : loop_(loop), pcr0_(std::move(pcr0)) {
        auto listener = net::listen_on(*net::parse_endpoint("unix:" + path));
        EXPECT_TRUE(listener) << listener.error().describe();
        listener_ = std::move(*listener);
        loop_.add(listener_.get(), EPOLLIN, [this](std::uint32_t) {
            net::Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!fd)
                return;
            auto peer = std::make_unique<Peer>();
            peer->fd = std::move(fd);
            Peer& kept = *peer;
            peers_.push_back(std::move(peer));
            loop_.add(kept.fd.get(), EPOLLIN, [this, &kept](std::uint32_t) { read(kept); });
        });
    }
    ~FakeEnclave() {
        loop_.remove(listener_.get());
        for (auto& peer : peers_)
            if (peer->fd)
                loop_.remove(peer->fd.get());
    }
    FakeEnclave(const FakeEnclave&) = delete;
    FakeEnclave& operator=(const FakeEnclave&) = delete;

    bool answering = true;
    std::size_t probes = 0;

  private:
    struct Peer {
        net::Fd fd;
        wire::FrameReader reader;
    };
    void read(Peer& peer) {
        const auto space = peer.reader.space();
        const ssize_t n = recv(peer.fd.get(), space.data(), space.size(), 0);
        if (n <= 0) {
            loop_.remove(peer.fd.get());
            peer.fd.reset();
            return;
        }
        peer.reader.commit(static_cast<std::size_t>(n));
        for (auto frame = peer.reader.next(); frame && *frame; frame = peer.reader.next()) {
            if (!answering)
                continue;
            wire::Reply reply;
            probes += (*frame)->kind == wire::Kind::Probe ? 1u : 0u;
            reply.body = (*frame)->kind == wire::Kind::Hello
                             ? R"({"image":"development","pcr0":")" + pcr0_ + R"("})"
                             : R"({"ok":true,"manifest_taken":true,"vaults_open":1})";
            Bytes out;
            const std::size_t at = wire::begin_frame(out, wire::Kind::Reply, (*frame)->id);
            wire::encode_reply(out, reply);
            wire::end_frame(out, at);
            (void)!send(peer.fd.get(), out.data(), out.size(), MSG_NOSIGNAL); // who asked may be gone
        }
    }
    net::EventLoop& loop_;
    std::string pcr0_;
    net::Fd listener_;
    std::vector<std::unique_ptr<Peer>> peers_;
};

} // namespace redoubt::host::tests
