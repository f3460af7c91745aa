// SPDX-License-Identifier: Apache-2.0
#include "host/minder.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/log_limit.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace redoubt::host {

namespace {

constexpr int kLookAgainMs = 20;

std::string end_of(const std::string& program, int status) {
    const std::string name = program.substr(program.rfind('/') + 1);
    if (WIFSIGNALED(status))
        return name + " was ended by signal " + std::to_string(WTERMSIG(status));
    return name + " ended with exit code " + std::to_string(WEXITSTATUS(status));
}

bool exists(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0;
}

bool of_this_user(const net::Fd& socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

constexpr std::size_t kMaxPlan = std::size_t{1} << 20;

Result<std::string> read_plan(int fd) {
    std::string out;
    std::array<char, 4096> buffer{};
    ssize_t n = 0;
    while ((n = read(fd, buffer.data(), buffer.size())) > 0 && out.size() < kMaxPlan)
        out.append(buffer.data(), static_cast<std::size_t>(n));
    if (n != 0)
        return fail(Code::RunnerFailed, "the enclave's plan cannot be read from standard input");
    return out;
}

// Of those that were left open for us; ours alone from here on.
net::Fd inherited(int fd) {
    return net::Fd(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1);
}

} // namespace

Status mind_enclave(const std::string& socket, int orphan_ms, int stop_fd) {
    MinderOptions options;
    options.socket = socket;
    options.orphan_ms = orphan_ms;
    options.first = inherited(kMinderFirstFd);
    options.lock = inherited(kMinderLockFd);
    REDOUBT_TRY(const std::string text, read_plan(STDIN_FILENO));
    REDOUBT_TRY(MinderPlan plan, parse_minder_plan(text));
    net::EventLoop loop;
    Minder minder(loop, std::move(plan), std::move(options));
    return minder.run(stop_fd);
}

Minder::Minder(net::EventLoop& loop, MinderPlan plan, MinderOptions options)
    : loop_(loop), plan_(std::move(plan)), options_(std::move(options)) {
    report_.enclave = plan_.enclave;
    report_.console_file = plan_.console_file;
}

Minder::~Minder() {
    for (const auto timer : {start_timer_, stop_timer_, orphan_timer_, log_timer_})
        if (timer != 0)
            loop_.cancel(timer);
    for (auto& program : programs_)
        if (program->running())
            loop_.remove(program->pidfd()); // and the child's destructor kills it
}

void Minder::after(net::EventLoop::TimerId& timer, int ms, std::function<void()> task) {
    if (timer != 0)
        loop_.cancel(timer);
    timer = loop_.after(ms, [&timer, task = std::move(task)] {
        timer = 0;
        task();
    });
}

Status Minder::run(int stop_fd) {
    net::Endpoint endpoint;
    endpoint.path = options_.socket;
    REDOUBT_TRY(net::Fd listener, net::listen_on(endpoint));
    acceptor_.emplace(loop_, std::move(listener), [this](net::Fd socket) {
        if (of_this_user(socket))
            take(std::move(socket));
    });
    if (options_.first)
        take(std::move(options_.first));
    else
        watchdog_gone();
    loop_.add(stop_fd, EPOLLIN, [this, stop_fd](std::uint32_t) {
        loop_.remove(stop_fd);
        stop(StopHow::Orderly);
    });
    shorten_logs(); // of those before it, which may have ended too soon to be looked at
    deadline_ = monotonic_ms() + kSocketLimitMs;
    after(start_timer_, 0, [this] { next_part(); });
    loop_.run();
    // Nobody new is let in; who holds the slot's lock alone removes its socket.
    acceptor_.reset();
    (void)unlink(options_.socket.c_str());
    return {};
}

void Minder::shorten_logs() {
    for (const auto& part : plan_.parts)
        (void)shorten_log(part.log_file);
    for (const std::string& log_file : plan_.logs)
        (void)shorten_log(log_file);
    (void)shorten_log(plan_.console_file); // where it is one of the above, it is short already
    after(log_timer_, kLogLookMs, [this] { shorten_logs(); });
}

void Minder::next_part() {
    if (report_.state != MinderReport::State::Starting)
        return;
    while (programs_.size() < plan_.parts.size()) {
        const auto& part = plan_.parts[programs_.size()];
        if (!std::ranges::all_of(part.after, exists)) {
            if (monotonic_ms() > deadline_)
                return failed(MinderReport::Failure::SocketsLate, part.log_file);
            return after(start_timer_, kLookAgainMs, [this] { next_part(); });
        }
        ChildOptions options;
        options.arguments = part.arguments;
        options.environment = part.environment;
        options.log_file = part.log_file;
        auto program = spawn(options);
        if (!program)
            return failed(MinderReport::Failure::NotStarted, program.error().describe());
        const std::size_t index = programs_.size();
        programs_.push_back(std::make_unique<Child>(std::move(*program)));
        loop_.add(programs_.back()->pidfd(), EPOLLIN, [this, index](std::uint32_t) { program_ended(index); });
        deadline_ = monotonic_ms() + kSocketLimitMs;
    }
    report_.state = MinderReport::State::Running;
    report_.enclave.id = plan_.kind + "-" + std::to_string(programs_.back()->pid());
    if (plan_.bridge)
        bridge_ = std::make_unique<VsockBridge>(loop_, report_.enclave.endpoint.path, plan_.bridge->vsock,
                                                plan_.bridge->port);
    log(LogLevel::Info, "the enclave runs", {{"id", report_.enclave.id}, {"name", report_.enclave.name}});
    tell();
}

bool Minder::any_runs() const {
    return std::ranges::any_of(programs_, [](const auto& program) { return program->running(); });
}

void Minder::end_programs(int signal) {
    for (auto& program : programs_)
        signal_child(*program, signal);
}

void Minder::failed(MinderReport::Failure failure, std::string why) {
    report_.state = MinderReport::State::Failed;
    report_.failure = failure;
    report_.why = std::move(why);
    end_programs(SIGKILL);
    if (!any_runs())
        finish();
}

void Minder::program_ended(std::size_t index) {
    Child& program = *programs_[index];
    loop_.remove(program.pidfd());
    const int status = reap(program, true);
    if (report_.why.empty())
        report_.why = end_of(plan_.parts[index].arguments[0], status);
    if (report_.state == MinderReport::State::Starting)
        return failed(MinderReport::Failure::EndedAtOnce, report_.why);
    if (!any_runs())
        return finish();
    if (report_.state == MinderReport::State::Running) // the others are of no use without it
        end_programs(SIGKILL);
}

void Minder::stop(StopHow how) {
    if (report_.state == MinderReport::State::Starting || report_.state == MinderReport::State::Running) {
        report_.state = MinderReport::State::Ending;
        tell();
    }
    if (!any_runs())
        return finish();
    end_programs(how == StopHow::AtOnce ? SIGKILL : SIGTERM);
    if (how == StopHow::Orderly)
        after(stop_timer_, kStopLimitMs, [this] { end_programs(SIGKILL); });
}

// Nothing of the enclave runs any more.
void Minder::finish() {
    if (std::exchange(finished_, true))
        return;
    bridge_.reset();
    if (report_.state != MinderReport::State::Failed)
        report_.state = MinderReport::State::Ended;
    log(LogLevel::Info, "the enclave has ended", {{"id", report_.enclave.id}, {"why", report_.why}});
    tell();
    loop_.stop();
}

void Minder::take(net::Fd socket) {
    if (orphan_timer_ != 0)
        loop_.cancel(std::exchange(orphan_timer_, 0));
    watchdog_ = std::make_unique<LineChannel>(
        loop_, std::move(socket), [this](const std::string& line) { hear(line); },
        [this] {
            watchdog_.reset();
            watchdog_gone();
        });
    tell();
}

void Minder::watchdog_gone() {
    after(orphan_timer_, options_.orphan_ms, [this] {
        log(LogLevel::Warning, "no watchdog has come back: the enclave is ended",
            {{"id", report_.enclave.id}, {"after_ms", std::to_string(options_.orphan_ms)}});
        stop(StopHow::Orderly);
    });
}

void Minder::hear(const std::string& line) {
    if (const auto how = parse_minder_stop(line))
        stop(*how);
    else
        log(LogLevel::Warning, "a watchdog said what is not understood", {{"error", how.error().describe()}});
}

void Minder::tell() {
    if (watchdog_)
        watchdog_->send(to_json(report_));
}

} // namespace redoubt::host
