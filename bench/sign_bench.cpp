// SPDX-License-Identifier: Apache-2.0
// Signatures a second and latency over HTTPS, closed loop, beside raw libsecp256k1 in the same run. Every
// signature that was counted is recorded and verified after the timed window. The load generator runs on the
// same machine's cores.
#include "base/clock.h"
#include "base/json.h"
#include "ethereum/transaction.h"
#include "net/event_loop.h"
#include "net/http_client.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/epoll.h>
#include <thread>

namespace redoubt {
namespace {

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "sign_bench: %s\n", what.c_str());
    std::exit(1);
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        die("cannot read " + path);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Target {
    net::Url url;
    std::string ca, key_id, address;
};

Target read_target(const std::string& path) {
    const std::string text = read_file(path);
    json::Document document;
    const auto root = document.parse(text);
    if (!root)
        die("the ready file is not JSON");
    Target target;
    target.url = *net::parse_url(root->get("gateway")->text());
    target.ca = read_file(std::string(root->get("ca_cert")->text()));
    target.key_id = std::string(root->get("key_id")->text());
    target.address = std::string(root->get("address")->text());
    return target;
}

// The limit: recoverable signatures by libsecp256k1 alone, one key, fresh digests, on `threads` threads.
double raw_rate(int threads, int ms, bool verify) {
    std::atomic<std::uint64_t> total{0};
    std::vector<std::thread> pool;
    const std::int64_t started = monotonic_us();
    for (int t = 0; t < threads; ++t)
        pool.emplace_back([&, t] {
            const crypto::Secp256k1 curve(Hash32{1});
            Secret key(32);
            key.mutable_view(SecretAccess("a benchmark's key"))[31] = static_cast<std::uint8_t>(t + 1);
            const auto public_key = *curve.public_key(key);
            Hash32 digest{};
            std::uint64_t n = 0;
            const std::int64_t until = monotonic_us() + std::int64_t{1000} * ms;
            while (monotonic_us() < until)
                for (int i = 0; i < 50; ++i, ++n) {
                    for (std::size_t k = 0; k < 8; ++k)
                        digest[k] = static_cast<std::uint8_t>(n >> (8 * k));
                    const auto signature = curve.sign(key, digest);
                    if (!signature || (verify && !curve.verify(public_key, digest, *signature)))
                        die("a raw signature is wrong");
                }
            total += n;
        });
    for (auto& thread : pool)
        thread.join();
    return static_cast<double>(total) * 1e6 / static_cast<double>(monotonic_us() - started);
}

struct Sample {
    std::int64_t microseconds;
    std::string raw_transaction;
};

// One keep-alive connection: sends a request, waits for its answer, sends the next.
class Client {
  public:
    Client(net::EventLoop& loop, const Target& target, net::Stream stream, std::uint64_t first_nonce,
           std::vector<Sample>& samples, const std::int64_t& from, const std::int64_t& until)
        : loop_(loop), target_(target), stream_(std::move(stream)), nonce_(first_nonce), samples_(samples),
          from_(from), until_(until) {}

    void start() {
        loop_.add(stream_.fd(), EPOLLIN, [this](std::uint32_t) { ready(); });
        send();
    }
    bool stopped() const noexcept { return stopped_; }

  private:
    void send() {
        const std::string body =
            R"({"transaction":{"type":"0x2","chainId":1,"nonce":)" + std::to_string(nonce_++) +
            R"(,"gas":21000,"maxFeePerGas":"3000000000","maxPriorityFeePerGas":"1000000000","to":"0x2c7536e3605d9c16a7a3d7b1898e529396a65c23","value":"1000000000000000"}})";
        const std::string text =
            "POST /v1/keys/" + target_.key_id +
            "/sign-transaction HTTP/1.1\r\nHost: " + target_.url.authority() +
            "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
            "\r\n\r\n" + body;
        started_ = monotonic_us();
        ByteView rest = as_bytes(text);
        while (!rest.empty()) {
            std::size_t n = 0;
            const net::Io io = stream_.write(rest, n);
            if (io == net::Io::Done)
                rest = rest.subspan(n);
            else if (io != net::Io::WantWrite && io != net::Io::WantRead)
                die("a connection broke");
        }
    }

