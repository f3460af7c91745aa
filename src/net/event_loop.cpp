// SPDX-License-Identifier: Apache-2.0
#include "net/event_loop.h"

#include "base/clock.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <unordered_map>
#include <utility>
#include <vector>

namespace redoubt::net {

namespace {

constexpr std::size_t kEventsPerTurn = 128; // bounds how long a new connection waits behind busy ones
constexpr std::int64_t kLongestWaitMs = 60'000;

[[noreturn]] void no_descriptors(const char* call) {
    std::fprintf(stderr, "redoubt: %s: %s\n", call, std::strerror(errno));
    std::abort();
}

} // namespace

struct EventLoop::Impl {
    // What an epoll event refers to: a descriptor's number and which of its registrations, so that an event
    // fetched before the descriptor was removed, and perhaps opened anew, reaches nobody.
    struct Registration {
        std::uint32_t generation;
        std::uint32_t events;
        IoCallback callback;
    };
    using TimerKey = std::pair<std::int64_t, TimerId>; // due, in µs of monotonic_us; then in order of making

    Fd epoll, mailbox;
    std::vector<std::unique_ptr<Registration>> registrations; // by descriptor
    std::uint32_t last_generation = 0;
    // Callbacks that were removed while some callback runs, perhaps they themselves: destroyed when none
    // does.
    std::vector<std::unique_ptr<Registration>> removed;
    std::map<TimerKey, Task> timers;
    std::unordered_map<TimerId, std::int64_t> due; // of `timers`
    TimerId last_timer = 0;
    std::vector<Task> deferred, deferred_now;
    bool running = false;

    std::mutex mutex;
    std::vector<Task> posted; // under `mutex`
    std::vector<Task> posted_now;
    std::atomic<bool> stopping{false};

    static std::uint64_t token(int fd, std::uint32_t generation) noexcept {
        return static_cast<std::uint64_t>(generation) << 32 | static_cast<std::uint32_t>(fd);
    }

    Registration* find(int fd) noexcept {
        const auto index = static_cast<std::size_t>(fd);
        return fd >= 0 && index < registrations.size() ? registrations[index].get() : nullptr;
    }

    void watch(int operation, int fd, const Registration& registration) {
        epoll_event event{};
        event.events = registration.events;
        event.data.u64 = token(fd, registration.generation);
        if (epoll_ctl(epoll.get(), operation, fd, &event) == 0)
            return;
        // No memory or too many watches: the owner learns it as it learns of a broken connection.
        deferred.push_back(
            [this, fd, generation = registration.generation] { call(fd, generation, EPOLLERR | EPOLLHUP); });
        wake();
    }

    void call(int fd, std::uint32_t generation, std::uint32_t events) {
        Registration* const registration = find(fd);
        if (registration != nullptr && registration->generation == generation)
            registration->callback(events); // may remove it: see `removed`
    }

    // Destroying a callback may run anything, even remove() and add().
    void bury() {
        while (!removed.empty()) {
            const auto dead = std::exchange(removed, {});
        }
    }

    void wake() noexcept {
        const std::uint64_t one = 1;
        (void)!write(mailbox.get(), &one, sizeof one); // EAGAIN: it is awake
    }

    void take_mail() {
        std::uint64_t ignored = 0;
        (void)!read(mailbox.get(), &ignored, sizeof ignored);
        {
            const std::lock_guard lock(mutex);
            posted_now.swap(posted);
        }
        for (Task& task : posted_now)
            std::exchange(task, nullptr)();
        posted_now.clear();
    }

    // Those due now; one that a timer of this turn adds waits for the next.
    void run_timers() {
        if (timers.empty())
            return;
        const std::int64_t now = monotonic_us();
        const TimerId newest = last_timer;
        while (!timers.empty()) {
            const auto first = timers.begin();
            if (first->first.first > now || first->first.second > newest)
                return;
            const Task task = std::move(first->second);
            due.erase(first->first.second);
            timers.erase(first);
            task();
        }
    }

    void run_deferred() {
        while (!deferred.empty()) {
            deferred_now.swap(deferred);
            for (Task& task : deferred_now)
                std::exchange(task, nullptr)();
            deferred_now.clear();
        }
    }

    int wait_ms() const {
        if (timers.empty())
            return -1;
        const std::int64_t us = std::max<std::int64_t>(timers.begin()->first.first - monotonic_us(), 0);
        return static_cast<int>(std::min((us + 999) / 1000, kLongestWaitMs));
    }

