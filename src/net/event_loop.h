// SPDX-License-Identifier: Apache-2.0
// A level-triggered epoll loop, its timers, and a mailbox for other threads. Everything but post() and stop()
// belongs to the loop's own thread. Callbacks may remove their own or any other registration at any time.
#pragma once

#include "net/endpoint.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace redoubt::net {

class EventLoop {
  public:
    using IoCallback = std::function<void(std::uint32_t events)>; // EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR …
    using Task = std::function<void()>;
    using TimerId = std::uint64_t;

    EventLoop();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    void add(int fd, std::uint32_t events, IoCallback callback);
    void modify(int fd, std::uint32_t events);
    void remove(int fd); // before the descriptor is closed

    TimerId after(int ms, Task task); // once
    void cancel(TimerId id);

    // Runs a task when the current callbacks of this turn are done, before the next wait: for batching writes
    // per turn.
    void defer(Task task);
    // From any thread.
    void post(Task task);
    void stop(); // run() returns; from any thread or a signal handler's self-pipe task

    void run();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace redoubt::net
