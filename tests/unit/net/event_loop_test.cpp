// SPDX-License-Identifier: Apache-2.0
#include "net/event_loop.h"

#include "base/clock.h"

#include <atomic>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace redoubt::net {
namespace {

Fd readable() {
    return Fd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
}

TEST(EventLoop, runs_timers_in_the_order_of_their_time_and_never_early) {
    EventLoop loop;
    std::vector<int> order;
    const std::int64_t start = monotonic_us();
    std::int64_t last = 0;
    loop.after(30, [&] {
        order.push_back(3);
        last = monotonic_us();
        loop.stop();
    });
    loop.after(10, [&] { order.push_back(1); });
    loop.after(20, [&] { order.push_back(2); });
    loop.after(0, [&] { order.push_back(0); });
    loop.run();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
    EXPECT_GE(last - start, 30'000);
}

TEST(EventLoop, timers_of_one_time_run_in_the_order_they_were_made) {
    EventLoop loop;
    std::vector<int> order;
    for (int i = 0; i < 50; ++i)
        loop.after(0, [&order, i] { order.push_back(i); });
    loop.after(5, [&] { loop.stop(); });
    loop.run();
    ASSERT_EQ(order.size(), 50u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(EventLoop, a_timer_may_cancel_another_that_is_due_too) {
    EventLoop loop;
    bool ran = false;
    EventLoop::TimerId second = 0;
    loop.after(1, [&] { loop.cancel(second); });
    second = loop.after(1, [&] { ran = true; });
    loop.after(20, [&] { loop.stop(); });
    usleep(5'000); // both are due in the first turn
    loop.run();
    EXPECT_FALSE(ran);
    loop.cancel(second); // again: nothing
    loop.cancel(12345);
}

TEST(EventLoop, a_timer_that_renews_itself_with_zero_lets_descriptors_have_their_turn) {
    EventLoop loop;
    const Fd fd = readable();
    bool seen = false;
    std::function<void()> again = [&] { loop.after(0, again); };
    again();
    loop.add(fd.get(), EPOLLIN, [&](std::uint32_t) {
        seen = true;
        loop.stop();
    });
    loop.run();
    EXPECT_TRUE(seen);
}

TEST(EventLoop, a_callback_may_remove_itself_and_go_on) {
    EventLoop loop;
    const Fd fd = readable();
    int calls = 0;
    auto kept = std::make_shared<int>(7);
    const std::weak_ptr<int> watch = kept;
    loop.add(fd.get(), EPOLLIN, [&, kept = std::move(kept)](std::uint32_t) {
        loop.remove(fd.get());
        ++calls;
        EXPECT_EQ(*kept, 7); // the capture is still alive
    });
    loop.after(20, [&] {
        EXPECT_TRUE(watch.expired()); // and was destroyed soon after
        loop.stop();
    });
    loop.run();
    EXPECT_EQ(calls, 1);
}

TEST(EventLoop, a_callback_may_remove_one_whose_event_was_fetched_already) {
    EventLoop loop;
    const Fd a = readable(), b = readable();
    int calls = 0;
    const auto remove_both = [&](std::uint32_t) {
        ++calls;
        loop.remove(a.get());
        loop.remove(b.get());
    };
    loop.add(a.get(), EPOLLIN, remove_both);
    loop.add(b.get(), EPOLLIN, remove_both);
    loop.after(20, [&] { loop.stop(); });
    loop.run();
    EXPECT_EQ(calls, 1);
}

TEST(EventLoop, an_event_never_reaches_a_descriptor_that_took_the_number_of_a_closed_one) {
    EventLoop loop;
    Fd a = readable(), b = readable();
    Fd fresh;
    int stale = 0;
    // Whichever is called first closes the other and opens one that is not readable under its number.
    const auto replace = [&](Fd& mine, Fd& other) {
        loop.remove(mine.get());
        const int number = other.get();
        loop.remove(number);
        other.reset();
        fresh = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        ASSERT_EQ(fresh.get(), number);
        loop.add(number, EPOLLIN, [&](std::uint32_t) { ++stale; });
    };
    loop.add(a.get(), EPOLLIN, [&](std::uint32_t) { replace(a, b); });
    loop.add(b.get(), EPOLLIN, [&](std::uint32_t) { replace(b, a); });
    loop.after(20, [&] { loop.stop(); });
    loop.run();
    EXPECT_TRUE(fresh);
    EXPECT_EQ(stale, 0);
}

TEST(EventLoop, modify_chooses_what_is_waited_for) {
    EventLoop loop;
    const Fd fd = readable();
    std::vector<std::uint32_t> seen;
    loop.add(fd.get(), EPOLLIN, [&](std::uint32_t events) {
        seen.push_back(events);
        if (seen.size() == 1)
            loop.modify(fd.get(), EPOLLOUT);
        else
            loop.modify(fd.get(), 0);
    });
    loop.after(20, [&] { loop.stop(); });
    loop.run();
    EXPECT_EQ(seen, (std::vector<std::uint32_t>{EPOLLIN, EPOLLOUT}));
}

TEST(EventLoop, deferred_tasks_run_after_the_turns_callbacks_and_before_it_sleeps) {
    EventLoop loop;
    const Fd a = readable(), b = readable();
    std::string order;
    const auto callback = [&](const Fd& fd) {
        return [&](std::uint32_t) {
            order += "c";
            loop.remove(fd.get());
            loop.defer([&] {
                order += "d";
                loop.defer([&] { order += "e"; });
            });
        };
    };
    loop.add(a.get(), EPOLLIN, callback(a));
    loop.add(b.get(), EPOLLIN, callback(b));
    loop.after(20, [&] { loop.stop(); });
    loop.run();
    EXPECT_EQ(order, "ccddee");
}

TEST(EventLoop, a_task_deferred_before_the_loop_runs_is_not_slept_on) {
    EventLoop loop;
    bool ran = false;
    loop.defer([&] {
        ran = true;
        loop.stop();
    });
    loop.run(); // would wait for ever
    EXPECT_TRUE(ran);
}

TEST(EventLoop, takes_tasks_of_other_threads_each_once_and_in_the_order_of_each_thread) {
    EventLoop loop;
    constexpr int kThreads = 4, kEach = 5'000;
    std::vector<std::vector<int>> seen(kThreads);
    int total = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < kEach; ++i)
                loop.post([&, t, i] {
                    seen[static_cast<std::size_t>(t)].push_back(i);
                    if (++total == kThreads * kEach)
                        loop.stop();
                });
        });
    loop.run();
    for (auto& thread : threads)
        thread.join();
    for (const auto& numbers : seen) {
        ASSERT_EQ(numbers.size(), static_cast<std::size_t>(kEach));
        EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
    }
}

TEST(EventLoop, a_stop_before_run_is_not_forgotten_and_counts_once) {
    EventLoop loop;
    bool posted = false;
    loop.post([&] { posted = true; });
    loop.stop();
    loop.run();
    EXPECT_TRUE(posted);
    bool later = false;
    loop.after(1, [&] {
        later = true;
        loop.stop();
    });
    loop.run();
    EXPECT_TRUE(later);
}

TEST(EventLoop, stops_from_another_thread_while_it_sleeps) {
    EventLoop loop;
    std::thread other([&] {
        usleep(20'000);
        loop.stop();
    });
    loop.run();
    other.join();
}

TEST(EventLoop, what_it_holds_may_use_it_while_it_dies) {
    const Fd fd = readable();
    int destroyed = 0;
    {
        EventLoop loop;
        struct Guard {
            EventLoop& loop;
            int fd;
            EventLoop::TimerId timer;
            int& count;
            ~Guard() {
                loop.remove(fd);
                loop.cancel(timer);
                loop.post([] {});
                ++count;
            }
        };
        const auto timer = loop.after(1'000, [] {});
        const auto guard = [&] { return std::make_shared<Guard>(loop, fd.get(), timer, destroyed); };
        loop.add(fd.get(), EPOLLIN, [g = guard()](std::uint32_t) {});
        loop.post([g = guard()] {});
        loop.defer([g = guard()] {});
        loop.after(1'000, [g = guard()] {});
    }
    EXPECT_EQ(destroyed, 4);
}

TEST(EventLoop, a_descriptor_that_cannot_be_watched_is_reported_as_broken) {
    EventLoop loop;
    const Fd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)); // epoll refuses regular files
    ASSERT_TRUE(file);
    std::uint32_t seen = 0;
    loop.add(file.get(), EPOLLIN, [&](std::uint32_t events) {
        seen = events;
        loop.remove(file.get());
        loop.stop();
    });
    loop.run();
    EXPECT_NE(seen & EPOLLERR, 0u);
}

TEST(EventLoop, negative_descriptors_and_strangers_are_ignored) {
    EventLoop loop;
    loop.add(-1, EPOLLIN, [](std::uint32_t) { FAIL(); });
    loop.remove(-1);
    loop.remove(9999);
    loop.modify(9999, EPOLLIN);
    loop.after(0, [&] { loop.stop(); });
    loop.run();
}

} // namespace
} // namespace redoubt::net
