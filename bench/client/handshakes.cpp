// SPDX-License-Identifier: Apache-2.0
#include "client/handshakes.h"

#include "base/clock.h"
#include "client/connection.h"
#include "client/usage.h"
#include "crypto/openssl.h"
#include "net/socket_bio.h"

#include <memory>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace redoubt::bench {

namespace {

using Ssl = std::unique_ptr<SSL, crypto::Releaser<SSL_free>>;
using Session = std::unique_ptr<SSL_SESSION, crypto::Releaser<SSL_SESSION_free>>;

constexpr int kConnectMs = 10'000;
constexpr std::int64_t kGrace = 10'000'000; // µs

struct Slot {
    net::Fd fd; // closed after `ssl`, which uses it
    Ssl ssl;
    std::int64_t began = 0;
    bool done = false; // the handshake
};

class Run {
  public:
    Run(const Spec& spec, bool resume)
        : spec_(spec), resume_(resume), tls_(make_context(spec)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        // A cache would take a session that was used for used up: one is enough here.
        (void)SSL_CTX_set_session_cache_mode(tls_.get(), SSL_SESS_CACHE_OFF);
        endpoint_.kind = net::Endpoint::Kind::Tcp;
        endpoint_.host = spec.url.host;
        endpoint_.port = spec.url.port;
    }

    // `slots` at a time until then; those that are under way are waited for.
    void go(std::size_t slots, std::int64_t until) {
        std::vector<Slot> all(slots);
        open_ = 0;
        for (Slot& slot : all)
            open(slot, until);
        for (std::int64_t now = monotonic_us(); open_ > 0 && now < until + kGrace; now = monotonic_us()) {
            epoll_event events[64];
            const int n = epoll_wait(epoll_.get(), events, 64, 100);
            for (int i = 0; i < n; ++i) {
                auto& slot = *static_cast<Slot*>(events[i].data.ptr);
                if (go_on(slot))
                    continue;
                close(slot);
                if (monotonic_us() < until)
                    open(slot, until);
            }
        }
        out.failed += open_;
    }

    bool has_ticket() const noexcept { return ticket_ != nullptr; }
    Handshakes out;

  private:
    // One connection, and its first message; so few bytes always fit. Where the server was quicker than this
    // thread the whole connection is over by then, and the next one takes its place.
    void open(Slot& slot, std::int64_t until) {
        for (;;) {
            connect(slot);
            if (go_on(slot))
                return;
            close(slot);
            if (monotonic_us() >= until)
                return;
        }
    }

    void connect(Slot& slot) {
        slot.began = monotonic_us();
        slot.done = false;
        auto fd = net::connect_to(endpoint_, kConnectMs);
        if (!fd)
            die(fd.error().describe());
        slot.fd = std::move(*fd);
        slot.ssl.reset(SSL_new(tls_.get()));
        BIO* const bio = slot.ssl ? net::make_socket_bio(slot.fd.get()) : nullptr;
        // A name or a number, as the certificate must have it.
        if (bio == nullptr ||
            (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(slot.ssl.get()), spec_.url.host.c_str()) != 1 &&
             (SSL_set1_host(slot.ssl.get(), spec_.url.host.c_str()) != 1 ||
              SSL_set_tlsext_host_name(slot.ssl.get(), spec_.url.host.c_str()) != 1)))
            die("a TLS connection cannot be made");
        SSL_set_bio(slot.ssl.get(), bio, bio);
        if (resume_ && ticket_ && SSL_set_session(slot.ssl.get(), ticket_.get()) != 1)
            die("a TLS session cannot be used again");
        SSL_set_connect_state(slot.ssl.get());
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &slot;
        if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, slot.fd.get(), &event) != 0)
            die("epoll_ctl failed");
        ++open_;
    }

    void close(Slot& slot) {
        (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.fd.get(), nullptr);
        slot.ssl.reset();
        slot.fd.reset();
        --open_;
    }

    // False: the connection has ended.
    bool go_on(Slot& slot) {
        ERR_clear_error();
        if (!slot.done) {
            const int result = SSL_connect(slot.ssl.get());
            if (result != 1) {
                if (SSL_get_error(slot.ssl.get(), result) == SSL_ERROR_WANT_READ)
                    return true;
                ++out.failed;
                return false;
            }
            slot.done = true;
            out.times.push_back(monotonic_us() - slot.began);
            out.resumed += SSL_session_reused(slot.ssl.get()) != 0 ? 1u : 0u;
            if (!wants_ticket())
                end(slot);
        }
        if (read_to_the_end(slot))
            return true;
        ++out.ended;
        return false;
    }

    bool wants_ticket() const noexcept { return resume_ && !ticket_; }

    static void end(Slot& slot) {
        (void)SSL_shutdown(slot.ssl.get());
        (void)shutdown(slot.fd.get(), SHUT_WR);
    }

    // False: that was the end.
    bool read_to_the_end(Slot& slot) {
        std::uint8_t buffer[1024];
        std::size_t n = 0;
        while (SSL_read_ex(slot.ssl.get(), buffer, sizeof buffer, &n) == 1)
            continue;
        if (SSL_get_error(slot.ssl.get(), 0) != SSL_ERROR_WANT_READ)
            return false;
        // A ticket comes after the handshake; OpenSSL does not read it any more once it has said good-bye.
        if (wants_ticket() && SSL_SESSION_has_ticket(SSL_get0_session(slot.ssl.get())) == 1) {
            ticket_.reset(SSL_get1_session(slot.ssl.get()));
            end(slot);
        }
        return true;
    }

    const Spec& spec_;
    const bool resume_;
    net::TlsContext tls_;
    net::Fd epoll_;
    net::Endpoint endpoint_;
    Session ticket_;
    std::size_t open_ = 0;
};

} // namespace

Handshakes run_handshakes(const Spec& spec, const StepSpec& step) {
    Run run(spec, step.resumed);
    run.go(1, monotonic_us()); // one: whatever is done once, and the ticket
    if (step.resumed && !run.has_ticket())
        die("the server gives no ticket, so nothing can be resumed");
    run.out = {};
    const double cpu = cpu_seconds();
    const std::int64_t began = monotonic_us();
    run.go(spec.connections, began + static_cast<std::int64_t>(step.seconds * 1e6));
    run.out.seconds = static_cast<double>(monotonic_us() - began) / 1e6;
    run.out.cpu_s = cpu_seconds() - cpu;
    return std::move(run.out);
}

} // namespace redoubt::bench
