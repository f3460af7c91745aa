// SPDX-License-Identifier: Apache-2.0
#include "enclave/sandbox.h"

#include "support/sanitized.h"

#include "support/sanitized.h"
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <functional>

#include <gtest/gtest.h>
#include <memory>
#include <semaphore>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace redoubt;

namespace {

// How a process ended that did `what` on a thread older than its sandbox, as the enclave's are: 0 for true, 1
// for false, above 128 a signal.
int in_sandbox(const std::function<bool()>& what) {
    const pid_t child = fork();
    if (child == 0) {
        std::binary_semaphore go(0);
        std::thread worker([&] {
            go.acquire();
            _exit(what() ? 0 : 1);
        });
        if (!enclave::enter_sandbox(AF_UNIX))
            _exit(2);
        go.release();
        worker.join();
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(Sandbox, memory_may_grow_and_shrink) {
    if (kSanitized)
        GTEST_SKIP() << "not with a sanitizer's malloc";
    const auto churn = [] {
        for (int round = 0; round < 3; ++round) {
            std::vector<std::unique_ptr<char[]>> blocks;
            for (int i = 0; i < 100; ++i)
                blocks.push_back(std::make_unique<char[]>(100'000)); // below malloc's threshold for mmap
        }
        return true;
    };
    EXPECT_EQ(in_sandbox(churn), 0);
}

TEST(Sandbox, no_file_opens_and_no_program_starts) {
    if (kSanitized)
        GTEST_SKIP() << "not with a sanitizer's run time";
    EXPECT_EQ(in_sandbox([] { return open("/proc/self/maps", O_RDONLY) < 0 && errno == EACCES; }), 0);
    EXPECT_EQ(in_sandbox([] { return fork() >= 0; }), 128 + SIGSYS);
    EXPECT_EQ(in_sandbox([] { return execl("/bin/true", "true", nullptr) == 0; }), 128 + SIGSYS);
    EXPECT_EQ(in_sandbox([] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }), 0);
    EXPECT_EQ(in_sandbox([] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }), 128 + SIGSYS);
}

} // namespace
