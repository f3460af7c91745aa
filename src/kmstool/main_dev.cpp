// SPDX-License-Identifier: Apache-2.0
// redoubt-kmstool-dev: the same with a software NSM, against devcloud. KMS at AWS refuses its documents. PCR0
// is the measurement of this program's own file, as with redoubt-enclave-dev.
#include "crypto/hash.h"
#include "kmstool/kmstool.h"
#include "nitro/software_nsm.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <unistd.h>

int main(int argc, char** argv) {
    using namespace redoubt;
    (void)harden_process(false);
    (void)std::signal(SIGPIPE, SIG_IGN);
    const auto open_nsm =
        [](const kmstool::Options& options) -> Result<std::unique_ptr<nitro::NsmTransport>> {
        REDOUBT_TRY(const auto root, nitro::load_development_root(options.nsm_root));
        std::ifstream in("/proc/self/exe", std::ios::binary);
        const std::string self{std::istreambuf_iterator<char>(in), {}};
        const nitro::Pcr pcr0 = nitro::pcr_of(crypto::sha384(as_bytes(self)));
        nitro::SoftwareNsmOptions nsm;
        nsm.region = options.region;
        nsm.pcrs = {{0, pcr0}, {1, pcr0}, {2, pcr0}};
        return nitro::make_software_nsm(root, std::move(nsm));
    };
    return kmstool::run(
        {argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)},
        [](const char* name) { return std::getenv(name); }, kmstool::Program::Development, open_nsm,
        STDOUT_FILENO, STDERR_FILENO);
}
