// SPDX-License-Identifier: Apache-2.0
// Minds one enclave: a process of its own between the watchdog and the programs that are the enclave, so that
// a watchdog that dies takes no enclave with it (as on Nitro). It starts the programs, which live and die
// together and never outlive it (process.h); listens on a unix socket for the watchdog and tells it how the
// enclave is; carries the guest's vsock port (vsock_bridge.h); and keeps the logs short, which it looks at
// every kLogLookMs (log_limit.h).
//
// It ends the enclave and then itself when a program of it ends, when the watchdog says so, on a signal, and
// when no watchdog has been connected for `orphan_ms`: nothing is left behind, whatever dies above it.
// A watchdog that connects takes the place of the one before. Only this user's (or root's) are let in.
#pragma once

#include "host/line_channel.h"
#include "host/minder_plan.h"
#include "host/process.h"
#include "host/vsock_bridge.h"
#include "net/acceptor.h"

#include <memory>

namespace redoubt::host {

inline constexpr int kOrphanMs = 20'000;

struct MinderOptions {
    std::string socket; // where watchdogs find it
    net::Fd first;      // the connection of the watchdog that started it; may be none
    net::Fd lock;       // the slot's (minder_files.h), held until the end
    int orphan_ms = kOrphanMs;
};

class Minder {
  public:
    // The loop outlives it; its thread is the one that starts the programs and lives as long as they.
    Minder(net::EventLoop& loop, MinderPlan plan, MinderOptions options);
    ~Minder();
    Minder(const Minder&) = delete;
    Minder& operator=(const Minder&) = delete;

    // Runs until the enclave has ended, or stop_fd is readable and it then has. Error: Io (the socket).
    Status run(int stop_fd);

    static constexpr int kStopLimitMs = 3'000;    // from SIGTERM to SIGKILL
    static constexpr int kSocketLimitMs = 10'000; // until a program has made what the next one needs
    static constexpr int kLogLookMs = 1'000;

  private:
    void next_part();
    void failed(MinderReport::Failure failure, std::string why);
    void stop(StopHow how);
    void end_programs(int signal);
    void program_ended(std::size_t index);
    bool any_runs() const;
    void finish();
    void take(net::Fd socket);
    void watchdog_gone();
    void hear(const std::string& line);
    void tell();
    void shorten_logs(); // and again, every kLogLookMs
    void after(net::EventLoop::TimerId& timer, int ms, std::function<void()> task);

    net::EventLoop& loop_;
    MinderPlan plan_;
    MinderOptions options_;
    MinderReport report_;
    std::vector<std::unique_ptr<Child>> programs_; // as many as were started; stable for their callbacks
    std::unique_ptr<VsockBridge> bridge_;
    std::unique_ptr<LineChannel> watchdog_;
    std::optional<net::Acceptor> acceptor_;
    bool finished_ = false;
    std::int64_t deadline_ = 0; // for the next part's paths
    net::EventLoop::TimerId start_timer_ = 0, stop_timer_ = 0, orphan_timer_ = 0, log_timer_ = 0; // 0: none
};

// `redoubt enclave-minder`: minds the enclave whose plan is on standard input, until it has ended. Whoever
// started it may have left the first connection and the slot's lock in these descriptors. Errors: Io,
// RunnerFailed.
inline constexpr int kMinderFirstFd = 3;
inline constexpr int kMinderLockFd = 4;
Status mind_enclave(const std::string& socket, int orphan_ms, int stop_fd);

} // namespace redoubt::host
