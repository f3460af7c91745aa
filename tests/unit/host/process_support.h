// SPDX-License-Identifier: Apache-2.0
// What the process tests share.
#pragma once

#include "host/process.h"

#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace redoubt::host::tests {

inline ChildOptions shell(const std::string& script) {
    ChildOptions options;
    options.arguments = {"/bin/sh", "-c", script};
    options.environment = {"PATH=/usr/bin:/bin"};
    return options;
}

// True once the process of this pid has ended, whoever its parent is; false after the time limit.
inline bool ends_within(pid_t pid, int timeout_ms) {
    const net::Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0U)));
    if (!pidfd)
        return errno == ESRCH;
    pollfd one{pidfd.get(), POLLIN, 0};
    return poll(&one, 1, timeout_ms) == 1;
}

struct Pipe {
    net::Fd read_end, write_end;
    Pipe() {
        std::array<int, 2> ends{};
        EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
        read_end = net::Fd(ends[0]);
        write_end = net::Fd(ends[1]);
    }
};

inline std::string read_all(int fd) {
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = read(fd, buffer.data(), buffer.size())) > 0;)
        out.append(buffer.data(), static_cast<std::size_t>(n));
    return out;
}

// Runs to the end and returns what it printed.
inline std::string output_of(ChildOptions options) {
    Pipe out;
    options.descriptors.emplace_back(out.write_end.get(), STDOUT_FILENO);
    auto child = spawn(options);
    EXPECT_TRUE(child) << child.error().describe();
    if (!child)
        return {};
    out.write_end.reset();
    std::string text = read_all(out.read_end.get());
    EXPECT_EQ(reap(*child, true), 0);
    return text;
}

} // namespace redoubt::host::tests
