// SPDX-License-Identifier: Apache-2.0
// Enclaves as sandboxed processes (redoubt-enclave-dev), for machines without Nitro.
#pragma once

#include "host/image_file.h"
#include "host/local_runner.h"

namespace redoubt::host {

struct ProcessRunnerOptions {
    std::string program;                // redoubt-enclave-dev
    std::vector<std::string> arguments; // all but --listen
    std::string directory;              // NAME-CID.sock, NAME-CID.log, those of minder_files.h
    std::string name = "redoubt";
    std::string redoubt; // for `redoubt enclave-minder`
    int orphan_ms = kOrphanMs;
};

class ProcessRunner final : public LocalRunner {
  public:
    // The loop outlives the runner.
    ProcessRunner(net::EventLoop& loop, ProcessRunnerOptions options);

  private:
    Result<Plan> plan(std::uint32_t cid) override;
    ProcessRunnerOptions options_;
    ImageFile image_;
};

} // namespace redoubt::host
