// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/http_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace redoubt::net {

namespace {

constexpr std::size_t kReadBuffer = 64 * 1024;
constexpr int kAcceptsPerEvent = 64;
constexpr int kAcceptPauseMs = 100; // when descriptors or memory ran out: waiting is better than spinning
constexpr int kLongestSweepMs = 1'000;
constexpr int kShortestSweepMs = 5;
constexpr int kDrainIdleMs = 500; // for requests that are on their way when draining begins

// RFC 9110, section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::int64_t second) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t time = second;
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::array<char, 64> out{};
    std::snprintf(out.data(), out.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday],
                  parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                  parts.tm_sec);
    return out.data();
}

// Time limits are looked at in sweeps over all connections, so a request costs no timer. A limit is exceeded
// by at most an eighth of the shortest.
int sweep_interval(const HttpServerOptions& options) noexcept {
    const int shortest = std::min({options.handshake_timeout_ms, options.request_timeout_ms,
                                   options.idle_timeout_ms, options.write_timeout_ms});
    return std::clamp(shortest / 8, kShortestSweepMs, kLongestSweepMs);
}

} // namespace

HttpServer::Impl::Impl(EventLoop& event_loop, Fd listening, const TlsContext* context,
                       HttpServerOptions server_options, Handler request_handler)
    : loop(event_loop), listener(std::move(listening)), tls(context), options(std::move(server_options)),
      handler(std::move(request_handler)), read_buffer(kReadBuffer), sweep_ms(sweep_interval(options)) {}

void HttpServer::Impl::start() {
    watch_listener(true);
}

void HttpServer::Impl::watch_listener(bool wanted) {
    if (wanted == listener_watched || !listener)
        return;
    listener_watched = wanted;
    if (!wanted)
        return loop.remove(listener.get());
    loop.add(listener.get(), EPOLLIN, [weak = weak_from_this()](std::uint32_t) {
        if (const auto self = weak.lock())
            self->accept_some();
    });
}

void HttpServer::Impl::accept_some() {
    for (int i = 0; i < kAcceptsPerEvent; ++i) {
        Fd fd(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd) {
            begin(std::move(fd));
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log(LogLevel::Warning, "http_accept_paused", {{"error", std::strerror(errno)}});
            watch_listener(false);
            (void)loop.after(kAcceptPauseMs, [weak = weak_from_this()] {
                const auto self = weak.lock();
                if (self && !self->stopped && !self->draining)
                    self->watch_listener(true);
            });
            return;
        }
        // The rest is about the one connection that failed (accept(2)).
    }
}

void HttpServer::Impl::begin(Fd fd) {
    ++counts.accepted;
    if (connections.size() >= options.max_connections && !make_room()) {
        ++counts.turned_away;
        return;
    }
    const int on = 1; // answers are written whole
    (void)setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Stream stream = Stream::plain(Fd());
    if (tls == nullptr) {
        stream = Stream::plain(std::move(fd));
    } else {
        auto made = Stream::tls_server(*tls, std::move(fd));
        if (!made)
            return;
        stream = std::move(*made);
    }
    auto connection = std::make_shared<Connection>(shared_from_this(), std::move(stream));
    connection->index_ = connections.size();
    connections.push_back(connection);
    connection->start();
    plan_sweep();
}

// Whoever only holds connections open, or sends a request byte by byte, loses them to those who use theirs.
bool HttpServer::Impl::make_room() {
    std::shared_ptr<Connection> first;
    for (const auto& connection : connections)
        if (connection->evictable() && (!first || connection->goes_before(*first)))
            first = connection;
    if (!first)
        return false;
    ++counts.evicted;
    first->close();
    return true;
}

void HttpServer::Impl::forget(Connection& connection) {
    const std::size_t at = connection.index_;
    if (at + 1 != connections.size()) {
        connections[at] = std::move(connections.back());
        connections[at]->index_ = at;
    }
    connections.pop_back();
    if (draining && !stopped && connections.empty())
        finish_drain();
}

