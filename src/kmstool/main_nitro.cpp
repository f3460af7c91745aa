// SPDX-License-Identifier: Apache-2.0
// redoubt-kmstool: inside a Nitro Enclave. This program links the /dev/nsm driver and no other NSM.
#include "kmstool/entropy.h"
#include "kmstool/kmstool.h"

#include <csignal>
#include <cstdlib>
#include <unistd.h>

int main(int argc, char** argv) {
    using namespace redoubt;
    // Pages that hold secrets are locked one by one: in somebody else's image there may be little to lock.
    (void)harden_process(false);
    (void)std::signal(SIGPIPE, SIG_IGN);
    const auto open_nsm = [](const kmstool::Options&) -> Result<std::unique_ptr<nitro::NsmTransport>> {
        REDOUBT_TRY(auto for_seed, nitro::open_nsm_device());
        nitro::Nsm nsm(std::move(for_seed));
        (void)kmstool::seed_kernel_random(nsm);
        return nitro::open_nsm_device();
    };
    return kmstool::run(
        {argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)},
        [](const char* name) { return std::getenv(name); }, kmstool::Program::Production, open_nsm,
        STDOUT_FILENO, STDERR_FILENO);
}