    void ready() {
        std::uint8_t buffer[16 * 1024];
        for (;;) {
            std::size_t n = 0;
            const net::Io io = stream_.read(buffer, n);
            if (io == net::Io::WantRead)
                return;
            if (io != net::Io::Done)
                die("a connection broke");
            const auto used = parser_.feed(ByteView(buffer, n));
            if (!used || *used != n)
                die("an answer is malformed");
            if (parser_.done()) {
                answered();
                if (stopped_)
                    return;
            }
        }
    }

    void answered() {
        const std::int64_t now = monotonic_us();
        const net::HttpResponse response = parser_.take_response();
        if (response.status != 200)
            die("HTTP " + std::to_string(response.status) + " " + std::string(as_text(response.body)));
        constexpr std::string_view kMember = R"("raw_transaction":")";
        const std::string_view body = as_text(response.body);
        const std::size_t at = body.find(kMember);
        if (at == std::string_view::npos)
            die("an answer has no raw_transaction");
        const std::size_t begin = at + kMember.size();
        if (now >= from_ && now < until_)
            samples_.push_back(
                {now - started_, std::string(body.substr(begin, body.find('"', begin) - begin))});
        if (now >= until_) {
            stopped_ = true;
            loop_.remove(stream_.fd());
            return;
        }
        send();
    }

    net::EventLoop& loop_;
    const Target& target_;
    net::Stream stream_;
    net::HttpParser parser_{net::HttpParser::Kind::Response};
    std::uint64_t nonce_;
    std::vector<Sample>& samples_;
    const std::int64_t& from_;
    const std::int64_t& until_;
    std::int64_t started_ = 0;
    bool stopped_ = false;
};

net::Stream connect(const Target& target, const net::TlsContext& tls) {
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = target.url.host;
    endpoint.port = target.url.port;
    auto fd = net::connect_to(endpoint, 5000);
    if (!fd)
        die(fd.error().describe());
    auto stream = net::Stream::tls_client(tls, std::move(*fd), target.url.host);
    if (!stream)
        die(stream.error().describe());
    for (;;) {
        const net::Io io = stream->handshake();
        if (io == net::Io::Done)
            return std::move(*stream);
        if (io != net::Io::WantRead && io != net::Io::WantWrite)
            die("TLS handshake: " + stream->failure());
        pollfd waiting{stream->fd(), static_cast<short>(io == net::Io::WantRead ? POLLIN : POLLOUT), 0};
        (void)poll(&waiting, 1, 5000);
    }
}

struct Row {
    int connections;
    double rate;
    std::int64_t p50, p99, most;
    std::size_t verified;
};

void verify(const std::vector<Sample>& samples, const Target& target) {
    const crypto::Secp256k1 curve(Hash32{1});
    const auto wanted = ethereum::parse_address(target.address);
    for (const auto& sample : samples) {
        const auto raw = from_hex0x(sample.raw_transaction);
        const auto parsed =
            raw ? ethereum::parse_signed_transaction(*raw) : fail(Code::BadTransaction, "no hex");
        if (!parsed)
            die("a recorded transaction does not parse");
        const auto key = curve.recover(ethereum::signing_hash(parsed->transaction), parsed->signature);
        if (!key || ethereum::address_of(*key) != *wanted)
            die("a recorded signature is not the key's");
    }
}

