// SPDX-License-Identifier: Apache-2.0
// Load over HTTPS (HTTP/1.1, keep-alive) as many clients make it who know nothing of each other. An open
// step's requests are due at random times of a constant mean rate (a Poisson process), whatever became of
// those before; a request's time runs from when it was due, so whatever holds it up is in it: the server, a
// connection that was not free, this program itself. How late requests left is told beside it.
//
//     load_generator --url URL --ca FILE --request FILE [--connections N] [--seed N] STEP…
//     STEP: closed:CLIENTS:SECONDS   each client asks again when it has its answer; tells the capacity
//           open:TIMES:SECONDS       that many times the last closed step's answers a second
// --request: one whole HTTP request, sent again and again; answers with status 200 must have equal bodies.
// One line of JSON for each step, as it ends. Exit: 0; 1 where a connection ended or an answer was no HTTP.
#include "base/clock.h"
#include "base/json.h"
#include "net/http_client.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <poll.h>
#include <random>
#include <string>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace redoubt {
namespace {

constexpr std::int64_t kSecond = 1'000'000;   // in µs, as all times here
constexpr std::int64_t kGrace = 15 * kSecond; // for answers after a step's end

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "load_generator: %s\n", what.c_str());
    std::exit(1);
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        die("cannot read " + path);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Settings {
    net::Url url;
    std::string ca, request;
    std::size_t connections = 1'024;
    std::uint64_t seed = 1;
};

struct Answer {
    std::int64_t due, sent, at;
    int status;
};

struct Connection {
    explicit Connection(net::Stream its_stream) : stream(std::move(its_stream)) {}
    net::Stream stream;
    net::HttpParser parser{net::HttpParser::Kind::Response};
    std::int64_t due = 0, sent = 0;
    bool busy = false;
};

