// SPDX-License-Identifier: Apache-2.0
// A listening socket in an event loop. A level-triggered loop is woken for as long as somebody waits in the
// listener's queue: where accept fails because this process or machine has no descriptor or memory left, it
// would spin. The acceptor rests instead, and tries again; who connects waits in the queue meanwhile.
#pragma once

#include "net/event_loop.h"

namespace redoubt::net {

class Acceptor {
  public:
    // Gets each connection, non-blocking and close-on-exec. May call want(), must not destroy the acceptor.
    using Accepted = std::function<void(Fd)>;
    // Accepts from now on. The loop outlives it; for the loop's thread, or before the loop runs.
    Acceptor(EventLoop& loop, Fd listener, Accepted accepted);
    ~Acceptor();
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;

    // False: whoever connects from now on waits in the listener's queue, until it is wanted again.
    void want(bool wanted);

    static constexpr int kRestMs = 100; // after an accept that failed
    static constexpr int kAtOnce = 64;  // then the loop's other work has its turn

  private:
    void watch();
    void accept_some();

    EventLoop& loop_;
    Fd listener_;
    Accepted accepted_;
    bool wanted_ = true, watched_ = false, resting_ = false;
    bool told_ = false; // of this shortage
    EventLoop::TimerId timer_ = 0;
};

} // namespace redoubt::net
