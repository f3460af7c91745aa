// SPDX-License-Identifier: Apache-2.0
#include "net/open_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace redoubt::net {
namespace {

// In a process of its own, whose limits are these; its answer, and the soft limit afterwards.
std::pair<std::size_t, std::size_t> with_limits(rlim_t soft, rlim_t hard, std::size_t wanted) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        const rlimit limit{soft, hard};
        std::pair<std::size_t, std::size_t> out{0, 0};
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0) {
            out.first = connections_that_fit(wanted);
            rlimit now{};
            getrlimit(RLIMIT_NOFILE, &now);
            out.second = now.rlim_cur;
        }
        _exit(write(ends[1], &out, sizeof out) == sizeof out ? 0 : 1);
    }
    std::pair<std::size_t, std::size_t> out{0, 0};
    EXPECT_EQ(read(ends[0], &out, sizeof out), static_cast<ssize_t>(sizeof out));
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    close(ends[0]);
    close(ends[1]);
    return out;
}

TEST(OpenFiles, the_soft_limit_rises_as_far_as_is_needed) {
    EXPECT_EQ(with_limits(256, 8'192, 4'096), std::pair(std::size_t{4'096}, 4'096 + kOtherDescriptors));
    EXPECT_EQ(with_limits(8'000, 8'192, 4'096), std::pair(std::size_t{4'096}, std::size_t{8'000}));
}

TEST(OpenFiles, where_the_hard_limit_is_low_fewer_connections_are_taken) {
    EXPECT_EQ(with_limits(256, 2'048, 4'096), std::pair(2'048 - kOtherDescriptors, std::size_t{2'048}));
    EXPECT_EQ(with_limits(256, 256, 4'096), std::pair(std::size_t{128}, std::size_t{256}));
}

} // namespace
} // namespace redoubt::net
