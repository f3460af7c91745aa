// SPDX-License-Identifier: Apache-2.0
// redoubt enclave-minder: what the watchdog starts for each enclave that is a program of this machine
// (host/minder.h). Nobody types it, so no help lists it.
#include "host/minder.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/stop_signal.h"

#include <CLI/CLI.hpp>

#include <csignal>

namespace redoubt::cli {

void add_minder(CLI::App& app, Context& context) {
    struct Options {
        std::string socket;
        int orphan_ms = host::kOrphanMs;
    };
    auto* minder = app.add_subcommand("enclave-minder", "keeps one enclave while watchdogs come and go; "
                                                        "started by redoubt watchdog");
    minder->group(""); // hidden
    auto options = std::make_shared<Options>();
    minder->add_option("--socket", options->socket, "where watchdogs find it")->required();
    minder->add_option("--orphan-ms", options->orphan_ms, "how long the enclave lives without a watchdog")
        ->check(CLI::Range(1, 3'600'000));
    minder->callback([&context, options] {
        set_log_program("enclave-minder");
        (void)std::signal(SIGPIPE, SIG_IGN);
        const net::Fd stop = stop_signal();
        const auto status = host::mind_enclave(options->socket, options->orphan_ms, stop.get());
        context.exit_code = status ? kExitOk : report(status.error(), false);
    });
}

} // namespace redoubt::cli
