// SPDX-License-Identifier: Apache-2.0
#include "process_support.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace redoubt::host::tests {

namespace {

std::string line_starting(const std::string& text, const std::string& start) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(start))
            return line;
    return {};
}

TEST(Process, gives_the_exit_status_of_its_child_once) {
    auto child = spawn(shell("exit 7"));
    ASSERT_TRUE(child);
    const int status = reap(*child, true);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
    EXPECT_FALSE(child->running());
    EXPECT_EQ(reap(*child, true), -1);
}

TEST(Process, reap_without_waiting_says_that_a_child_still_runs) {
    auto child = spawn(shell("exec sleep 100"));
    ASSERT_TRUE(child);
    EXPECT_EQ(reap(*child, false), -1);
    EXPECT_TRUE(child->running());
    signal_child(*child, SIGTERM);
    const int status = reap(*child, true);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(Process, a_program_that_does_not_exist_is_an_error_that_names_it) {
    ChildOptions options;
    options.arguments = {"/nonexistent/program"};
    const auto child = spawn(options);
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code, Code::Io);
    EXPECT_NE(child.error().context.find("/nonexistent/program"), std::string::npos);
    EXPECT_FALSE(spawn(ChildOptions{}));
}

TEST(Process, the_child_has_the_environment_given_and_no_other) {
    setenv("REDOUBT_TEST_LEAK", "1", 1);
    ChildOptions options;
    options.arguments = {"/usr/bin/env"};
    options.environment = {"ONE=1", "TWO=two words"};
    EXPECT_EQ(output_of(options), "ONE=1\nTWO=two words\n");
    unsetenv("REDOUBT_TEST_LEAK");
}

TEST(Process, the_child_has_the_descriptors_given_and_no_other) {
    // Inheritable ones, below, between and above those passed on.
    std::vector<net::Fd> leaks;
    for (int number = 40; number < 60; ++number)
        leaks.emplace_back(fcntl(STDERR_FILENO, F_DUPFD, number));
    Pipe a, b;
    ASSERT_EQ(write(a.write_end.get(), "from-a", 6), 6);
    ASSERT_EQ(write(b.write_end.get(), "from-b", 6), 6);
    a.write_end.reset();
    b.write_end.reset();
    // Numbers that cross: each is asked for under the other's number.
    ChildOptions options =
        shell("cat <&" + std::to_string(b.read_end.get()) + "; cat <&" + std::to_string(a.read_end.get()) +
              "; for n in /proc/self/fd/*; do echo ${n##*/}; done | sort -n | tr '\\n' ' '");
    options.descriptors = {{a.read_end.get(), b.read_end.get()}, {b.read_end.get(), a.read_end.get()}};
    const std::string text = output_of(options);
    ASSERT_TRUE(text.starts_with("from-afrom-b")) << text;
    for (int number = 40; number < 60; ++number)
        EXPECT_EQ(text.find(" " + std::to_string(number) + " "), std::string::npos) << text;
}

TEST(Process, refuses_two_descriptors_with_one_number) {
    ChildOptions options = shell("exit 0");
    options.descriptors = {{0, 5}, {1, 5}};
    EXPECT_FALSE(spawn(options));
    options.descriptors = {{0, -1}};
    EXPECT_FALSE(spawn(options));
}

TEST(Process, standard_input_is_empty_unless_given) {
    EXPECT_EQ(output_of(shell("wc -c")), "0\n");
}

TEST(Process, the_child_starts_with_default_signal_handling) {
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto pipe_before = signal(SIGPIPE, SIG_IGN);
    ChildOptions options;
    options.arguments = {"/bin/cat", "/proc/self/status"};
    const std::string status = output_of(options);
    signal(SIGPIPE, pipe_before);
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, &before, &now);
    EXPECT_EQ(line_starting(status, "SigBlk:"), "SigBlk:\t0000000000000000");
    EXPECT_EQ(line_starting(status, "SigIgn:"), "SigIgn:\t0000000000000000");
    EXPECT_TRUE(sigismember(&now, SIGTERM)) << "the parent's own mask was changed";
}

TEST(Process, appends_both_outputs_to_the_log_file) {
    const auto path =
        std::filesystem::temp_directory_path() / ("redoubt-log-" + std::to_string(getpid()) + ".txt");
    for (int i = 0; i < 2; ++i) {
        ChildOptions options = shell("echo out; echo err >&2");
        options.log_file = path;
        auto child = spawn(options);
        ASSERT_TRUE(child);
        reap(*child, true);
    }
    std::ifstream in(path);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(text, "out\nerr\nout\nerr\n");
    const auto permissions = std::filesystem::status(path).permissions();
    EXPECT_EQ(permissions & std::filesystem::perms::all, std::filesystem::perms(0600));
    std::filesystem::remove(path);
}

TEST(Process, a_child_that_goes_out_of_scope_is_ended) {
    pid_t pid = -1;
    {
        auto child = spawn(shell("trap '' TERM; while :; do sleep 1; done"));
        ASSERT_TRUE(child);
        pid = child->pid();
        Child moved = std::move(*child);
        EXPECT_FALSE(child->running());
        EXPECT_TRUE(moved.running());
    }
    EXPECT_EQ(kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

TEST(Process, a_child_ends_when_its_parent_is_killed) {
    Pipe pids;
    const pid_t parent = fork();
    ASSERT_GE(parent, 0);
    if (parent == 0) {
        auto child = spawn(shell("exec sleep 1000"));
        const pid_t pid = child ? child->pid() : -1;
        (void)!write(pids.write_end.get(), &pid, sizeof pid);
        for (;;)
            pause();
    }
    pid_t grandchild = -1;
    ASSERT_EQ(read(pids.read_end.get(), &grandchild, sizeof grandchild),
              static_cast<ssize_t>(sizeof grandchild));
    ASSERT_GT(grandchild, 0);
    EXPECT_FALSE(ends_within(grandchild, 100));
    ASSERT_EQ(kill(parent, SIGKILL), 0);
    ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
    EXPECT_TRUE(ends_within(grandchild, 5'000));
}

TEST(Process, many_children_leave_no_descriptor_behind) {
    const auto open_now = [] {
        const std::filesystem::directory_iterator all("/proc/self/fd");
        return std::distance(begin(all), end(all));
    };
    const auto before = open_now();
    for (int i = 0; i < 50; ++i) {
        auto child = spawn(shell("exit 0"));
        ASSERT_TRUE(child);
        ASSERT_EQ(reap(*child, true), 0);
    }
    EXPECT_EQ(open_now(), before);
}

} // namespace

} // namespace redoubt::host::tests
