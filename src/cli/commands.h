// SPDX-License-Identifier: Apache-2.0
// The subcommands. Each adds itself to the application and, when chosen, sets the exit code.
#pragma once

namespace CLI {
class App;
}

namespace redoubt::cli {

struct Context {
    int exit_code = 0;
    const char* program = ""; // argv[0]'s real path, for starting children
};

void add_up(CLI::App& app, Context& context);
void add_services(CLI::App& app, Context& context);            // gateway, vsock-proxy, devcloud
void add_nitro_sim(CLI::App& app, Context& context);           // nitro-sim
void add_devcloud_state(CLI::App& devcloud, Context& context); // devcloud export|import
void add_keys(CLI::App& app, Context& context);                // key …
void add_key_lifecycle(CLI::App& key, Context& context);       // key update|enable|…|export|adopt
void add_vaults(CLI::App& app, Context& context);              // vault list|create|rotate
void add_doctor(CLI::App& app, Context& context);              // doctor
void add_attestation(CLI::App& app, Context& context);         // attestation verify
void add_audit(CLI::App& app, Context& context);               // audit verify|tail|export
void add_manifest(CLI::App& app, Context& context);            // manifest init|check|digest|diff|kms-policy
void add_eif(CLI::App& app, Context& context);                 // eif build|describe|verify|sign|extract
void add_authorize(CLI::App& app, Context& context);           // authorize vault-create|vault-move|…|check
void add_policies(CLI::App& app, Context& context);            // policy init|check|test|diff|…
void add_clients(CLI::App& app, Context& context);             // client add-token|revoke|list|check
void add_watchdog(CLI::App& app, Context& context);            // watchdog
void add_minder(CLI::App& app, Context& context);              // enclave-minder, which no help lists
void add_documentation(CLI::App& app, Context& context);       // completion, man

} // namespace redoubt::cli