void HttpServer::Impl::plan_flush(std::shared_ptr<Connection> connection) {
    unflushed.push_back(std::move(connection));
    if (std::exchange(flush_planned, true))
        return;
    loop.defer([weak = weak_from_this()] {
        if (const auto self = weak.lock())
            self->flush_all();
    });
}

void HttpServer::Impl::flush_all() {
    flush_planned = false;
    flushing.swap(unflushed);
    for (const auto& connection : flushing)
        connection->flush();
    flushing.clear();
}

void HttpServer::Impl::plan_sweep() {
    if (stopped || connections.empty() || sweep_timer != 0)
        return;
    sweep_timer = loop.after(sweep_ms, [weak = weak_from_this()] {
        if (const auto self = weak.lock())
            self->sweep();
    });
}

void HttpServer::Impl::sweep() {
    sweep_timer = 0;
    const std::int64_t now = monotonic_ms();
    // From the end: a connection that closes is replaced by one that was looked at.
    for (std::size_t i = connections.size(); i-- > 0;) {
        const auto connection = connections[i];
        connection->check_time(now);
    }
    plan_sweep();
}

void HttpServer::Impl::drain(int timeout_ms, std::function<void()> done) {
    drained = std::move(done);
    if (std::exchange(draining, true))
        return;
    drain_since_ms = monotonic_ms();
    drain_idle_ms = std::min(timeout_ms / 2, kDrainIdleMs);
    for (const auto& connection : connections)
        connection->drain();
    sweep_ms = std::clamp(drain_idle_ms / 8, kShortestSweepMs, sweep_ms);
    watch_listener(false);
    listener.reset();
    if (connections.empty())
        return finish_drain();
    loop.cancel(std::exchange(sweep_timer, 0)); // it comes too late now
    plan_sweep();
    (void)loop.after(timeout_ms, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self || self->stopped)
            return;
        while (!self->connections.empty()) {
            const auto connection = self->connections.back();
            connection->close();
        }
    });
}

// From the loop, so that nobody is called back before what he called has returned.
void HttpServer::Impl::finish_drain() {
    (void)loop.after(0, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self || self->stopped)
            return;
        if (const auto done = std::exchange(self->drained, nullptr))
            done();
    });
}

void HttpServer::Impl::stop() {
    stopped = true;
    drained = nullptr;
    unflushed.clear();
    watch_listener(false);
    listener.reset();
    while (!connections.empty()) {
        const auto connection = connections.back();
        connection->close();
    }
}

const std::string& HttpServer::Impl::common_headers() {
    const std::int64_t second = system_time_ms() / 1000;
    if (second != common_headers_second) {
        common_headers_second = second;
        date_text = http_date(second);
        common_headers_text = "date: " + date_text + "\r\n";
        if (!options.server_name.empty())
            common_headers_text += "server: " + options.server_name + "\r\n";
    }
    return common_headers_text;
}

const std::string& HttpServer::Impl::date() {
    (void)common_headers();
    return date_text;
}

void HttpServer::Responder::operator()(HttpResponse response) const {
    if (state_)
        state_->answer(std::move(response));
}

void HttpServer::Responder::cut(HttpResponse response, std::size_t bytes) const {
    if (state_)
        state_->answer(std::move(response), bytes);
}

bool HttpServer::Responder::client_gone() const noexcept {
    const auto connection = state_ ? state_->connection.lock() : nullptr;
    return !connection || connection->gone(state_->sequence);
}

HttpServer::HttpServer(EventLoop& loop, Fd listener, const TlsContext* tls, HttpServerOptions options,
                       Handler handler)
    : impl_(std::make_shared<Impl>(loop, std::move(listener), tls, std::move(options), std::move(handler))) {
    impl_->start();
}

HttpServer::~HttpServer() {
    impl_->stop();
}

std::size_t HttpServer::connections() const noexcept {
    return impl_->connections.size();
}

HttpServer::Counts HttpServer::counts() const noexcept {
    return impl_->counts;
}

void HttpServer::drain(int timeout_ms, std::function<void()> done) {
    impl_->drain(timeout_ms, std::move(done));
}

} // namespace redoubt::net
