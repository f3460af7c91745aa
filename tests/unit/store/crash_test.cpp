// SPDX-License-Identifier: Apache-2.0
// What a change acknowledged is there after kill -9, at whatever moment it strikes, and no half of another.
#include "store_support.h"

#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace redoubt::store::tests {
namespace {

// Goes through a script and reports each acknowledged step; never returns.
[[noreturn]] void write_forever(const std::string& path, const Script& script, int pipe) {
    auto store = open_sqlite_store(path);
    if (!store)
        _exit(1);
    for (std::uint32_t i = 0;; ++i) {
        if (!script.step(**store, i))
            _exit(2);
        if (write(pipe, &i, sizeof i) != sizeof i)
            _exit(3);
    }
}

TEST(SqliteStore, loses_nothing_acknowledged_when_its_process_is_killed) {
    const Folder folder;
    Script::Keys expected;
    for (std::uint32_t round = 0; round < 8; ++round) {
        const Script script(round * 1'000'000);
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            close(ends[0]);
            write_forever(folder.file(), script, ends[1]);
        }
        close(ends[1]);
        // At least one step, then a different moment in each round.
        std::uint32_t number = 0, acknowledged = 0;
        const std::uint32_t until = 1 + round * 7;
        while (acknowledged < until && read(ends[0], &number, sizeof number) == sizeof number)
            acknowledged = number + 1;
        std::this_thread::sleep_for(std::chrono::microseconds(137 * round));
        ASSERT_EQ(kill(child, SIGKILL), 0);
        while (read(ends[0], &number, sizeof number) == sizeof number)
            acknowledged = number + 1;
        close(ends[0]);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed by itself: " << WEXITSTATUS(status);
        EXPECT_GE(acknowledged, until);

        const auto store = open(folder.file());
        ASSERT_NE(store, nullptr);
        Script::Keys more = expected;
        script.apply(expected, acknowledged);
        script.apply(more, acknowledged + 1); // done, and killed before it could be told
        const auto found = Script::read(*store);
        EXPECT_TRUE(found == expected || found == more) << "round " << round << " step " << acknowledged;
        expected = found;
    }
}

TEST(SqliteStore, several_processes_may_open_a_new_file_at_once) {
    const Folder folder;
    std::vector<pid_t> children;
    for (std::uint32_t i = 0; i < 6; ++i) {
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            auto store = open_sqlite_store(folder.file());
            _exit(store && (*store)->put_key(key_record(key_id(i), i)) ? 0 : 1);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    EXPECT_EQ(all_keys(*open(folder.file())).size(), 6u);
}

} // namespace
} // namespace redoubt::store::tests
