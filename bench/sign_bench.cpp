// SPDX-License-Identifier: Apache-2.0
// Signatures a second and latency over HTTPS, closed loop, beside raw libsecp256k1 in the same run. Every
// signature that was counted is recorded and verified after the timed window. The load generator runs on the
// same machine's cores. With --keys N it creates N keys first, and measures signing with uniformly random
// ones of them beside signing with one key all the time, and the enclave's memory.
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
#include <optional>
#include <poll.h>
#include <random>
#include <string>
#include <sys/epoll.h>
#include <thread>
#include <unistd.h>

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

struct Key {
    std::string id;
    ByteArray<20> address;
};

struct Target {
    net::Url url;
    std::string ca;
    Key hot;
    std::vector<long> enclaves; // process ids
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
    target.hot = {std::string(root->get("key_id")->text()),
                  *ethereum::parse_address(root->get("address")->text())};
    const auto pids = root->get("pids")->get("enclaves");
    for (const auto pid : *pids)
        target.enclaves.push_back(std::atol(std::string(pid.text()).c_str()));
    return target;
}

// Resident memory of all enclaves, MiB.
long enclave_memory(const Target& target) {
    long pages = 0;
    for (const long pid : target.enclaves) {
        std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
        long size = 0, resident = 0;
        if (!(statm >> size >> resident))
            die("an enclave's memory cannot be read");
        pages += resident;
    }
    return pages * sysconf(_SC_PAGESIZE) / (1 << 20);
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

// What a connection sends, and what becomes of the answers. Called on the loop's thread.
struct Work {
    virtual ~Work() = default;
    struct Request {
        std::string target, body;
        std::size_t tag = 0;
    };
    virtual std::optional<Request> next() = 0; // nullopt: the connection is done
    virtual void answered(std::size_t tag, std::string_view body, std::int64_t microseconds) = 0;
};

std::string_view member_of(std::string_view body, std::string_view name) {
    const std::size_t at = body.find("\"" + std::string(name) + "\":\"");
    if (at == std::string_view::npos)
        die("an answer lacks " + std::string(name));
    const std::size_t begin = at + name.size() + 4;
    return body.substr(begin, body.find('"', begin) - begin);
}

struct Creation final : Work {
    explicit Creation(std::size_t count) : wanted(count) {}
    std::optional<Request> next() override {
        if (asked == wanted)
            return std::nullopt;
        ++asked;
        return Request{"/v1/keys", "{}", 0};
    }
    void answered(std::size_t, std::string_view body, std::int64_t) override {
        keys.push_back(
            {std::string(member_of(body, "key_id")), *ethereum::parse_address(member_of(body, "address"))});
        if (keys.size() % 10'000 == 0 && isatty(STDERR_FILENO) != 0)
            std::fprintf(stderr, "\rcreated %zu of %zu keys", keys.size(), wanted);
        if (keys.size() == wanted && isatty(STDERR_FILENO) != 0)
            std::fputc('\n', stderr);
    }
    std::size_t wanted, asked = 0;
    std::vector<Key> keys;
};

struct Sample {
    std::int64_t microseconds;
    std::size_t key;
    std::string raw_transaction;
};

struct Signing final : Work {
    explicit Signing(const std::vector<Key>& of) : keys(of), pick(0, of.size() - 1) {}
    std::optional<Request> next() override {
        if (monotonic_us() >= until)
            return std::nullopt;
        const std::size_t key = pick(random);
        return Request{
            "/v1/keys/" + keys[key].id + "/sign-transaction",
            R"({"transaction":{"type":"0x2","chainId":1,"nonce":)" + std::to_string(nonce++) +
                R"(,"gas":21000,"maxFeePerGas":"3000000000","maxPriorityFeePerGas":"1000000000","to":"0x2c7536e3605d9c16a7a3d7b1898e529396a65c23","value":"1000000000000000"}})",
            key};
    }
    void answered(std::size_t key, std::string_view body, std::int64_t microseconds) override {
        const std::int64_t now = monotonic_us();
        if (now >= from && now < until)
            samples.push_back({microseconds, key, std::string(member_of(body, "raw_transaction"))});
    }
    const std::vector<Key>& keys;
    std::mt19937_64 random{1};
    std::uniform_int_distribution<std::size_t> pick;
    std::uint64_t nonce = 0;
    std::int64_t from = 0, until = 0;
    std::vector<Sample> samples;
};

// One keep-alive connection: sends a request, waits for its answer, sends the next.
class Client {
  public:
    Client(net::EventLoop& loop, const Target& target, net::Stream stream, Work& work)
        : loop_(loop), target_(target), stream_(std::move(stream)), work_(work) {}

    void start() {
        loop_.add(stream_.fd(), EPOLLIN, [this](std::uint32_t) { ready(); });
        send();
    }
    bool stopped() const noexcept { return stopped_; }

  private:
    void send() {
        const auto request = work_.next();
        if (!request) {
            stopped_ = true;
            loop_.remove(stream_.fd());
            return;
        }
        tag_ = request->tag;
        const std::string text =
            "POST " + request->target + " HTTP/1.1\r\nHost: " + target_.url.authority() +
            "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(request->body.size()) +
            "\r\n\r\n" + request->body;
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
        while (!stopped_) {
            std::size_t n = 0;
            const net::Io io = stream_.read(buffer, n);
            if (io == net::Io::WantRead)
                return;
            if (io != net::Io::Done)
                die("a connection broke");
            const auto used = parser_.feed(ByteView(buffer, n));
            if (!used || *used != n)
                die("an answer is malformed");
            if (!parser_.done())
                continue;
            const std::int64_t took = monotonic_us() - started_;
            const net::HttpResponse response = parser_.take_response();
            if (response.status != 200 && response.status != 201)
                die("HTTP " + std::to_string(response.status) + " " + std::string(as_text(response.body)));
            work_.answered(tag_, as_text(response.body), took);
            send();
        }
    }

    net::EventLoop& loop_;
    const Target& target_;
    net::Stream stream_;
    Work& work_;
    net::HttpParser parser_{net::HttpParser::Kind::Response};
    std::size_t tag_ = 0;
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
    std::string what;
    int connections;
    double rate;
    std::int64_t p50, p99, most;
    std::size_t verified;
    long memory;
};

void verify(const std::vector<Sample>& samples, const std::vector<Key>& keys) {
    const crypto::Secp256k1 curve(Hash32{1});
    for (const auto& sample : samples) {
        const auto raw = from_hex0x(sample.raw_transaction);
        const auto parsed =
            raw ? ethereum::parse_signed_transaction(*raw) : fail(Code::BadTransaction, "no hex");
        if (!parsed)
            die("a recorded transaction does not parse");
        const auto key = curve.recover(ethereum::signing_hash(parsed->transaction), parsed->signature);
        if (!key || ethereum::address_of(*key) != keys[sample.key].address)
            die("a recorded signature is not the key's");
    }
}

// Runs the work on so many connections until each is done. `begin` is called when all are connected.
void run(const Target& target, const net::TlsContext& tls, int connections, Work& work,
         const std::function<void()>& begin) {
    net::EventLoop loop;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < connections; ++i)
        clients.push_back(std::make_unique<Client>(loop, target, connect(target, tls), work));
    begin();
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
}

Row measure(const std::string& what, const Target& target, const net::TlsContext& tls,
            const std::vector<Key>& keys, int connections, int seconds) {
    Signing work(keys);
    run(target, tls, connections, work, [&] {
        work.from = monotonic_us() + 1'000'000; // warm-up
        work.until = work.from + std::int64_t{1'000'000} * seconds;
    });
    std::vector<std::int64_t> times;
    for (const auto& sample : work.samples)
        times.push_back(sample.microseconds);
    std::sort(times.begin(), times.end());
    if (times.empty())
        die("nothing was signed");
    const long memory = enclave_memory(target);
    verify(work.samples, keys);
    return {what,
            connections,
            static_cast<double>(times.size()) / seconds,
            times[times.size() / 2],
            times[times.size() * 99 / 100],
            times.back(),
            times.size(),
            memory};
}

std::vector<Key> create(const Target& target, const net::TlsContext& tls, std::size_t count, double& rate) {
    Creation work(count);
    std::int64_t started = 0;
    run(target, tls, 64, work, [&] { started = monotonic_us(); });
    rate = static_cast<double>(count) * 1e6 / static_cast<double>(monotonic_us() - started);
    return std::move(work.keys);
}

} // namespace
} // namespace redoubt

