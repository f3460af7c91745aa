// SPDX-License-Identifier: Apache-2.0
#include "host/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace redoubt::host {

namespace {

// By number: glibc 2.36's <sys/pidfd.h> cannot be used from C++ (it lacks the extern "C").
int open_pidfd(pid_t pid) {
    return static_cast<int>(syscall(SYS_pidfd_open, pid, 0U));
}

// What ended a child between fork and exec; sent to the parent as one write.
struct SpawnFailure {
    int error;
    enum Step : int { Descriptors, DeathSignal, Execute } step;
};

// Everything the child needs, made before the fork: afterwards only async-signal-safe calls are allowed, and
// those neither allocate nor lock.
struct Prepared {
    std::vector<char*> arguments;
    std::vector<char*> environment;
    std::vector<std::pair<int, int>> descriptors; // sorted by the number in the child
    std::vector<int> lifted;                      // room for the child's copies of the descriptors
    int first_free = 3;                           // above every number in the child
    int failure_pipe = -1;
    pid_t parent = -1;
    bool outlives = false;
};

[[noreturn]] void give_up(int pipe, SpawnFailure::Step step) {
    const SpawnFailure failure{errno, step};
    (void)!write(pipe, &failure, sizeof failure);
    _exit(127);
}

// Numbers may cross ({3, 4} and {4, 3}): first every descriptor is lifted above all targets, then put down.
// Whatever is open between the targets is closed.
int arrange_descriptors(Prepared& prepared) {
    const int pipe = fcntl(prepared.failure_pipe, F_DUPFD_CLOEXEC, prepared.first_free);
    if (pipe < 0)
        give_up(prepared.failure_pipe, SpawnFailure::Descriptors);
    for (std::size_t i = 0; i < prepared.descriptors.size(); ++i) {
        prepared.lifted[i] = fcntl(prepared.descriptors[i].first, F_DUPFD_CLOEXEC, prepared.first_free);
        if (prepared.lifted[i] < 0)
            give_up(pipe, SpawnFailure::Descriptors);
    }
    int next = 3; // the lowest number not looked at yet
    for (std::size_t i = 0; i < prepared.descriptors.size(); ++i) {
        const int target = prepared.descriptors[i].second;
        if (dup2(prepared.lifted[i], target) < 0)
            give_up(pipe, SpawnFailure::Descriptors);
        if (target > next &&
            close_range(static_cast<unsigned>(next), static_cast<unsigned>(target - 1), 0) != 0)
            give_up(pipe, SpawnFailure::Descriptors);
        next = std::max(next, target + 1);
    }
    // `pipe` is above `next` and closes itself on exec.
    if ((pipe > next && close_range(static_cast<unsigned>(next), static_cast<unsigned>(pipe - 1), 0) != 0) ||
        close_range(static_cast<unsigned>(pipe + 1), ~0U, 0) != 0)
        give_up(pipe, SpawnFailure::Descriptors);
    return pipe;
}

// Runs in the child with every signal blocked.
[[noreturn]] void become(Prepared& prepared) {
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal)
        sigaction(signal, &by_default, nullptr); // fails for SIGKILL and SIGSTOP, as it must
    // glibc keeps signals 32 and 33 for itself and sets them for nobody; what our parent ignored would stay
    // ignored. A zero kernel_sigaction (handler, flags, restorer, mask: 8 bytes each) is the default.
    const std::uint64_t kernel_default[4] = {};
    for (const int signal : {32, 33})
        syscall(SYS_rt_sigaction, signal, kernel_default, nullptr, sizeof kernel_default[3]);
    if (prepared.outlives)
        setsid();
    else
        setpgid(0, 0);
    const int pipe = arrange_descriptors(prepared);
    if (!prepared.outlives) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
            give_up(pipe, SpawnFailure::DeathSignal);
        if (getppid() != prepared.parent)
            _exit(127); // the parent died before the line above: nobody would ever send the signal
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execve(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
    give_up(pipe, SpawnFailure::Execute);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (const std::string& text : texts)
        out.push_back(const_cast<char*>(text.c_str())); // execve does not write through them
    out.push_back(nullptr);
    return out;
}

std::string reason(const std::string& program, int error) {
    return program + ": " + std::strerror(error);
}

} // namespace

Child& Child::operator=(Child&& other) noexcept {
    if (this != &other) {
        Child ended = std::move(*this); // killed at the end of this block
        pid_ = std::exchange(other.pid_, -1);
        pidfd_ = std::move(other.pidfd_);
    }
    return *this;
}

