// SPDX-License-Identifier: Apache-2.0
#include "host/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "process_support.h"
#include "runner_support.h"

#include <string>
#include <vector>

namespace redoubt::host::tests {

namespace {

// A loop that a test drives from its callbacks and that a hanging test cannot hold for ever.
class SupervisorTest : public testing::Test {
  protected:
    SupervisorTest() {
        set_log_level(LogLevel::Error);
        loop.after(20'000, [this] {
            ADD_FAILURE() << "the test took too long";
            loop.stop();
        });
    }
    ~SupervisorTest() override { set_log_level(LogLevel::Info); }

    struct Exit {
        std::string name;
        pid_t pid;
        int status;
        int restart_ms;
        std::int64_t at_ms;
    };

    SupervisorEvents recording() {
        return {.started =
                    [this](const std::string& name, pid_t pid) {
                        started.emplace_back(name, pid);
                        if (on_start)
                            on_start();
                    },
                .exited =
                    [this](const std::string& name, pid_t pid, int status, int restart_ms) {
                        exits.push_back({name, pid, status, restart_ms, monotonic_ms()});
                        if (on_exit)
                            on_exit();
                    }};
    }

    // What a child's script says when its traps are set, and what is done then: a program that was only just
    // started does not have them, and how long that takes is the machine's affair.
    std::string when_ready() const { return ": >" + folder.file("ready") + "; "; }
    void once_ready(std::function<void()> then) {
        if (access(folder.file("ready").c_str(), F_OK) == 0)
            return then();
        loop.after(5, [this, then = std::move(then)] { once_ready(then); });
    }

    static bool gone(pid_t pid) { return kill(pid, 0) == -1 && errno == ESRCH; }