int main(int argc, char** argv) {
    using namespace redoubt;
    std::string ready_file;
    int seconds = 5;
    std::size_t count = 0;
    bool json = false;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--json")
            json = true;
        else if (name == "--ready-file" && i + 1 < argc)
            ready_file = argv[++i];
        else if (name == "--keys" && i + 1 < argc)
            count = std::strtoul(argv[++i], nullptr, 10);
        else if (name == "--seconds" && i + 1 < argc)
            seconds = std::max(1, std::atoi(argv[++i]));
        else
            die("usage: sign_bench --ready-file FILE [--seconds N] [--keys N] [--json]");
    }
    const Target target = read_target(ready_file);
    const auto tls = net::TlsContext::client(target.ca, {"http/1.1"});
    if (!tls)
        die(tls.error().describe());
    const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    double created_per_second = 0;
    std::vector<Key> keys;
    if (count > 0)
        keys = create(target, *tls, count, created_per_second);
    const double sign = raw_rate(cores, 2000, false);
    const double sign_verify = raw_rate(cores, 2000, true);
    const std::vector<Key> hot{target.hot};
    std::vector<Row> rows;
    for (const int connections : {1, 16, 64}) {
        rows.push_back(measure("one key", target, *tls, hot, connections, seconds));
        if (count > 0)
            rows.push_back(measure("random keys", target, *tls, keys, connections, seconds));
    }
    const double sign_after = raw_rate(cores, 2000, false);
    const double raw = (sign + sign_after) / 2;

    if (json) {
        std::printf("{\"cores\":%d,\"raw_sign\":%.0f,\"raw_sign_verify\":%.0f,\"keys\":%zu,\"created_per_"
                    "second\":%.0f,"
                    "\"rows\":[",
                    cores, raw, sign_verify, keys.size(), created_per_second);
        for (std::size_t i = 0; i < rows.size(); ++i)
            std::printf(
                "%s{\"what\":\"%s\",\"connections\":%d,\"signatures_per_second\":%.0f,\"p50_us\":%lld,"
                "\"p99_us\":%lld,\"max_us\":%lld,\"verified\":%zu,\"of_raw_sign\":%.3f,"
                "\"of_raw_sign_verify\":%.3f,\"enclave_mib\":%ld}",
                i ? "," : "", rows[i].what.c_str(), rows[i].connections, rows[i].rate,
                static_cast<long long>(rows[i].p50), static_cast<long long>(rows[i].p99),
                static_cast<long long>(rows[i].most), rows[i].verified, rows[i].rate / raw,
                rows[i].rate / sign_verify, rows[i].memory);
        std::printf("]}\n");
        return 0;
    }
    if (count > 0)
        std::printf("created %zu keys over 64 connections: %.0f keys/s\n", keys.size(), created_per_second);
    std::printf("raw libsecp256k1 on %d cores: %.0f sign/s (before %.0f, after %.0f), %.0f sign+verify/s\n",
                cores, raw, sign, sign_after, sign_verify);
    std::printf("HTTPS, HTTP/1.1 keep-alive, closed loop, load generator on the same cores, verification "
                "before release on:\n");
    std::printf("keys         connections  signatures/s   of raw sign  of raw sign+verify    p50 us    p99 "
                "us    max us  "
                "verified  enclave MiB\n");
    for (const auto& row : rows)
        std::printf("%-11s  %11d  %12.0f  %11.1f%%  %17.1f%%  %8lld  %8lld  %8lld  %8zu  %11ld\n",
                    row.what.c_str(), row.connections, row.rate, 100 * row.rate / raw,
                    100 * row.rate / sign_verify, static_cast<long long>(row.p50),
                    static_cast<long long>(row.p99), static_cast<long long>(row.most), row.verified,
                    row.memory);
    return 0;
}
