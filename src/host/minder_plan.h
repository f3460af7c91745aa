// SPDX-License-Identifier: Apache-2.0
// What a watchdog and the minder of one enclave (minder.h) tell each other, as JSON.
//
// The plan is what the minder gets once, when it is started. Then both speak in lines: the minder says how
// the enclave is (MinderReport) to each watchdog that connects, and again whenever that changes; the watchdog
// says that it is to end ({"stop":"orderly"} or {"stop":"at_once"}).
#pragma once

#include "host/enclave_runner.h"

#include <optional>

namespace redoubt::host {

struct MinderPlan {
    // The programs that are the enclave, in the order in which they are started.
    struct Part {
        std::vector<std::string> arguments;   // [0]: the program's path
        std::vector<std::string> environment; // "NAME=value", all of it
        std::string log_file;
        std::vector<std::string> after; // paths that must be there before this program is started
    };
    // Where the enclave's endpoint leads to a port of a guest (vsock_bridge.h).
    struct Bridge {
        std::string vsock; // the simulator's socket
        std::uint32_t port = 0;
    };
    std::string kind; // the enclave's id is this and the last part's pid
    std::vector<Part> parts;
    RunningEnclave enclave;        // its id is filled in by the minder
    std::string console_file;      // whoever writes it appends
    std::vector<std::string> logs; // further files to be kept short, beside console and the parts' logs
    std::optional<Bridge> bridge;
};

struct MinderReport {
    enum class State { Starting, Running, Ending, Ended, Failed } state = State::Starting;
    // Why a start failed.
    enum class Failure { None, SocketsLate, NotStarted, EndedAtOnce } failure = Failure::None;
    RunningEnclave enclave; // without an id while it starts
    std::string console_file;
    std::string why; // Ended, Failed: for people
};

std::string to_json(const MinderPlan& plan);
std::string to_json(const MinderReport& report);
std::string to_json(StopHow how);
// Errors: RunnerFailed; what is unknown or missing is refused.
Result<MinderPlan> parse_minder_plan(std::string_view text);
Result<MinderReport> parse_minder_report(std::string_view text);
Result<StopHow> parse_minder_stop(std::string_view text);
// A failed start's error, as a runner tells it.
Error error_of(const MinderReport& report);

} // namespace redoubt::host
