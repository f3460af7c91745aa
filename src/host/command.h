// SPDX-License-Identifier: Apache-2.0
// Runs programs to their end on an event loop: bounded output, a time limit, no shell.
#pragma once

#include "host/process.h"
#include "net/event_loop.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace redoubt::host {

struct CommandResult {
    int status = -1; // as waitpid(2) gives it
    std::string out, err;
    bool timed_out = false; // it was killed
    bool cut = false;       // it wrote more than kMaxOutput: what is here is not all
    bool succeeded() const noexcept { return status == 0 && !timed_out && !cut; }
};

class Commands {
  public:
    static constexpr std::size_t kMaxOutput = 256 * 1024; // of each of the two

    // The loop outlives this. Destroying it kills what runs; its callbacks are dropped.
    explicit Commands(net::EventLoop& loop);
    ~Commands();
    Commands(const Commands&) = delete;
    Commands& operator=(const Commands&) = delete;

    // The program by its path; standard input is empty, PATH is the system's. It is done when the program has
    // ended, though one that it left behind may hold its output open. With `keep_last` what does not fit
    // drops the oldest output instead of being cut. Error (in the callback): Io.
    void run(std::vector<std::string> arguments, int timeout_ms,
             std::function<void(Result<CommandResult>)> done, bool keep_last = false);

  private:
    struct Running;
    void read_some(Running& running, int which);
    void finish(Running& running);

    net::EventLoop& loop_;
    std::vector<std::unique_ptr<Running>> running_;
    std::vector<net::EventLoop::TimerId> failed_;
};

} // namespace redoubt::host
