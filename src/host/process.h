// SPDX-License-Identifier: Apache-2.0
// Child processes that cannot outlive their parent (PR_SET_PDEATHSIG) unless they are to, with explicit
// descriptors and environment.
//
// The kernel ties a child to the *thread* that started it: call spawn from a thread that lives as long as the
// child should (the main thread, an event loop's). SIGCHLD must not be ignored by the process.
#pragma once

#include "base/result.h"
#include "net/endpoint.h"

#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace redoubt::host {

struct ChildOptions {
    std::vector<std::string> arguments;           // argv; [0] is the program's path (no search in PATH)
    std::vector<std::string> environment;         // "NAME=value", the whole environment; nothing is inherited
    std::vector<std::pair<int, int>> descriptors; // {ours, number in the child} beside 0–2; may replace 0–2
    std::string log_file;                         // stdout and stderr are appended there; empty: inherited
    bool outlives = false;                        // lives on, in a session of its own, when the parent ends
};

// Destroying a running child kills it (SIGKILL) and waits for its end.
class Child {
  public:
    Child() = default;
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
    Child& operator=(Child&& other) noexcept;
    ~Child();
    pid_t pid() const noexcept { return pid_; }
    bool running() const noexcept { return pid_ > 0; }
    // A pidfd: readable once the child has ended. For event loops; remove it from the loop before reap().
    int pidfd() const noexcept { return pidfd_.get(); }
    // Gives it up: it is neither killed nor reaped by us any more.
    void leave() noexcept {
        pid_ = -1;
        pidfd_.reset();
    }

  private:
    friend Result<Child> spawn(const ChildOptions&);
    friend int reap(Child&, bool);
    friend void signal_child(Child&, int);
    pid_t pid_ = -1;
    net::Fd pidfd_;
};

// The child gets standard input from /dev/null, a process group of its own (a terminal's Ctrl-C reaches the
// parent alone, which then stops its children in order), default signal handlers and an empty signal mask,
// and no descriptor but 0–2 and those listed. A program that cannot be executed is an error here, not an exit
// of the child. Error: Io.
Result<Child> spawn(const ChildOptions& options);
// Waits for the end if `wait`, else only asks. Returns the exit status as waitpid(2) gives it, or -1 while it
// runs or when there is no child. After an exit status the child is no longer running().
int reap(Child& child, bool wait);
void signal_child(Child& child, int signal); // through the pidfd: never another process with a reused pid

} // namespace redoubt::host
