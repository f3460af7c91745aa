// SPDX-License-Identifier: Apache-2.0
#include "host/command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace redoubt::host {

struct Commands::Running {
    Child child;
    std::array<net::Fd, 2> output; // out, err; non-blocking
    CommandResult result;
    std::function<void(Result<CommandResult>)> done;
    net::EventLoop::TimerId timer = 0;
    bool keep_last = false;
};

Commands::Commands(net::EventLoop& loop) : loop_(loop) {}

Commands::~Commands() {
    for (auto& running : running_) {
        loop_.remove(running->child.pidfd());
        for (const net::Fd& fd : running->output)
            if (fd)
                loop_.remove(fd.get());
        loop_.cancel(running->timer);
    }
    for (const auto timer : failed_)
        loop_.cancel(timer);
}

void Commands::run(std::vector<std::string> arguments, int timeout_ms,
                   std::function<void(Result<CommandResult>)> done, bool keep_last) {
    auto running = std::make_unique<Running>();
    ChildOptions options;
    options.arguments = std::move(arguments);
    options.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
    std::array<net::Fd, 2> theirs;
    Result<Child> child = fail(Code::Io, "no pipe could be made for a program's output");
    bool pipes = true;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
        std::array<int, 2> ends{};
        pipes = pipes && pipe2(ends.data(), O_CLOEXEC) == 0;
        if (!pipes)
            break;
        running->output[i] = net::Fd(ends[0]);
        theirs[i] = net::Fd(ends[1]);
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        options.descriptors.emplace_back(ends[1], i == 0 ? STDOUT_FILENO : STDERR_FILENO);
    }
    if (pipes)
        child = spawn(options);
    if (!child) { // from the loop, as every answer
        const auto id = std::make_shared<net::EventLoop::TimerId>();
        *id = loop_.after(0, [this, id, error = child.error(), done = std::move(done)] {
            std::erase(failed_, *id);
            done(std::unexpected(error));
        });
        failed_.push_back(*id);
        return;
    }
    running->child = std::move(*child);
    running->done = std::move(done);
    running->keep_last = keep_last;
    Running& kept = *running;
    running_.push_back(std::move(running));
    for (int i = 0; i < 2; ++i)
        loop_.add(kept.output[static_cast<std::size_t>(i)].get(), EPOLLIN,
                  [this, &kept, i](std::uint32_t) { read_some(kept, i); });
    loop_.add(kept.child.pidfd(), EPOLLIN, [this, &kept](std::uint32_t) { finish(kept); });
    kept.timer = loop_.after(timeout_ms, [&kept] {
        kept.result.timed_out = true;
        signal_child(kept.child, SIGKILL); // its end is told by the pidfd
    });
}

void Commands::read_some(Running& running, int which) {
    net::Fd& fd = running.output[static_cast<std::size_t>(which)];
    std::string& into = which == 0 ? running.result.out : running.result.err;
    std::array<char, 16 * 1024> buffer;
    // Not for ever: a program that writes without end must not hold the loop.
    for (std::size_t turn = 0; turn < 2 * kMaxOutput / buffer.size(); ++turn) {
        const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; // nothing there for now
        if (n == 0) {
            loop_.remove(fd.get());
            fd.reset();
            return;
        }
        into.append(buffer.data(), static_cast<std::size_t>(n));
        if (into.size() > kMaxOutput) {
            running.result.cut = running.result.cut || !running.keep_last;
            if (running.keep_last)
                into.erase(0, into.size() - kMaxOutput);
            else
                into.resize(kMaxOutput);
        }
    }
}

void Commands::finish(Running& running) {
    loop_.remove(running.child.pidfd());
    running.result.status = reap(running.child, true);
    loop_.cancel(running.timer);
    for (int i = 0; i < 2; ++i) {
        net::Fd& fd = running.output[static_cast<std::size_t>(i)];
        if (fd)
            read_some(running, i);
        if (fd)
            loop_.remove(fd.get());
        fd.reset();
    }
    const auto found = std::find_if(running_.begin(), running_.end(),
                                    [&](const auto& one) { return one.get() == &running; });
    const std::unique_ptr<Running> ended = std::move(*found);
    running_.erase(found);
    ended->done(std::move(ended->result));
}

} // namespace redoubt::host
