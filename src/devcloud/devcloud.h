// SPDX-License-Identifier: Apache-2.0
// devcloud: AWS KMS, Secrets Manager, STS and IMDSv2 for one machine without AWS. A stand-in, named as such;
// never part of the enclave, never reachable in a production configuration. It verifies what AWS verifies:
// SigV4, attestation documents against a development root, and key policies with kms:RecipientAttestation
// conditions.
#pragma once

#include "base/result.h"

#include <functional>
#include <string>

namespace redoubt::devcloud {

struct Options {
    std::string data_dir; // devcloud.db (SQLite, WAL, synchronous full) and the development roots live here
    std::string http_listen = "tcp:127.0.0.1:0"; // every service, plain HTTP, for SDKs on this machine
    std::string tls_listen = "tcp:127.0.0.1:0";  // KMS by TLS, for the enclave through the byte proxy
    std::string tls_certificate, tls_key;        // PEM files
    std::string attestation_root;                // PEM certificate file of the development root
    std::string region = "us-east-1";
    std::string account = "000000000000";
    std::string access_key_id, secret_access_key; // the account's root user, for SDKs
    std::string instance_role =
        "redoubt-instance"; // what IMDS hands out credentials for (an assumed-role principal)
};

struct Started {
    std::string url; // "http://127.0.0.1:PORT": kms, secretsmanager, sts and imds
    std::uint16_t tls_port;
};

// Serves until `stop_fd` becomes readable; calls `ready` once both listeners accept. Error: Io.
Status serve(const Options& options, int stop_fd, const std::function<void(const Started&)>& ready);

} // namespace redoubt::devcloud