    void turn() {
        std::array<epoll_event, kEventsPerTurn> events;
        const int n = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), wait_ms());
        if (n < 0 && errno != EINTR)
            no_descriptors("epoll_wait");
        for (int i = 0; i < n; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            const auto fd = static_cast<int>(event.data.u64 & 0xffffffffU);
            if (fd == mailbox.get())
                take_mail();
            else
                call(fd, static_cast<std::uint32_t>(event.data.u64 >> 32), event.events);
        }
        run_timers();
        run_deferred();
        bury();
    }
};

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {
    impl_->epoll = Fd(epoll_create1(EPOLL_CLOEXEC));
    impl_->mailbox = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = Impl::token(impl_->mailbox.get(), 0);
    if (!impl_->epoll || !impl_->mailbox ||
        epoll_ctl(impl_->epoll.get(), EPOLL_CTL_ADD, impl_->mailbox.get(), &event) != 0)
        no_descriptors("an event loop");
}

// Tasks and callbacks that never ran die here, and what they own may call remove(), cancel() or post() as it
// dies, so the loop is still whole and this goes on until nothing is left.
EventLoop::~EventLoop() {
    for (;;) {
        Impl& loop = *impl_;
        loop.bury();
        std::vector<Task> tasks = std::exchange(loop.deferred, {});
        {
            const std::lock_guard lock(loop.mutex);
            std::move(loop.posted.begin(), loop.posted.end(), std::back_inserter(tasks));
            loop.posted.clear();
        }
        const auto timers = std::exchange(loop.timers, {});
        loop.due.clear();
        const auto registrations = std::exchange(loop.registrations, {});
        if (tasks.empty() && timers.empty() && registrations.empty())
            return;
    }
}

void EventLoop::add(int fd, std::uint32_t events, IoCallback callback) {
    if (fd < 0)
        return;
    remove(fd);
    const auto index = static_cast<std::size_t>(fd);
    if (index >= impl_->registrations.size())
        impl_->registrations.resize(std::max(index + 1, 2 * impl_->registrations.size()));
    // Generation 0 is the mailbox's. After 2^32 registrations a number comes back, not within one turn.
    if (++impl_->last_generation == 0)
        ++impl_->last_generation;
    impl_->registrations[index] = std::make_unique<Impl::Registration>(
        Impl::Registration{impl_->last_generation, events, std::move(callback)});
    impl_->watch(EPOLL_CTL_ADD, fd, *impl_->registrations[index]);
}

void EventLoop::modify(int fd, std::uint32_t events) {
    Impl::Registration* const registration = impl_->find(fd);
    if (registration == nullptr || registration->events == events)
        return;
    registration->events = events;
    impl_->watch(EPOLL_CTL_MOD, fd, *registration);
}

void EventLoop::remove(int fd) {
    if (impl_->find(fd) == nullptr)
        return;
    (void)epoll_ctl(impl_->epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
    impl_->removed.push_back(std::move(impl_->registrations[static_cast<std::size_t>(fd)]));
    if (!impl_->running)
        impl_->bury();
}

EventLoop::TimerId EventLoop::after(int ms, Task task) {
    const TimerId id = ++impl_->last_timer;
    const std::int64_t at = monotonic_us() + std::int64_t{std::max(ms, 0)} * 1000;
    impl_->timers.emplace(Impl::TimerKey{at, id}, std::move(task));
    impl_->due.emplace(id, at);
    return id;
}

void EventLoop::cancel(TimerId id) {
    const auto found = impl_->due.find(id);
    if (found == impl_->due.end())
        return;
    const auto timer = impl_->timers.extract({found->second, id}); // its task dies after the books are right
    impl_->due.erase(found);
}

void EventLoop::defer(Task task) {
    if (!impl_->running && impl_->deferred.empty())
        impl_->wake(); // the first turn must not sleep on it
    impl_->deferred.push_back(std::move(task));
}

void EventLoop::post(Task task) {
    bool first = false;
    {
        const std::lock_guard lock(impl_->mutex);
        first = impl_->posted.empty();
        impl_->posted.push_back(std::move(task));
    }
    if (first)
        impl_->wake();
}

void EventLoop::stop() {
    impl_->stopping = true;
    impl_->wake();
}

void EventLoop::run() {
    impl_->running = true;
    while (!impl_->stopping)
        impl_->turn();
    // What was posted before stop() is done before run() returns.
    impl_->take_mail();
    impl_->run_deferred();
    impl_->stopping = false;
    impl_->running = false;
    impl_->bury();
}

} // namespace redoubt::net
