// SPDX-License-Identifier: Apache-2.0
#include "host/command.h"

#include "base/clock.h"
#include "process_support.h"

#include <fstream>
#include <functional>

namespace redoubt::host::tests {

namespace {

class CommandTest : public testing::Test {
  protected:
    Result<CommandResult> run(const std::string& script, int timeout_ms = 20'000, bool keep_last = false) {
        std::optional<Result<CommandResult>> out;
        commands.run(
            {"/bin/sh", "-c", script}, timeout_ms,
            [&](Result<CommandResult> result) {
                out = std::move(result);
                loop.stop();
            },
            keep_last);
        loop.run();
        return *out;
    }
    net::EventLoop loop;
    Commands commands{loop};
};

TEST_F(CommandTest, gives_both_outputs_and_the_exit_code) {
    const auto result = run("echo out; echo err >&2; exit 3");
    ASSERT_TRUE(result);
    EXPECT_EQ(result->out, "out\n");
    EXPECT_EQ(result->err, "err\n");
    EXPECT_EQ(WEXITSTATUS(result->status), 3);
    EXPECT_FALSE(result->succeeded());
    EXPECT_TRUE(run("true")->succeeded());
}

TEST_F(CommandTest, kills_what_takes_too_long_and_keeps_what_it_said) {
    const std::int64_t begin = monotonic_ms();
    const auto result = run("echo so far; exec sleep 1000", 3'000);
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->timed_out);
    EXPECT_FALSE(result->succeeded());
    EXPECT_EQ(result->out, "so far\n");
    EXPECT_LT(monotonic_ms() - begin, 10'000);
}

TEST_F(CommandTest, cuts_output_without_end) {
    const auto result = run("head -c 3000000 /dev/zero");
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->cut);
    EXPECT_FALSE(result->succeeded());
    EXPECT_EQ(result->out.size(), Commands::kMaxOutput);
}

TEST_F(CommandTest, keeps_the_last_output_where_that_is_asked_for) {
    const auto result = run("head -c 1000000 /dev/zero; echo last", 20'000, true);
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->cut);
    EXPECT_TRUE(result->out.ends_with("last\n"));
    EXPECT_EQ(result->out.size(), Commands::kMaxOutput);
}

TEST_F(CommandTest, is_done_when_the_program_has_ended_though_another_holds_its_output) {
    const std::int64_t begin = monotonic_ms();
    const auto result = run("echo $$; sleep 5 & exit 0");
    ASSERT_TRUE(result);
    EXPECT_TRUE(result->succeeded());
    EXPECT_LT(monotonic_ms() - begin, 4'000);
}

TEST_F(CommandTest, tells_of_a_program_that_is_not_there) {
    std::optional<Result<CommandResult>> out;
    commands.run({"/nonexistent/program"}, 1'000, [&](Result<CommandResult> result) {
        out = std::move(result);
        loop.stop();
    });
    EXPECT_FALSE(out); // from the loop, never at once
    loop.run();
    ASSERT_TRUE(out);
    ASSERT_FALSE(*out);
    EXPECT_EQ(out->error().code, Code::Io);
}

TEST(Commands, leaves_nothing_running_when_it_is_destroyed) {
    const std::string file = testing::TempDir() + "/command-pid-" + std::to_string(getpid());
    net::EventLoop loop;
    {
        Commands commands(loop);
        commands.run({"/bin/sh", "-c", "echo $$ >" + file + "; exec sleep 1000"}, 60'000,
                     [](const Result<CommandResult>&) { FAIL() << "it is dropped"; });
        const std::int64_t limit = monotonic_ms() + 20'000;
        std::function<void()> look = [&] {
            std::string line;
            std::ifstream in(file);
            if ((std::getline(in, line) && !in.eof()) || monotonic_ms() > limit)
                loop.stop();
            else
                loop.after(10, look);
        };
        look();
        loop.run();
    }
    const pid_t pid = static_cast<pid_t>(std::strtol(output_of(shell("cat " + file)).c_str(), nullptr, 10));
    ASSERT_GT(pid, 1);
    EXPECT_TRUE(ends_within(pid, 2'000));
    (void)unlink(file.c_str());
}

} // namespace

} // namespace redoubt::host::tests
