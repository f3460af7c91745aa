// SPDX-License-Identifier: Apache-2.0
// Keeps child processes running. A child that ends is started again after 100 ms, then 200 ms, and so on up
// to 5 s; one that lived for 10 s starts over at 100 ms. Stopping is orderly: stage by stage, the highest
// first, each with SIGTERM, a time limit and then SIGKILL. Their log files stay short (log_limit.h).
// Everything happens on one event loop's thread.
//
// No child outlives the supervisor (its destructor kills and reaps what runs) or the process (process.h).
#pragma once

#include "host/process.h"
#include "net/event_loop.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace redoubt::host {

struct SupervisorOptions {
    int first_delay_ms = 100;
    int longest_delay_ms = 5'000;
    int healthy_after_ms = 10'000;                 // a child that lived this long has no failures behind it
    int stop_limit_ms = 5'000;                     // a stage's, from SIGTERM to SIGKILL
    std::size_t log_limit = std::size_t{16} << 20; // of each child's log file, in bytes
    int log_look_ms = 1'000;                       // how often its length is looked at
};

struct SupervisedChild {
    std::string name;
    ChildOptions options; // the descriptors in it must stay open while the supervisor lives
    int stage = 0;        // children of the highest stage are stopped first, those of one stage together
};

// Called on the loop's thread. They may call anything of the supervisor but its destructor.
struct SupervisorEvents {
    std::function<void(const std::string& name, pid_t pid)> started;
    // `status` as waitpid(2) gives it, -1 where a restart failed to start anything; `restart_ms` -1: it will
    // not be started again, for the supervisor is stopping.
    std::function<void(const std::string& name, pid_t pid, int status, int restart_ms)> exited;
};

class Supervisor {
  public:
    // The loop outlives the supervisor.
    Supervisor(net::EventLoop& loop, SupervisorOptions options, SupervisorEvents events);
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    // Starts a child and keeps it running. Errors: Io (the first start failed: it is not kept), ShuttingDown.
    Status add(SupervisedChild child);
    // The children with a name, in the order added; -1 for one that waits for its restart.
    std::vector<pid_t> pids(const std::string& name) const;
    // For a watchdog that found a child not answering; it is then restarted as after any end.
    void signal(pid_t pid, int signal);
    // Ends all; then calls `done`, once, from the loop. A second call replaces `done`.
    void stop(std::function<void()> done);
    bool stopping() const noexcept { return stopping_; }

  private:
    struct Kept;
    Status start(Kept& kept);
    void ended(Kept& kept);
    void restart_later(Kept& kept, pid_t pid, int status);
    void stop_stage();
    void shorten_logs(); // and again, every log_look_ms

    net::EventLoop& loop_;
    SupervisorOptions options_;
    SupervisorEvents events_;
    std::vector<std::unique_ptr<Kept>> kept_;
    std::function<void()> done_;
    net::EventLoop::TimerId stop_timer_ = 0;
    net::EventLoop::TimerId done_timer_ = 0;
    net::EventLoop::TimerId log_timer_ = 0;
    int stage_ = 0;
    bool stopping_ = false;
    bool stop_timer_set_ = false;
    bool done_timer_set_ = false;
};

} // namespace redoubt::host
