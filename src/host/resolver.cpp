// SPDX-License-Identifier: Apache-2.0
#include "host/resolver.h"

#include "base/clock.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <csignal>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>

namespace redoubt::host {

namespace {

constexpr std::int64_t kKeepMs = 30'000; // AWS's endpoints publish 5 to 60 s

bool numeric_in(int family, const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> ignored{};
    return inet_pton(family, host.c_str(), ignored.data()) == 1;
}

} // namespace

bool is_numeric_address(const std::string& host) {
    return numeric_in(AF_INET, host) || numeric_in(AF_INET6, host);
}

Addresses look_up(const std::string& host, int family) {
    if (is_numeric_address(host)) {
        const bool fits = family == 0 || numeric_in(family == 4 ? AF_INET : AF_INET6, host);
        return fits ? Addresses{host} : Addresses{};
    }
    addrinfo hints{};
    hints.ai_family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0)
        return {};
    Addresses out;
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) ==
                0 &&
            std::find(out.begin(), out.end(), text.data()) == out.end())
            out.emplace_back(text.data());
    }
    freeaddrinfo(list);
    return out;
}

// What the helper thread keeps alive. It may outlive the resolver and the loop: `resolver` is then null.
struct Resolver::Shared {
    std::mutex mutex;
    Resolver* resolver = nullptr;
};

Resolver::Resolver(net::EventLoop& loop, std::string host, int family)
    : loop_(loop), host_(std::move(host)), family_(family), numeric_(is_numeric_address(host_)) {
    if (numeric_)
        known_ = look_up(host_, family_);
}

Resolver::~Resolver() {
    if (shared_) {
        const std::lock_guard lock(shared_->mutex);
        shared_->resolver = nullptr;
    }
}

void Resolver::resolve(Callback callback) {
    if (numeric_ || (!known_.empty() && monotonic_ms() < known_until_ms_)) {
        callback(known_);
        return;
    }
    waiting_.push_back(std::move(callback));
    if (!shared_)
        start();
}

void Resolver::start() {
    shared_ = std::make_shared<Shared>();
    shared_->resolver = this;
    // The process's signals are its other threads' business.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        // Detached, not joined: getaddrinfo cannot be interrupted, and stopping must not wait for DNS.
        std::thread([shared = shared_, host = host_, family = family_] {
            Addresses addresses = look_up(host, family);
            const std::lock_guard lock(shared->mutex);
            if (shared->resolver == nullptr)
                return;
            shared->resolver->loop_.post([shared, addresses = std::move(addresses)] {
                // On the loop's thread, which is the only one that clears `resolver`.
                if (shared->resolver != nullptr)
                    shared->resolver->finish(addresses);
            });
        }).detach();
    } catch (const std::system_error&) { // no thread to be had: as a failed look-up, but never from resolve()
        loop_.post([shared = shared_] {
            if (shared->resolver != nullptr)
                shared->resolver->finish({});
        });
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Resolver::finish(Addresses addresses) {
    shared_.reset();
    known_ = std::move(addresses);
    known_until_ms_ = monotonic_ms() + kKeepMs;
    std::vector<Callback> callbacks;
    callbacks.swap(waiting_);
    const Addresses answer = known_; // a callback may ask again and so replace known_
    for (const Callback& callback : callbacks)
        callback(answer);
}

} // namespace redoubt::host
