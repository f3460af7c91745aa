// SPDX-License-Identifier: Apache-2.0
// What becomes of enclaves when the watchdog that started them is not there any more.
#include "host/minder.h"

#include "host/minder_files.h"
#include "local_runner_support.h"

#include <set>
#include <sstream>
#include <sys/un.h>

namespace redoubt::host::tests {

namespace {

using MinderTest = ProcessRunnerTest;

TEST_F(MinderTest, leaves_enclaves_running_and_the_next_runner_takes_them_over) {
    make("echo one; exec sleep 1000");
    const auto first = start(16);
    const auto second = start(17);
    ASSERT_TRUE(first && second);
    runner.reset();
    EXPECT_FALSE(ends_within(pid_of(*first), 200));
    make_runner();
    const auto found = list();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].id, first->id);
    EXPECT_EQ(found[0].name, "e-16");
    EXPECT_EQ(found[0].cid, 16u);
    EXPECT_EQ(found[0].pcr0, first->pcr0);
    EXPECT_EQ(found[0].endpoint.text(), first->endpoint.text());
    EXPECT_EQ(found[1].id, second->id);
    EXPECT_EQ(list().size(), 2u);
    const auto again = start(16); // runs already
    ASSERT_TRUE(again);
    EXPECT_EQ(again->id, first->id);
    std::optional<std::string> console;
    runner->console(first->id, [&](const Result<std::string>& text) { console = text.value(); });
    EXPECT_TRUE(run_until(loop, [&] { return console.has_value(); }));
    EXPECT_EQ(*console, "one\n");
    // It is told of their ends, and ends them, as if it had started them.
    kill(pid_of(*first), SIGKILL);
    EXPECT_TRUE(run_until(loop, [&] { return !ends.empty(); }));
    EXPECT_EQ(ends, (std::vector<std::string>{first->id + ": program was ended by signal 9"}));
    EXPECT_TRUE(stop(second->id, StopHow::Orderly));
    EXPECT_TRUE(ends_within(pid_of(*second), 0));
    EXPECT_TRUE(list().empty());
    EXPECT_EQ(minder_of(16), -1);
    EXPECT_EQ(minder_of(17), -1);
}

TEST_F(MinderTest, finds_the_enclave_of_a_slot_also_without_looking_at_all) {
    make("exec sleep 1000");
    const auto first = start(16);
    ASSERT_TRUE(first);
    make_runner();
    const auto second = start(16);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->id, first->id);
}

