// SPDX-License-Identifier: Apache-2.0
// For tests of what a loop does when this process can open no descriptor.
#pragma once

#include "net/event_loop.h"

#include <ctime>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace redoubt::tests {

// While it lives, nothing in this process can open a descriptor; those that are open go on.
class NoDescriptors {
  public:
    NoDescriptors() {
        EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
        const rlimit none{0, before_.rlim_max};
        EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    }
    ~NoDescriptors() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

  private:
    rlimit before_{};
};

// Milliseconds of processor time that the loop takes in `ms` milliseconds; near `ms` if it spins.
inline long busy_ms(net::EventLoop& loop, int ms) {
    const auto used = [] {
        timespec time{};
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
    };
    const long before = used();
    loop.after(ms, [&loop] { loop.stop(); });
    loop.run();
    return used() - before;
}

} // namespace redoubt::tests
