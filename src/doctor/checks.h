// SPDX-License-Identifier: Apache-2.0
// Everything between a host and a signature, looked at in the order in which it is needed. Reads files, asks
// the gateway and AWS; changes nothing, opens no vsock. Blocking. docs/doctor.md lists the checks.
#pragma once

#include "aws/arn.h"
#include "aws/credential_chain.h"
#include "doctor/report.h"
#include "nitro/attestation.h"
#include "trust/key_policy.h"

#include <optional>
#include <set>

namespace redoubt::doctor {

struct Inputs {
    // Process mode (`redoubt up`): no Nitro hardware to look at, stand-ins for AWS.
    bool process_mode = false;

    std::string manifest_file, store_path, certificate_file; // empty: not checked
    std::string gateway, gateway_ca_file;                    // URL; PEM (empty: the system's roots)
    std::string attestation_root_file;                       // PEM; empty: AWS's root, by its digest
    std::optional<Bytes> pcr0, pcr16;                        // the pair that should be measured

    std::string region = "us-east-1"; // of Secrets Manager and STS; KMS regions come from the manifest
    std::string kms_endpoint, secretsmanager_endpoint, sts_endpoint, imds_endpoint; // URLs; empty: AWS's
    std::string credential_source = "auto";
    aws::EnvironmentLookup environment = aws::process_environment;
    // Who reads keys and their policies; nullopt: the gateway's own credentials.
    std::optional<aws::Credentials> administrator;

    std::string vsock_proxy_config = "/etc/nitro_enclaves/vsock-proxy.yaml";
    // Process mode: the certificate name of what the proxy leads to is kms.<region>.<suffix>.
    std::string development_suffix;
    std::string roots_file = "/etc/ssl/certs/ca-certificates.crt";
    std::string system_root; // before /dev, /etc, /sys and /usr: tests
    int timeout_ms = 5'000;  // of one exchange
};

// What one check learns and a later one needs.
struct Knowledge {
    std::optional<trust::Manifest> manifest;
    std::optional<Bytes> measured_pcr0, measured_pcr16; // attested by the running enclave
    std::optional<aws::Credentials> credentials;
    std::string caller;              // ARN
    std::set<std::string> reachable; // URLs that answered
    std::optional<net::TlsContext> tls;
};

void run_checks(const Inputs& inputs, Report& report);

// The parts, in the order of run_checks.
void check_manifest(const Inputs& inputs, Knowledge& known, Report& report);         // manifest
void check_nitro_host(const Inputs& inputs, const Knowledge& known, Report& report); // nitro-*
void check_gateway(const Inputs& inputs, Knowledge& known, Report& report);          // gateway-*, attestation
void check_proxy(const Inputs& inputs, const Knowledge& known, Report& report);      // vsock-proxy
void check_network(const Inputs& inputs, Knowledge& known, Report& report); // dns, kms-reachable, clock, …
void check_credentials(const Inputs& inputs, Knowledge& known, Report& report); // credentials, identity
void check_keys(const Inputs& inputs, const Knowledge& known, Report& report);  // kms-key, kms-policy
void check_store(const Inputs& inputs, const Knowledge& known, Report& report); // store, store-*

// Shared by the parts.
std::string kms_url(const Inputs& inputs, const aws::KmsKeyArn& key);
std::string secretsmanager_url(const Inputs& inputs);
std::string sts_endpoint_url(const Inputs& inputs);
// Roots for https, read once. nullptr for an http URL. Error: Io, TlsFailed.
Result<const net::TlsContext*> tls_for(const std::string& url, const Inputs& inputs, Knowledge& known);
// GET, any status. Errors: Usage, ConnectFailed, TlsFailed, Timeout, BadRequest.
Result<net::HttpResponse> http_get(const std::string& url, const std::string& target,
                                   const net::TlsContext* tls, int timeout_ms);
// RFC 9110 section 5.6.7, IMF-fixdate: "Tue, 24 Nov 2026 23:29:02 GMT".
std::optional<UnixMs> parse_http_date(std::string_view text);
Result<std::string> read_file(const std::string& path, std::size_t limit); // Error: Io

// The first certificate of a PEM text.
struct PemCertificate {
    Bytes der;
    UnixMs not_before = 0, not_after = 0;
};
Result<PemCertificate> read_pem_certificate(const std::string& pem); // Error: Usage

} // namespace redoubt::doctor