net::Stream connect(const Settings& settings, const net::TlsContext& tls) {
    net::Endpoint endpoint;
    endpoint.kind = net::Endpoint::Kind::Tcp;
    endpoint.host = settings.url.host;
    endpoint.port = settings.url.port;
    auto fd = net::connect_to(endpoint, 5'000);
    if (!fd)
        die(fd.error().describe());
    auto stream = net::Stream::tls_client(tls, std::move(*fd), settings.url.host);
    if (!stream)
        die(stream.error().describe());
    for (;;) {
        const net::Io io = stream->handshake();
        if (io == net::Io::Done)
            return std::move(*stream);
        if (io != net::Io::WantRead && io != net::Io::WantWrite)
            die("TLS handshake: " + stream->failure());
        pollfd waiting{stream->fd(), static_cast<short>(io == net::Io::WantRead ? POLLIN : POLLOUT), 0};
        (void)poll(&waiting, 1, 5'000);
    }
}

class Generator {
  public:
    explicit Generator(Settings settings)
        : settings_(std::move(settings)), random_(settings_.seed), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        const auto tls = net::TlsContext::client(settings_.ca, {"http/1.1"});
        if (!tls)
            die(tls.error().describe());
        for (std::size_t i = 0; i < settings_.connections; ++i) {
            connections_.push_back(std::make_unique<Connection>(connect(settings_, *tls)));
            Connection* const connection = connections_.back().get();
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.ptr = connection;
            if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection->stream.fd(), &event) != 0)
                die("epoll_ctl failed");
            idle_.push_back(connection);
        }
    }

    // Answers with status 200 a second.
    double closed(std::size_t clients, std::int64_t seconds) {
        begin("closed");
        const std::int64_t end = began_ + seconds * kSecond;
        again_until_ = end;
        for (std::size_t i = 0; i < clients; ++i)
            ask(monotonic_us());
        while (outstanding_ > 0 && monotonic_us() < end + kGrace)
            turn(kSecond / 100);
        again_until_ = 0;
        const auto in_time = std::ranges::count_if(
            answers_, [&](const Answer& answer) { return answer.status == 200 && answer.at <= end; });
        const double rate = static_cast<double>(in_time) / static_cast<double>(seconds);
        report(seconds, rate);
        return rate;
    }

    void open(double rate, std::int64_t seconds) {
        begin("open");
        const std::int64_t end = began_ + seconds * kSecond;
        std::exponential_distribution<double> gap(rate / static_cast<double>(kSecond));
        double due = static_cast<double>(began_) + gap(random_);
        for (std::int64_t now = began_; now < end || outstanding_ > 0; now = monotonic_us()) {
            if (now >= end + kGrace)
                break;
            while (due <= static_cast<double>(now) && due < static_cast<double>(end)) {
                ask(static_cast<std::int64_t>(due));
                due += gap(random_);
            }
            turn(std::clamp(static_cast<std::int64_t>(due) - monotonic_us(), std::int64_t{0}, kSecond / 100));
        }
        report(seconds, rate);
    }

  private:
    void begin(const char* name) {
        name_ = name;
        answers_.clear();
        due_.clear();
        outstanding_ = offered_ = wrong_ = without_retry_after_ = 0;
        began_ = monotonic_us();
        cpu_began_ = cpu();
    }

    static std::int64_t cpu() {
        rusage used{};
        (void)getrusage(RUSAGE_SELF, &used);
        return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * kSecond + used.ru_utime.tv_usec +
               used.ru_stime.tv_usec;
    }

    void ask(std::int64_t due) {
        ++offered_;
        ++outstanding_;
        due_.push_back(due);
        send_due();
    }

    // The connection that has rested longest first: all take part, as they do where each is another client's.
    void send_due() {
        while (!due_.empty() && !idle_.empty()) {
            Connection& connection = *idle_.front();
            idle_.pop_front();
            connection.due = due_.front();
            due_.pop_front();
            connection.busy = true;
            connection.sent = monotonic_us();
            for (ByteView rest = as_bytes(settings_.request); !rest.empty();) {
                std::size_t n = 0;
                const net::Io io = connection.stream.write(rest, n);
                if (io == net::Io::Done)
                    rest = rest.subspan(n);
                else if (io != net::Io::WantWrite && io != net::Io::WantRead)
                    die("a connection broke");
            }
        }
    }

    void turn(std::int64_t wait_us) {
        epoll_event events[64];
        const timespec wait{wait_us / kSecond, wait_us % kSecond * 1'000};
        const int n = epoll_pwait2(epoll_.get(), events, 64, &wait, nullptr);
        for (int i = 0; i < n; ++i)
            ready(*static_cast<Connection*>(events[i].data.ptr));
    }

    void ready(Connection& connection) {
        for (;;) {
            std::uint8_t buffer[16 * 1024];
            std::size_t n = 0;
            const net::Io io = connection.stream.read(buffer, n);
            if (io == net::Io::WantRead)
                return;
            if (io != net::Io::Done)
                die("the server ended a connection");
            const auto used = connection.parser.feed(ByteView(buffer, n));
            if (!used || *used != n || !connection.busy)
                die("what came is not one answer to one request");
            if (connection.parser.done())
                return answered(connection);
        }
    }

    void answered(Connection& connection) {
        const std::int64_t now = monotonic_us();
        const net::HttpResponse response = connection.parser.take_response();
        answers_.push_back({connection.due, connection.sent, now, response.status});
        if (response.status == 200) {
            const std::string_view body = as_text(response.body);
            if (expected_.empty())
                expected_ = body;
            wrong_ += body != expected_ ? 1u : 0u;
        } else {
            const auto wait = std::ranges::find(response.headers, "retry-after", &net::Header::name);
            without_retry_after_ += wait == response.headers.end() || wait->value != "1" ? 1u : 0u;
        }
        connection.busy = false;
        --outstanding_;
        idle_.push_back(&connection);
        if (now < again_until_)
            ask(now);
        else
            send_due();
    }

    static void times(json::Writer& writer, std::vector<std::int64_t>& values) {
        std::ranges::sort(values);
        const auto at = [&](double fraction) {
            const auto index = static_cast<std::size_t>(fraction * static_cast<double>(values.size()));
            return static_cast<std::uint64_t>(values[std::min(index, values.size() - 1)]);
        };
        writer.begin_object().member("count", std::uint64_t{values.size()});
        if (!values.empty())
            writer.member("p50", at(0.5))
                .member("p90", at(0.9))
                .member("p99", at(0.99))
                .member("p999", at(0.999))
                .member("max", at(1));
        writer.end_object();
    }

    void report(std::int64_t seconds, double rate) {
        std::map<int, std::vector<std::int64_t>> by_status;
        std::map<std::int64_t, std::vector<std::int64_t>> by_second; // those with status 200
        std::vector<std::int64_t> late;
        for (const auto& answer : answers_) {
            by_status[answer.status].push_back(answer.at - answer.due);
            late.push_back(answer.sent - answer.due);
            if (answer.status == 200)
                by_second[(answer.due - began_) / kSecond].push_back(answer.at - answer.due);
        }
        std::string out;
        json::Writer writer(out);
        writer.begin_object()
            .member("step", name_)
            .member("seconds", static_cast<std::uint64_t>(seconds))
            .member("rate", static_cast<std::uint64_t>(rate))
            .member("offered", std::uint64_t{offered_})
            .member("unanswered", std::uint64_t{outstanding_})
            .member("wrong", std::uint64_t{wrong_})
            .member("without_retry_after", std::uint64_t{without_retry_after_})
            .member("cpu_us", static_cast<std::uint64_t>(cpu() - cpu_began_));
        writer.key("late_us");
        times(writer, late);
        writer.key("status").begin_object();
        for (auto& [status, values] : by_status) {
            writer.key(std::to_string(status));
            times(writer, values);
        }
        writer.end_object().key("p99_by_second").begin_array();
        for (auto& [second, values] : by_second) {
            std::ranges::sort(values);
            writer.number(static_cast<std::uint64_t>(values[values.size() * 99 / 100]));
        }
        writer.end_array().end_object();
        std::printf("%s\n", out.c_str());
        std::fflush(stdout);
    }

    Settings settings_;
    std::mt19937_64 random_;
    net::Fd epoll_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::deque<Connection*> idle_;
    std::deque<std::int64_t> due_; // for which no connection was free
    std::vector<Answer> answers_;
    std::string expected_; // the body of the first answer with status 200
    const char* name_ = "";
    std::size_t outstanding_ = 0, offered_ = 0, wrong_ = 0, without_retry_after_ = 0;
    std::int64_t began_ = 0, cpu_began_ = 0, again_until_ = 0;
};

} // namespace
} // namespace redoubt