    const Folder folder;
    net::EventLoop loop;
    std::vector<std::pair<std::string, pid_t>> started;
    std::vector<Exit> exits;
    std::function<void()> on_start, on_exit;
};

TEST_F(SupervisorTest, shortens_the_log_of_a_child_that_writes_much) {
    const std::string file = folder.file("log");
    Supervisor supervisor(loop, {.log_limit = 4096, .log_look_ms = 10}, recording());
    auto options = shell("while :; do echo something to be read later; done");
    options.log_file = file;
    ASSERT_TRUE(supervisor.add({"talker", options, 0}));
    std::function<void()> look = [&] {
        if (access((file + ".1").c_str(), F_OK) == 0)
            supervisor.stop([&] { loop.stop(); });
        else
            loop.after(5, look);
    };
    look();
    loop.run();
    EXPECT_EQ(folder.read("log.1").size(), 4096u);
}

TEST_F(SupervisorTest, restarts_a_killed_child_under_a_new_pid) {
    Supervisor supervisor(loop, {}, recording());
    on_start = [&] {
        if (started.size() == 1)
            loop.after(20, [&] { kill(started[0].second, SIGKILL); });
        else
            supervisor.stop([&] { loop.stop(); });
    };
    ASSERT_TRUE(supervisor.add({"sleeper", shell("exec sleep 1000"), 0}));
    EXPECT_EQ(supervisor.pids("sleeper"), std::vector<pid_t>{started[0].second});
    loop.run();
    ASSERT_EQ(started.size(), 2u);
    EXPECT_NE(started[0].second, started[1].second);
    ASSERT_GE(exits.size(), 2u);
    EXPECT_EQ(exits[0].pid, started[0].second);
    ASSERT_TRUE(WIFSIGNALED(exits[0].status));
    EXPECT_EQ(WTERMSIG(exits[0].status), SIGKILL);
    EXPECT_EQ(exits[0].restart_ms, 100);
    EXPECT_EQ(exits[1].restart_ms, -1);
    EXPECT_TRUE(gone(started[0].second));
    EXPECT_TRUE(gone(started[1].second));
}

TEST_F(SupervisorTest, waits_twice_as_long_after_each_failure_up_to_a_limit) {
    SupervisorOptions options;
    options.first_delay_ms = 10;
    options.longest_delay_ms = 80;
    Supervisor supervisor(loop, options, recording());
    on_exit = [&] {
        if (exits.size() == 6)
            supervisor.stop([&] { loop.stop(); });
    };
    const std::int64_t begin = monotonic_ms();
    ASSERT_TRUE(supervisor.add({"failing", shell("exit 1"), 0}));
    loop.run();
    ASSERT_EQ(exits.size(), 6u);
    const int expected[] = {10, 20, 40, 80, 80, 80};
    for (std::size_t i = 0; i < exits.size(); ++i)
        EXPECT_EQ(exits[i].restart_ms, expected[i]) << i;
    EXPECT_GE(exits[5].at_ms - begin, 10 + 20 + 40 + 80 + 80);
}

TEST_F(SupervisorTest, forgets_the_failures_of_a_child_that_lived_long_enough) {
    SupervisorOptions options;
    options.first_delay_ms = 10;
    options.healthy_after_ms = 60;
    Supervisor supervisor(loop, options, recording());
    on_exit = [&] {
        if (exits.size() == 3)
            supervisor.stop([&] { loop.stop(); });
    };
    ASSERT_TRUE(supervisor.add({"short-lived", shell("sleep 0.1"), 0}));
    loop.run();
    ASSERT_EQ(exits.size(), 3u);
    for (const Exit& exit : exits)
        EXPECT_EQ(exit.restart_ms, 10);
}

TEST_F(SupervisorTest, stops_the_highest_stage_first_and_waits_for_it) {
    Supervisor supervisor(loop, {}, recording());
    ASSERT_TRUE(supervisor.add({"below", shell("exec sleep 1000"), 0}));
    ASSERT_TRUE(supervisor.add(
        {"front", shell("trap 'sleep 0.2; exit 0' TERM; " + when_ready() + "while :; do sleep 0.01; done"),
         2}));
    ASSERT_TRUE(supervisor.add({"middle", shell("exec sleep 1000"), 1}));
    once_ready([&] { supervisor.stop([&] { loop.stop(); }); });
    loop.run();
    ASSERT_EQ(exits.size(), 3u);
    EXPECT_EQ(exits[0].name, "front");
    EXPECT_TRUE(WIFEXITED(exits[0].status)) << "it had the time to end in its own way";
    EXPECT_EQ(exits[1].name, "middle");
    EXPECT_EQ(exits[2].name, "below");
}

TEST_F(SupervisorTest, kills_a_child_that_does_not_stop_in_time) {
    SupervisorOptions options;
    options.stop_limit_ms = 150;
    Supervisor supervisor(loop, options, recording());
    ASSERT_TRUE(supervisor.add(
        {"stubborn", shell("trap '' TERM; " + when_ready() + "while :; do sleep 0.05; done"), 0}));
    std::int64_t begin = 0;
    once_ready([&] {
        begin = monotonic_ms();
        supervisor.stop([&] { loop.stop(); });
    });
    loop.run();
    ASSERT_EQ(exits.size(), 1u);
    ASSERT_TRUE(WIFSIGNALED(exits[0].status));
    EXPECT_EQ(WTERMSIG(exits[0].status), SIGKILL);
    EXPECT_GE(exits[0].at_ms - begin, 150);
    EXPECT_LT(exits[0].at_ms - begin, 2'000);
}

TEST_F(SupervisorTest, stopping_while_a_child_waits_for_its_restart_starts_nothing) {
    Supervisor supervisor(loop, {}, recording());
    on_exit = [&] {
        EXPECT_EQ(supervisor.pids("failing"), std::vector<pid_t>{-1});
        supervisor.stop([&] { loop.after(300, [&] { loop.stop(); }); });
    };
    ASSERT_TRUE(supervisor.add({"failing", shell("exit 1"), 0}));
    loop.run();
    EXPECT_EQ(started.size(), 1u);
    const auto refused = supervisor.add({"late", shell("exit 0"), 0});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::ShuttingDown);
}

TEST_F(SupervisorTest, refuses_a_child_that_cannot_be_started_at_all) {
    Supervisor supervisor(loop, {}, recording());
    ChildOptions missing;
    missing.arguments = {"/nonexistent/program"};
    const auto refused = supervisor.add({"missing", missing, 0});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::Io);
    EXPECT_TRUE(supervisor.pids("missing").empty());
}

TEST_F(SupervisorTest, its_end_leaves_no_child_behind) {
    std::vector<pid_t> pids;
    {
        Supervisor supervisor(loop, {}, recording());
        for (int i = 0; i < 5; ++i)
            ASSERT_TRUE(supervisor.add({"stubborn", shell("trap '' TERM; while :; do sleep 1; done"), 0}));
        pids = supervisor.pids("stubborn");
    }
    ASSERT_EQ(pids.size(), 5u);
    for (const pid_t pid : pids)
        EXPECT_TRUE(gone(pid));
}

TEST_F(SupervisorTest, signals_only_its_own_children) {
    auto stranger = spawn(shell("exec sleep 1000"));
    ASSERT_TRUE(stranger);
    Supervisor supervisor(loop, {}, recording());
    ASSERT_TRUE(supervisor.add({"own", shell("exec sleep 1000"), 0}));
    supervisor.signal(stranger->pid(), SIGKILL);
    supervisor.signal(started[0].second, SIGKILL);
    on_exit = [&] { loop.stop(); };
    loop.run();
    EXPECT_EQ(exits.size(), 1u);
    EXPECT_EQ(reap(*stranger, false), -1);
}

} // namespace

} // namespace redoubt::host::tests
