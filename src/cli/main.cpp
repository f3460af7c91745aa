// SPDX-License-Identifier: Apache-2.0
// redoubt: the host side and the command line in one program.
#include "base/secret.h"
#include "cli/client.h"
#include "cli/commands.h"

#include <CLI/CLI.hpp>

#include <climits>
#include <unistd.h>

namespace {

constexpr const char* kAbout = "Signs Ethereum transactions with keys that exist in the clear only inside an "
                               "attested AWS Nitro Enclave.\n"
                               "Start with `redoubt up`: the whole system on this machine, without AWS.";
constexpr const char* kFooter =
    "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 an attestation or statement did not verify.\n"
    "Each command explains itself: redoubt COMMAND --help";

std::string own_path() {
    char path[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : std::string("redoubt");
}

} // namespace

int main(int argc, char** argv) {
    (void)redoubt::harden_process(false);
    const std::string program = own_path();
    redoubt::cli::Context context;
    context.program = program.c_str();
    CLI::App app(kAbout, "redoubt");
    app.footer(kFooter);
    app.set_version_flag("--version", "redoubt " REDOUBT_VERSION);
    app.require_subcommand(1);
    redoubt::cli::add_up(app, context);
    redoubt::cli::add_keys(app, context);
    add_vaults(app, context);
    redoubt::cli::add_attestation(app, context);
    redoubt::cli::add_audit(app, context);
    redoubt::cli::add_manifest(app, context);
    redoubt::cli::add_eif(app, context);
    redoubt::cli::add_authorize(app, context);
    redoubt::cli::add_policies(app, context);
    redoubt::cli::add_clients(app, context);
    redoubt::cli::add_services(app, context);
    redoubt::cli::add_nitro_sim(app, context);
    redoubt::cli::add_watchdog(app, context);
    redoubt::cli::add_minder(app, context);
    redoubt::cli::add_doctor(app, context);
    redoubt::cli::add_documentation(app, context);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) { // CLI11's way to end parsing; it goes no further than here
        return app.exit(error) == 0 ? redoubt::cli::kExitOk : redoubt::cli::kExitUsage;
    }
    return context.exit_code;
}