int main(int argc, char** argv) {
    using namespace redoubt;
    Settings settings;
    std::vector<std::string> steps;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        const bool more = i + 1 < argc;
        if (name == "--url" && more) {
            const auto url = net::parse_url(argv[++i]);
            if (!url)
                die(url.error().describe());
            settings.url = *url;
        } else if (name == "--ca" && more)
            settings.ca = read_file(argv[++i]);
        else if (name == "--request" && more)
            settings.request = read_file(argv[++i]);
        else if (name == "--connections" && more)
            settings.connections = std::strtoul(argv[++i], nullptr, 10);
        else if (name == "--seed" && more)
            settings.seed = std::strtoul(argv[++i], nullptr, 10);
        else
            steps.push_back(name);
    }
    if (settings.url.host.empty() || settings.request.empty() || settings.connections == 0 || steps.empty())
        die("usage: load_generator --url URL --ca FILE --request FILE [--connections N] [--seed N] STEP…");
    (void)prctl(PR_SET_TIMERSLACK, 1'000); // ns: requests leave when they are due
    (void)std::signal(SIGPIPE, SIG_IGN);
    rlimit files{};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    Generator generator(std::move(settings));
    double capacity = 0;
    for (const auto& step : steps) {
        const std::size_t first = step.find(':'), second = step.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos)
            die("a step is closed:CLIENTS:SECONDS or open:TIMES:SECONDS");
        const std::string kind = step.substr(0, first);
        const double number = std::atof(step.substr(first + 1, second - first - 1).c_str());
        const std::int64_t seconds = std::atol(step.substr(second + 1).c_str());
        if (seconds <= 0 || number <= 0 || (kind == "open" && capacity <= 0))
            die("a step needs numbers above 0, and an open one a closed one before it");
        if (kind == "closed")
            capacity = generator.closed(static_cast<std::size_t>(number), seconds);
        else if (kind == "open")
            generator.open(number * capacity, seconds);
        else
            die("there is no step " + kind);
    }
    return 0;
}
