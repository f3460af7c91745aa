// SPDX-License-Identifier: Apache-2.0
// Enclave images in virtual machines, for machines without Nitro: a stock QEMU with the simulator's devices
// (`redoubt nitro-sim`). What boots are the very sections of the EIF that are measured.
#pragma once

#include "host/image_file.h"
#include "host/local_runner.h"

namespace redoubt::host {

struct VmRunnerOptions {
    std::string qemu;    // qemu-system-x86_64, 11 or later
    std::string redoubt; // for `redoubt nitro-sim` and `redoubt enclave-minder`
    std::string eif;
    std::string development_root; // as nitro-sim takes it
    std::string directory;        // a folder NAME-CID for each enclave; short: unix sockets have 107 bytes
    std::string name = "redoubt";
    unsigned memory_mib = 128, cpus = 1;
    std::uint32_t port = 5000; // where the enclave serves (vsock)
    // What the guest reaches at the parent (CID 3): {vsock port, path of a unix socket here}.
    std::vector<std::pair<std::uint32_t, std::string>> parent_ports;
};

// QEMU's command line for an enclave whose sockets and unpacked image are in `folder`.
std::vector<std::string> qemu_arguments(const VmRunnerOptions& options, const std::string& folder,
                                        const std::string& kernel_cmdline);

class VmRunner final : public LocalRunner {
  public:
    VmRunner(net::EventLoop& loop, VmRunnerOptions options);

  private:
    Result<Plan> plan(std::uint32_t cid) override;
    std::string folder_of(std::uint32_t cid) const;

    VmRunnerOptions options_;
};

} // namespace redoubt::host