Row measure(const Target& target, const net::TlsContext& tls, int connections, int seconds) {
    net::EventLoop loop;
    std::vector<Sample> samples;
    std::int64_t from = 0, until = 0;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < connections; ++i)
        clients.push_back(std::make_unique<Client>(loop, target, connect(target, tls),
                                                   static_cast<std::uint64_t>(i) * 10'000'000u, samples, from,
                                                   until));
    from = monotonic_us() + 1'000'000; // warm-up
    until = from + std::int64_t{1'000'000} * seconds;
    for (auto& client : clients)
        client->start();
    std::function<void()> check = [&] {
        if (std::all_of(clients.begin(), clients.end(), [](const auto& client) { return client->stopped(); }))
            loop.stop();
        else
            loop.after(20, check);
    };
    loop.after(20, check);
    loop.run();
    std::vector<std::int64_t> times;
    for (const auto& sample : samples)
        times.push_back(sample.microseconds);
    std::sort(times.begin(), times.end());
    if (times.empty())
        die("nothing was signed");
    verify(samples, target);
    return {connections,
            static_cast<double>(samples.size()) / seconds,
            times[times.size() / 2],
            times[times.size() * 99 / 100],
            times.back(),
            samples.size()};
}

} // namespace
} // namespace redoubt

int main(int argc, char** argv) {
    using namespace redoubt;
    std::string ready_file;
    int seconds = 5;
    bool json = false;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--json")
            json = true;
        else if (name == "--ready-file" && i + 1 < argc)
            ready_file = argv[++i];
        else if (name == "--seconds" && i + 1 < argc)
            seconds = std::max(1, std::atoi(argv[++i]));
        else
            die("usage: sign_bench --ready-file FILE [--seconds N] [--json]");
    }
    const Target target = read_target(ready_file);
    const auto tls = net::TlsContext::client(target.ca, {"http/1.1"});
    if (!tls)
        die(tls.error().describe());
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    const double sign = raw_rate(cores, 2000, false);
    const double sign_verify = raw_rate(cores, 2000, true);
    std::vector<Row> rows;
    for (const int connections : {1, 16, 64})
        rows.push_back(measure(target, *tls, connections, seconds));
    const double sign_after = raw_rate(cores, 2000, false);
    const double raw = (sign + sign_after) / 2;

    if (json) {
        std::printf("{\"cores\":%d,\"raw_sign\":%.0f,\"raw_sign_verify\":%.0f,\"rows\":[", cores, raw,
                    sign_verify);
        for (std::size_t i = 0; i < rows.size(); ++i)
            std::printf("%s{\"connections\":%d,\"signatures_per_second\":%.0f,\"p50_us\":%lld,\"p99_us\":%"
                        "lld,\"max_us\":%lld,"
                        "\"verified\":%zu,\"of_raw_sign\":%.3f,\"of_raw_sign_verify\":%.3f}",
                        i ? "," : "", rows[i].connections, rows[i].rate, static_cast<long long>(rows[i].p50),
                        static_cast<long long>(rows[i].p99), static_cast<long long>(rows[i].most),
                        rows[i].verified, rows[i].rate / raw, rows[i].rate / sign_verify);
        std::printf("]}\n");
        return 0;
    }
    std::printf("raw libsecp256k1 on %d cores: %.0f sign/s (before %.0f, after %.0f), %.0f sign+verify/s\n",
                cores, raw, sign, sign_after, sign_verify);
    std::printf("HTTPS, HTTP/1.1 keep-alive, closed loop, load generator on the same cores, verification "
                "before release on:\n");
    std::printf("connections  signatures/s   of raw sign  of raw sign+verify    p50 us    p99 us    max us  "
                "verified\n");
    for (const auto& row : rows)
        std::printf("%11d  %12.0f  %11.1f%%  %17.1f%%  %8lld  %8lld  %8lld  %8zu\n", row.connections,
                    row.rate, 100 * row.rate / raw, 100 * row.rate / sign_verify,
                    static_cast<long long>(row.p50), static_cast<long long>(row.p99),
                    static_cast<long long>(row.most), row.verified);
    return 0;
}