TEST_F(MinderTest, an_enclave_without_a_runner_ends_after_a_while_and_not_before) {
    orphan_ms = 1'500;
    make("exec sleep 1000");
    const auto one = start(16);
    ASSERT_TRUE(one);
    const pid_t minder = minder_of(16); // this connection takes the runner's place, and ends
    ASSERT_GT(minder, 0);
    EXPECT_FALSE(ends_within(pid_of(*one), 500));
    make_runner();
    EXPECT_EQ(list().size(), 1u);
    EXPECT_FALSE(ends_within(pid_of(*one), 2'000)); // it has one again
    runner.reset();
    EXPECT_TRUE(ends_within(pid_of(*one), 10'000));
    EXPECT_TRUE(ends_within(minder, 5'000));
    EXPECT_FALSE(std::filesystem::exists(folder.file("e-16.minder.sock")));
}

TEST_F(MinderTest, a_runner_whose_place_was_taken_comes_back) {
    orphan_ms = 2'000;
    make("exec sleep 1000");
    const auto one = start(16);
    ASSERT_TRUE(one);
    ASSERT_GT(minder_of(16), 0);
    EXPECT_FALSE(run_until(
        loop, [&] { return !ends.empty(); }, 3'000));
    EXPECT_TRUE(stop(one->id, StopHow::Orderly));
}

TEST_F(MinderTest, minder_and_enclave_end_together) {
    make("exec sleep 1000");
    const auto one = start(16);
    ASSERT_TRUE(one);
    const pid_t minder = minder_of(16);
    ASSERT_GT(minder, 0);
    EXPECT_EQ(getsid(minder), minder); // of no terminal and no group of ours
    kill(minder, SIGKILL);
    EXPECT_TRUE(ends_within(pid_of(*one), 5'000));
    EXPECT_TRUE(run_until(loop, [&] { return !ends.empty(); }));
    EXPECT_EQ(ends, (std::vector<std::string>{one->id + ": its minder ended"}));
    // What it left behind is in nobody's way.
    EXPECT_TRUE(std::filesystem::exists(folder.file("e-16.minder.sock")));
    EXPECT_TRUE(list().empty());
    EXPECT_FALSE(std::filesystem::exists(folder.file("e-16.minder.sock")));
    EXPECT_TRUE(start(16));
}

TEST_F(MinderTest, a_minder_that_hangs_is_killed_when_it_is_to_end) {
    make("exec sleep 1000");
    const auto one = start(16);
    ASSERT_TRUE(one);
    const pid_t minder = minder_of(16);
    make_runner();
    ASSERT_EQ(list().size(), 1u);
    kill(minder, SIGSTOP);
    EXPECT_TRUE(stop(one->id, StopHow::AtOnce));
    EXPECT_TRUE(ends_within(minder, 0));
    EXPECT_TRUE(ends_within(pid_of(*one), 2'000));
    EXPECT_TRUE(ends.empty());
}

TEST_F(MinderTest, starts_no_second_enclave_in_a_slot_that_another_starts_just_now) {
    make("exec sleep 1000");
    auto lock = lock_slot(minder_lock(folder.path(), "e", 16));
    ASSERT_TRUE(lock);
    const auto refused = start(16);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::RunnerFailed);
    lock->reset();
    EXPECT_TRUE(start(16));
}

TEST_F(MinderTest, ends_all_minders_of_a_folder_whoever_started_them) {
    make("trap '' TERM; while :; do sleep 0.05; done");
    const auto one = start(16);
    const auto two = start(17);
    ASSERT_TRUE(one && two);
    runner.reset();
    EXPECT_EQ(end_minders(folder.path(), "other", 5'000), 0u);
    EXPECT_EQ(end_minders(folder.path(), "e", 5'000), 2u);
    EXPECT_TRUE(ends_within(pid_of(*one), 0));
    EXPECT_TRUE(ends_within(pid_of(*two), 0));
    EXPECT_EQ(end_minders(folder.path(), "", 5'000), 0u);
}

TEST_F(MinderTest, gives_an_enclave_nothing_but_what_it_needs) {
    const net::Fd open_here(open("/dev/null", O_RDONLY)); // inherited, where nobody looks after it
    ASSERT_TRUE(open_here);
    ASSERT_EQ(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
    make("for fd in /proc/$$/fd/*; do [ ! -e $fd ] || readlink $fd; done; env | grep -c NOTIFY; exec sleep "
         "1000");
    const auto one = start(16);
    unsetenv("NOTIFY_SOCKET");
    ASSERT_TRUE(one);
    const pid_t minder = minder_of(16);
    ASSERT_TRUE(run_until(loop, [&] { return folder.read("e-16.log").ends_with("\n0\n"); }));
    std::multiset<std::string> lines;
    std::istringstream text_of(folder.read("e-16.log"));
    for (std::string line; std::getline(text_of, line);)
        lines.insert(line);
    const std::string log_file = folder.file("e-16.log");
    EXPECT_EQ(lines, // the shell itself has its script open
              (std::multiset<std::string>{"/dev/null", log_file, log_file, folder.file("program"), "0"}));
    std::ifstream environment("/proc/" + std::to_string(minder) + "/environ", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(environment), {}};
    EXPECT_EQ(text, std::string("PATH=/usr/bin:/bin\0", 19));
    std::vector<std::string> unknown;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(minder) + "/fd"))
        if (std::error_code error; std::filesystem::read_symlink(entry.path(), error) == "/dev/null" &&
                                   entry.path().filename() != "0")
            unknown.push_back(entry.path().filename());
    EXPECT_EQ(unknown, std::vector<std::string>());
}

TEST_F(MinderTest, no_other_user_is_let_in_to_a_minder) {
    if (geteuid() != 0)
        GTEST_SKIP() << "only root can become somebody else";
    make("exec sleep 1000");
    const auto one = start(16);
    ASSERT_TRUE(one);
    const std::string path = folder.file("e-16.minder.sock");
    ASSERT_EQ(chmod(folder.path().c_str(), 0711), 0);
    ASSERT_EQ(chmod(path.c_str(), 0666), 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    // Gives the number of bytes that the minder says to that user, or an error's.
    const auto said_to = [&](uid_t user) {
        const pid_t child = fork();
        if (child == 0) {
            char buffer[64];
            const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            if (setresuid(user, user, user) != 0 ||
                connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
                _exit(100);
            (void)!write(fd, "{\"stop\":\"at_once\"}\n", user == 0 ? 0 : 20);
            const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
            _exit(n < 0 ? 0 : static_cast<int>(n)); // a connection that is reset says nothing either
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        return WEXITSTATUS(status);
    };
    EXPECT_EQ(said_to(65'534), 0);
    EXPECT_EQ(said_to(0), 64);
    EXPECT_FALSE(ends_within(pid_of(*one), 200));
}

} // namespace

} // namespace redoubt::host::tests
