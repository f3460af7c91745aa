// SPDX-License-Identifier: Apache-2.0
// How enclaves are started and ended on this machine: as processes (process_runner.h), in virtual machines
// (vm_runner.h), or on Nitro through nitro-cli (nitro_runner.h). Asynchronous: every call returns at once and
// its callback comes later, from the loop, once. Errors: RunnerFailed with a sentence that says what to do,
// and those of the image file (image_file.h).
#pragma once

#include "base/result.h"
#include "net/endpoint.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace redoubt::host {

struct RunningEnclave {
    std::string id;         // the runner's own: "i-…-enc…" on Nitro, "process-PID", "vm-PID"
    std::string name;       // "PREFIX-CID" of one that a watchdog started
    std::uint32_t cid = 0;  // the slot that it fills
    net::Endpoint endpoint; // where it serves
    std::string pcr0;       // what runs: 96 lower-case hex digits, as the runner measured it
    bool debug = false;     // the host reads its console and memory; its own NSM reports PCR0 as zero
    bool ending = false;    // told to end, and not gone yet
};

enum class StopHow { Orderly, AtOnce };

class EnclaveRunner {
  public:
    using Started = std::function<void(Result<RunningEnclave>)>;
    using Stopped = std::function<void(Status)>;
    using Described = std::function<void(Result<std::vector<RunningEnclave>>)>;
    using Console = std::function<void(Result<std::string>)>;
    // `why`: for people.
    using Ended = std::function<void(const std::string& id, const std::string& why)>;

    virtual ~EnclaveRunner() = default;
    // Starts one in a slot. Where that slot's enclave runs already it is the answer, not a second one.
    virtual void start(std::uint32_t cid, Started done) = 0;
    // Success: it is gone, and so it is where it was gone before.
    virtual void stop(const std::string& id, StopHow how, Stopped done) = 0;
    // All enclaves of this machine that the runner knows of, those of others included. An error means that
    // nothing is known, never that none runs.
    virtual void describe(Described done) = 0;
    // The last of what the enclave wrote to its console, at most kConsoleTail bytes.
    virtual void console(const std::string& id, Console done) = 0;
    // Told of each end that nobody asked for, where the runner notices (processes, VMs); on Nitro only
    // describe() shows it.
    virtual void on_ended(Ended ended) = 0;
    // Whether enclaves run on when this process ends: they are found again with describe().
    virtual bool outlived() const noexcept = 0;
    // Whether there is a console to read of enclaves that are not in debug mode.
    virtual bool keeps_consoles() const noexcept { return false; }

    static constexpr std::size_t kConsoleTail = 16 * 1024;
};

// "PREFIX-CID".
inline std::string enclave_name(const std::string& prefix, std::uint32_t cid) {
    return prefix + "-" + std::to_string(cid);
}

} // namespace redoubt::host
