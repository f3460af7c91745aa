// SPDX-License-Identifier: Apache-2.0
#include "gateway/enclave_link.h"
#include "support.h"

#include <future>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace redoubt::gateway {
namespace {

constexpr std::size_t kFrames = 40; // more than are sent before a turn's end

// The other side of one connection, on a thread of its own.
class Peer {
  public:
    Peer(const std::string& path, std::function<void(const net::Fd&)> serve)
        : listener_(*net::listen_on(*net::parse_endpoint("unix:" + path))),
          thread_([this, serve = std::move(serve)] {
              pollfd waiting{listener_.get(), POLLIN, 0}; // a listener does not wait by itself
              EXPECT_EQ(poll(&waiting, 1, 10'000), 1);
              const net::Fd connection(accept(listener_.get(), nullptr, nullptr));
              serve(connection);
          }) {}
    ~Peer() { thread_.join(); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

  private:
    net::Fd listener_;
    std::thread thread_;
};

// As many bytes as tell whose they are, and together more than a socket takes.
Bytes payload_of(std::size_t number) {
    Bytes out(50'000 + number, static_cast<std::uint8_t>(number));
    out.back() = 0xff;
    return out;
}

void reply(const net::Fd& connection, std::uint64_t id) {
    wire::Reply reply;
    reply.body = std::to_string(id);
    Bytes out;
    const std::size_t at = wire::begin_frame(out, wire::Kind::Reply, id);
    wire::encode_reply(out, reply);
    wire::end_frame(out, at);
    ASSERT_EQ(send(connection.get(), out.data(), out.size(), MSG_NOSIGNAL), static_cast<ssize_t>(out.size()));
}

TEST(EnclaveLink, what_is_sent_in_one_turn_arrives_whole_and_in_order_also_where_the_socket_is_full) {
    const tests::Folder folder;
    const std::string path = folder.file("enclave");
    std::vector<std::uint64_t> ids;
    std::size_t whole = 0;
    Peer peer(path, [&](const net::Fd& connection) {
        wire::FrameReader reader;
        while (ids.size() < kFrames) {
            const auto space = reader.space();
            const ssize_t n = recv(connection.get(), space.data(), space.size(), 0);
            ASSERT_GT(n, 0);
            reader.commit(static_cast<std::size_t>(n));
            for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
                whole += to_bytes((*frame)->payload) == payload_of(ids.size()) ? 1U : 0U;
                ids.push_back((*frame)->id);
            }
        }
        for (std::size_t i = kFrames; i-- > 0;) // replies may overtake
            reply(connection, ids[i]);
    });
    net::EventLoop loop;
    std::vector<std::string> answers(kFrames);
    std::size_t answered = 0;
    std::shared_ptr<EnclaveLink> link;
    const auto opened = [&] {
        for (std::size_t i = 0; i < kFrames; ++i)
            link->send(
                wire::Kind::Request, [&](Bytes& out) { append(out, payload_of(i)); },
                [&, i](Result<wire::Reply> got) {
                    answers[i] = got ? got->body : std::string("failed");
                    if (++answered == kFrames)
                        loop.stop();
                });
    };
    link = std::make_shared<EnclaveLink>(loop, *net::parse_endpoint("unix:" + path),
                                         EnclaveLink::Events{opened, [] {}}, 100);
    link->start();
    loop.run();
    link->stop();
    EXPECT_EQ(whole, kFrames);
    ASSERT_EQ(ids.size(), kFrames);
    for (std::size_t i = 0; i < kFrames; ++i) {
        EXPECT_EQ(ids[i], ids[0] + i);
        EXPECT_EQ(answers[i], std::to_string(ids[i]));
    }
}

TEST(EnclaveLink, a_connection_that_breaks_within_a_turn_fails_each_request_once_and_not_from_within_send) {
    const tests::Folder folder;
    const std::string path = folder.file("enclave");
    std::promise<void> closed;
    Peer peer(path, [&](const net::Fd& connection) {
        ::shutdown(connection.get(), SHUT_RDWR);
        closed.set_value();
    });
    net::EventLoop loop;
    std::vector<int> failed(kFrames);
    std::size_t within = 0, answered = 0;
    bool sending = false;
    std::shared_ptr<EnclaveLink> link;
    const auto opened = [&] {
        if (answered != 0)
            return;
        closed.get_future().wait();
        for (std::size_t i = 0; i < kFrames; ++i) {
            sending = true;
            link->send(
                wire::Kind::Request, [&](Bytes& out) { append(out, payload_of(i)); },
                [&, i](const Result<wire::Reply>& got) {
                    within += sending ? 1U : 0U;
                    failed[i] += !got && got.error().code == Code::EnclaveUnavailable ? 1 : 100;
                    if (++answered == kFrames)
                        loop.stop();
                });
            sending = false;
        }
    };
    link = std::make_shared<EnclaveLink>(loop, *net::parse_endpoint("unix:" + path),
                                         EnclaveLink::Events{opened, [] {}}, 100);
    link->start();
    loop.run();
    link->stop();
    EXPECT_EQ(within, 0u);
    EXPECT_EQ(failed, std::vector<int>(kFrames, 1));
}

} // namespace
} // namespace redoubt::gateway