Child::~Child() {
    if (!running())
        return;
    signal_child(*this, SIGKILL);
    reap(*this, true);
}

Result<Child> spawn(const ChildOptions& options) {
    if (options.arguments.empty())
        return fail(Code::Io, "a child process needs a program to run");
    const std::string& program = options.arguments[0];

    const net::Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null)
        return fail(Code::Io, "/dev/null cannot be opened", std::strerror(errno));
    Prepared prepared;
    net::Fd log;
    prepared.descriptors = options.descriptors;
    const auto listed = [&](int number) {
        return std::any_of(options.descriptors.begin(), options.descriptors.end(),
                           [&](const auto& pair) { return pair.second == number; });
    };
    if (!listed(STDIN_FILENO))
        prepared.descriptors.emplace_back(null.get(), STDIN_FILENO);
    if (!options.log_file.empty()) {
        log = net::Fd(open(options.log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
        if (!log)
            return fail(Code::Io, "the child's log file cannot be opened", reason(options.log_file, errno));
        for (const int number : {STDOUT_FILENO, STDERR_FILENO})
            if (!listed(number))
                prepared.descriptors.emplace_back(log.get(), number);
    }
    std::sort(prepared.descriptors.begin(), prepared.descriptors.end(),
              [](const auto& a, const auto& b) { return a.second < b.second; });
    for (std::size_t i = 0; i < prepared.descriptors.size(); ++i)
        if (prepared.descriptors[i].second < 0 ||
            (i > 0 && prepared.descriptors[i].second == prepared.descriptors[i - 1].second))
            return fail(Code::Io, "each descriptor of a child process needs a number of its own",
                        std::to_string(prepared.descriptors[i].second));
    prepared.lifted.resize(prepared.descriptors.size());
    prepared.first_free = std::max(3, prepared.descriptors.back().second + 1);
    prepared.arguments = pointers(options.arguments);
    prepared.environment = pointers(options.environment);
    prepared.parent = getpid();
    prepared.outlives = options.outlives;

    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail(Code::Io, "no pipe could be made for a child process", std::strerror(errno));
    const net::Fd read_end(ends[0]);
    net::Fd write_end(ends[1]);
    prepared.failure_pipe = write_end.get();

    // With every signal blocked no handler of ours runs in the child before it is back to the default.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = fork();
    const int fork_error = errno;
    if (pid == 0)
        become(prepared);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0)
        return fail(Code::Io, "a child process cannot be started", reason(program, fork_error));

    Child child;
    child.pid_ = pid;
    // Until it is reaped the pid is the child's, so the pidfd cannot be another's.
    child.pidfd_ = net::Fd(open_pidfd(pid));
    const int pidfd_error = errno;
    write_end.reset();
    SpawnFailure failure{};
    ssize_t got = 0;
    do
        got = read(read_end.get(), &failure, sizeof failure);
    while (got < 0 && errno == EINTR);
    if (got == static_cast<ssize_t>(sizeof failure)) {
        reap(child, true);
        switch (failure.step) {
        case SpawnFailure::Descriptors:
            return fail(Code::Io, "the descriptors of a child process cannot be arranged",
                        reason(program, failure.error));
        case SpawnFailure::DeathSignal:
            return fail(Code::Io, "a child process cannot be tied to this one",
                        reason(program, failure.error));
        case SpawnFailure::Execute:
            return fail(Code::Io, "the program cannot be executed", reason(program, failure.error));
        }
    }
    if (!child.pidfd_) {
        kill(pid, SIGKILL);
        reap(child, true);
        return fail(Code::Io, "this kernel gives no descriptor for a process (Linux 5.9 or later is needed)",
                    std::strerror(pidfd_error));
    }
    return child;
}

int reap(Child& child, bool wait) {
    if (!child.running())
        return -1;
    int status = 0;
    pid_t ended = 0;
    do
        ended = waitpid(child.pid_, &status, wait ? 0 : WNOHANG);
    while (ended < 0 && errno == EINTR);
    if (ended == 0)
        return -1;
    if (ended < 0)
        status = 255 << 8; // another part of the process has taken the status
    child.pid_ = -1;
    child.pidfd_.reset();
    return status;
}

void signal_child(Child& child, int signal) {
    if (child.running())
        syscall(SYS_pidfd_send_signal, child.pidfd_.get(), signal, nullptr, 0U);
}

} // namespace redoubt::host
