// SPDX-License-Identifier: Apache-2.0
// Closed-loop load on a JSON-RPC server over plain HTTP/1.1 with keep-alive: for peers that have no TLS. As
// cheap as can be, as it shares the processors with the server: requests are put together beforehand, and
// answers only copied while the clock runs.
//
//     plain_rpc_bench PORT BODIES CONNECTIONS SECONDS ANSWERS
//     BODIES: a request body a line, sent in turn to 127.0.0.1:PORT; ANSWERS: where the answers' bodies are
//     written, one a line
//
// Prints {"answers", "seconds", "per_s", "again"}: answers with status 200 in the window, after a second of
// warm-up; how often BODIES was begun again. Exit: 0; 1 where a connection ended, or an answer was another
// status.
#include "base/clock.h"
#include "net/endpoint.h"
#include "net/http.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace redoubt {
namespace {

constexpr std::int64_t kSecond = 1'000'000; // µs

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "plain_rpc_bench: %s\n", what.c_str());
    std::exit(1);
}

std::vector<std::string> requests_of(const std::string& file, const std::string& port) {
    std::ifstream in(file);
    std::vector<std::string> out;
    for (std::string body; std::getline(in, body);)
        out.push_back("POST / HTTP/1.1\r\nHost: 127.0.0.1:" + port +
                      "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                      "\r\n\r\n" + body);
    if (out.empty())
        die("there are no bodies in " + file);
    return out;
}

struct Connection {
    net::Fd fd;
    net::HttpParser parser{net::HttpParser::Kind::Response, {.body = std::size_t{64} << 20}};
};

class Loop {
  public:
    Loop(const std::string& port, std::vector<std::string> requests, std::size_t connections)
        : requests_(std::move(requests)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        const auto endpoint = net::parse_endpoint("tcp:127.0.0.1:" + port);
        if (!endpoint)
            die(endpoint.error().describe());
        for (std::size_t i = 0; i < connections; ++i) {
            auto fd = net::connect_to(*endpoint, 5'000);
            if (!fd)
                die(fd.error().describe());
            connections_.push_back(std::make_unique<Connection>(std::move(*fd)));
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.ptr = connections_.back().get();
            if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connections_.back()->fd.get(), &event) != 0)
                die("epoll_ctl failed");
        }
    }

    void run(std::int64_t seconds) {
        for (const auto& connection : connections_)
            ask(*connection);
        from_ = monotonic_us() + kSecond;
        until_ = from_ + seconds * kSecond;
        while (monotonic_us() < until_) {
            epoll_event events[64];
            const int n = epoll_wait(epoll_.get(), events, 64, 100);
            for (int i = 0; i < n; ++i)
                ready(*static_cast<Connection*>(events[i].data.ptr));
        }
        std::printf("{\"answers\":%zu,\"seconds\":%lld,\"per_s\":%.1f,\"again\":%zu}\n", answers_.size(),
                    static_cast<long long>(seconds),
                    static_cast<double>(answers_.size()) / static_cast<double>(seconds),
                    asked_ / requests_.size());
    }

    void write_answers(const std::string& file) const {
        std::ofstream out(file, std::ios::binary);
        for (const auto& body : answers_)
            out << as_text(body) << '\n';
        if (!out.flush())
            die("cannot write " + file);
    }

  private:
    void ask(Connection& connection) {
        const std::string& request = requests_[asked_++ % requests_.size()];
        for (std::size_t at = 0; at < request.size();) {
            const ssize_t n =
                send(connection.fd.get(), request.data() + at, request.size() - at, MSG_NOSIGNAL);
            if (n > 0)
                at += static_cast<std::size_t>(n);
            else if (errno != EAGAIN)
                die("a connection broke");
        }
    }

    void ready(Connection& connection) {
        std::uint8_t buffer[64 * 1024];
        const ssize_t n = recv(connection.fd.get(), buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("the server ended a connection");
        const auto used = connection.parser.feed(ByteView(buffer, static_cast<std::size_t>(n)));
        if (!used || *used != static_cast<std::size_t>(n))
            die("what came is not one answer to one request");
        if (!connection.parser.done())
            return;
        net::HttpResponse response = connection.parser.take_response();
        if (response.status != 200)
            die("an answer has status " + std::to_string(response.status));
        const std::int64_t now = monotonic_us();
        if (now >= from_ && now < until_)
            answers_.push_back(std::move(response.body));
        ask(connection);
    }

    std::vector<std::string> requests_;
    net::Fd epoll_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<Bytes> answers_; // in the window
    std::size_t asked_ = 0;
    std::int64_t from_ = 0, until_ = 0;
};

} // namespace
} // namespace redoubt

int main(int argc, char** argv) {
    const long connections = argc == 6 ? std::atol(argv[3]) : 0, seconds = argc == 6 ? std::atol(argv[4]) : 0;
    if (connections <= 0 || connections > 1'000 || seconds <= 0) {
        std::fputs("plain_rpc_bench PORT BODIES CONNECTIONS SECONDS ANSWERS\n", stderr);
        return 2;
    }
    redoubt::Loop loop(argv[1], redoubt::requests_of(argv[2], argv[1]),
                       static_cast<std::size_t>(connections));
    loop.run(seconds);
    loop.write_answers(argv[5]);
    return 0;
}
