// SPDX-License-Identifier: Apache-2.0
// redoubt doctor: everything between a host and a signature, and what to change where it is not as it should
// be. docs/doctor.md.
#include "aws/environment_credentials.h"
#include "base/json.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/up_files.h"
#include "doctor/checks.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>

namespace redoubt::cli {

namespace {

constexpr std::size_t kMaxReadyFile = 64 * 1024;

struct DoctorOptions {
    doctor::Inputs inputs;
    std::string ready_file, pcr0, pcr16;
    bool administrator = false, json = false, quiet = false;
};

Status read_pcr(const std::string& text, std::optional<Bytes>& into) {
    if (text.empty())
        return {};
    auto bytes = from_hex(text);
    if (!bytes || bytes->size() != 48)
        return fail(Code::Usage, "a PCR is 96 hexadecimal digits");
    into = std::move(*bytes);
    return {};
}

// What `redoubt up` tells of itself. Options that were given stay as they are.
Status fill_from_ready_file(DoctorOptions& options) {
    REDOUBT_TRY(std::string text, doctor::read_file(options.ready_file, kMaxReadyFile));
    json::Document document;
    const auto root = document.parse(text);
    const auto devcloud = root ? root->get("devcloud") : std::nullopt;
    if (!devcloud || !devcloud->is_object())
        return fail(Code::Usage, "the ready file is not one of redoubt up's", options.ready_file);
    const auto text_of = [](const json::Value& object, std::string_view name) {
        const auto value = object.get(name);
        return value && value->is_string() ? std::string(value->text()) : std::string();
    };
    const auto fill = [&](std::string& into, std::string value) {
        if (into.empty())
            into = std::move(value);
    };
    doctor::Inputs& inputs = options.inputs;
    const std::string folder = text_of(*root, "data_dir");
    inputs.process_mode = true;
    inputs.region = text_of(*root, "region");
    inputs.development_suffix = kDevelopmentSuffix;
    inputs.vsock_proxy_config = folder + "/vsock-proxy.yaml";
    fill(inputs.manifest_file, folder + "/manifest.json");
    fill(inputs.store_path, folder + "/store.db");
    fill(inputs.certificate_file, folder + "/tls/gateway.pem");
    fill(inputs.gateway, text_of(*root, "gateway"));
    fill(inputs.gateway_ca_file, text_of(*root, "ca_cert"));
    fill(inputs.attestation_root_file, text_of(*root, "attestation_root"));
    fill(options.pcr0, text_of(*root, "pcr0"));
    fill(options.pcr16, text_of(*root, "pcr16"));
    fill(inputs.kms_endpoint, text_of(*devcloud, "kms"));
    fill(inputs.secretsmanager_endpoint, text_of(*devcloud, "secretsmanager"));
    fill(inputs.sts_endpoint, text_of(*devcloud, "sts"));
    fill(inputs.imds_endpoint, text_of(*devcloud, "imds"));
    // The gateway of `redoubt up` has no variables: the caller's own are not its credentials.
    if (inputs.credential_source == "auto")
        inputs.credential_source = "imds";
    if (!options.administrator) {
        aws::Credentials administrator;
        administrator.access_key_id = text_of(*root, "access_key_id");
        std::string secret = text_of(*root, "secret_access_key");
        administrator.secret_access_key = Secret::take(secret);
        inputs.administrator = std::move(administrator);
    }
    wipe(text);
    return {};
}

Status prepare(DoctorOptions& options) {
    if (options.ready_file.empty())
        if (const char* path = std::getenv("REDOUBT_READY_FILE"))
            options.ready_file = path;
    if (!options.ready_file.empty())
        REDOUBT_CHECK(fill_from_ready_file(options));
    const auto& inputs = options.inputs;
    if (inputs.manifest_file.empty() && inputs.gateway.empty() && inputs.store_path.empty())
        return fail(Code::Usage,
                    "name what to look at: --ready-file FILE of redoubt up; or, on a host, --manifest "
                    "FILE, --store FILE and --gateway URL as the gateway has them (any of them does)");
    REDOUBT_CHECK(read_pcr(options.pcr0, options.inputs.pcr0));
    REDOUBT_CHECK(read_pcr(options.pcr16, options.inputs.pcr16));
    if (options.administrator) {
        REDOUBT_TRY(options.inputs.administrator, aws::credentials_from_environment());
    }
    return {};
}

int run_doctor(DoctorOptions& options) {
    if (const auto status = prepare(options); !status)
        return report(status.error(), options.json);
    const bool lines = !options.json;
    doctor::Report findings(
        [&](const doctor::Finding& finding) {
            if (lines)
                std::printf("%s\n", doctor::text_line(finding).c_str()), std::fflush(stdout);
        },
        [&](const std::string& what) {
            if (!options.quiet)
                std::fprintf(stderr, "doctor: %s …\n", what.c_str());
        });
    doctor::run_checks(options.inputs, findings);
    if (options.json)
        std::printf("%s\n", doctor::json_report(findings).c_str());
    return findings.fine() ? kExitOk : kExitFailed;
}

} // namespace

void add_doctor(CLI::App& app, Context& context) {
    auto* command = app.add_subcommand(
        "doctor", "check everything between this host and a signature, and say what to change");
    auto options = std::make_shared<DoctorOptions>();
    doctor::Inputs& inputs = options->inputs;
    command
        ->add_option("--ready-file", options->ready_file,
                     "ready file of redoubt up: fills in all of the following")
        ->envname("REDOUBT_READY_FILE");
    command->add_option("--manifest", inputs.manifest_file,
                        "the manifest that the gateway gives to enclaves");
    command->add_option("--store", inputs.store_path, "the gateway's SQLite file");
    command->add_option("--gateway", inputs.gateway, "the gateway's URL, https://host:port");
    command->add_option("--ca", inputs.gateway_ca_file,
                        "PEM file: the CA of the gateway's certificate (default: the system's)");
    command->add_option("--certificate", inputs.certificate_file, "PEM file: the gateway's certificate");
    command->add_option("--attestation-root", inputs.attestation_root_file,
                        "PEM file: the attestation root (default: AWS's, by its digest)");
    command->add_option("--pcr0", options->pcr0,
                        "the image's measurement (default: what the enclave attests)");
    command->add_option("--pcr16", options->pcr16,
                        "the manifest's measurement (default: the manifest's digest)");
    command->add_option("--region", inputs.region, "AWS region of Secrets Manager and STS")
        ->capture_default_str();
    command
        ->add_option("--credentials", inputs.credential_source, "where the gateway gets its AWS credentials")
        ->check(CLI::IsMember({"auto", "environment", "web-identity", "container", "imds"}))
        ->capture_default_str();
    command->add_flag(
        "--administrator", options->administrator,
        "the environment holds an administrator's credentials (AWS_ACCESS_KEY_ID and so on): read keys "
        "and their policies with them");
    command->add_option("--kms-endpoint", inputs.kms_endpoint, "URL (default: AWS's of each key's region)");
    command->add_option("--secretsmanager-endpoint", inputs.secretsmanager_endpoint, "URL (default: AWS's)");
    command->add_option("--sts-endpoint", inputs.sts_endpoint, "URL (default: AWS's)");
    command->add_option("--imds-endpoint", inputs.imds_endpoint, "URL (default: http://169.254.169.254)");
    command->add_option("--vsock-proxy-config", inputs.vsock_proxy_config, "the proxy's allow-list")
        ->capture_default_str();
    command->add_option("--timeout-ms", inputs.timeout_ms, "for one exchange")
        ->check(CLI::Range(100, 60'000))
        ->capture_default_str();
    command->add_flag("--json", options->json, "machine-readable output");
    command->add_flag("--quiet", options->quiet, "no progress on stderr");
    command->footer(
        "Exit codes: 0 nothing fails; 1 something fails; 2 wrong usage.\n"
        "Changes nothing and prints no secret. Example, on a Nitro host:\n"
        "  redoubt doctor --manifest manifest.json --store store.db --gateway https://localhost:8443");
    command->callback([&context, options] { context.exit_code = run_doctor(*options); });
}

} // namespace redoubt::cli
