// SPDX-License-Identifier: Apache-2.0
// What put_* acknowledged is there after kill -9, at whatever moment it strikes.
#include "store_support.h"

#include <csignal>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace redoubt::store::tests {
namespace {

// Writes keys numbered from `first` and reports each acknowledged number; never returns.
[[noreturn]] void write_forever(const std::string& path, std::uint32_t first, int pipe) {
    auto store = open_sqlite_store(path);
    if (!store)
        _exit(1);
    for (std::uint32_t i = first;; ++i) {
        if (!(*store)->put_key(key_record(key_id(i), i)))
            _exit(2);
        if (write(pipe, &i, sizeof i) != sizeof i)
            _exit(3);
    }
}

TEST(SqliteStore, loses_nothing_acknowledged_when_its_process_is_killed) {
    const Folder folder;
    std::set<std::uint32_t> acknowledged;
    for (std::uint32_t round = 0; round < 8; ++round) {
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            close(ends[0]);
            write_forever(folder.file(), round * 1'000'000, ends[1]);
        }
        close(ends[1]);
        // At least one record, then a different moment in each round.
        std::size_t received = 0;
        std::uint32_t number = 0;
        const std::size_t until = 1 + round * 7;
        while (received < until && read(ends[0], &number, sizeof number) == sizeof number) {
            acknowledged.insert(number);
            ++received;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(137 * round));
        ASSERT_EQ(kill(child, SIGKILL), 0);
        while (read(ends[0], &number, sizeof number) == sizeof number)
            acknowledged.insert(number);
        close(ends[0]);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed by itself: " << WEXITSTATUS(status);
        EXPECT_GE(received, until);

        const auto store = open(folder.file());
        ASSERT_NE(store, nullptr);
        std::set<std::uint32_t> stored;
        const auto listed = store->list_keys(std::nullopt, 1'000'000);
        ASSERT_TRUE(listed) << listed.error().describe();
        for (const auto& key : *listed)
            stored.insert(static_cast<std::uint32_t>(key.head.created));
        for (const std::uint32_t i : acknowledged)
            EXPECT_TRUE(stored.contains(i)) << i;
        // One more at most in each round: written, and killed before it could be told.
        EXPECT_LE(stored.size(), acknowledged.size() + round + 1);
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
    EXPECT_EQ(open(folder.file())->list_keys(std::nullopt, 100).value().size(), 6u);
}

} // namespace
} // namespace redoubt::store::tests
