// SPDX-License-Identifier: Apache-2.0
// Enclaves on AWS Nitro, through AWS's own nitro-cli. They outlive this process, and are found again.
#pragma once

#include "host/command.h"
#include "host/enclave_runner.h"
#include "host/nitro_cli.h"

#include <deque>

namespace redoubt::host {

struct NitroRunnerOptions {
    std::string nitro_cli = "/usr/bin/nitro-cli";
    std::string eif;
    unsigned memory_mib = 256, cpus = 2; // of each enclave
    std::string name = "redoubt";
    std::uint32_t first_cid = 16; // the slots: this CID and those that follow
    std::size_t enclaves = 1;
    bool debug = false;         // --debug-mode: never for keys that matter
    std::uint32_t port = 5000;  // where the enclave serves (vsock)
    int run_limit_ms = 120'000; // run-enclave waits for the boot
    int other_limit_ms = 15'000;
    // Empty: vsock:CID:PORT. For a stand-in for nitro-cli: "unix:DIR/enclave-", to which "CID.sock" is added.
    std::string endpoint_prefix;
};

class NitroRunner final : public EnclaveRunner {
  public:
    NitroRunner(net::EventLoop& loop, NitroRunnerOptions options);
    ~NitroRunner() override;

    // Looks first whether the slot's enclave runs already: a start whose answer came too late may have
    // succeeded. One start at a time, the others wait for their turn: nitro-cli takes the boot's signal on
    // one port of the host, and a second boot meanwhile fails. Time limits begin when it is its turn.
    void start(std::uint32_t cid, Started done) override;
    void stop(const std::string& id, StopHow how, Stopped done) override; // both ways the same
    void describe(Described done) override;
    void console(const std::string& id, Console done) override; // debug mode only
    void on_ended(Ended) override {}
    bool outlived() const noexcept override { return true; }

  private:
    Result<RunningEnclave> running_of(const nitro_cli::Described& described) const;
    Status check_ours(const nitro_cli::Described& described) const;
    void next_start();
    void turn_over();
    void run(std::uint32_t cid, Started done);

    struct Waiting {
        std::uint32_t cid;
        Started done;
    };
    NitroRunnerOptions options_;
    std::deque<Waiting> waiting_;
    bool starting_ = false; // a start has its turn
    Commands commands_;
};

} // namespace redoubt::host
