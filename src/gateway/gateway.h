// SPDX-License-Identifier: Apache-2.0
// The host process between clients and enclaves: HTTPS in front, frames behind. It routes bytes, keeps sealed
// records, fetches AWS credentials and reference ciphertexts. It decides nothing and holds no key.
#pragma once

#include "base/result.h"
#include "net/endpoint.h"

#include <functional>
#include <string>
#include <vector>

namespace redoubt::gateway {

struct Options {
    net::Endpoint listen;                   // tcp
    std::string certificate_file, key_file; // PEM
    std::vector<net::Endpoint> enclaves;    // at least one
    std::string manifest_file;              // sent to each enclave that has none
    std::string store_path;                 // SQLite file, postgresql://…, or secretsmanager:PREFIX
    std::string receipts_directory;         // where the log of receipts is; empty: none is kept
    bool create_vault = false;              // make a vault when the store has none
    std::string region = "us-east-1";
    // URLs; empty: AWS's own for the region, and http://169.254.169.254 for IMDS.
    std::string secretsmanager_endpoint, sts_endpoint, imds_endpoint;
    // "auto" (aws/credential_chain.h), or the one source to ask: "environment", "web-identity", "container",
    // "imds".
    std::string credential_source = "auto";
    bool credentials_from_environment = false; // the same as credential_source "environment"
    int request_deadline_ms = 10'000;
    std::size_t max_outstanding_per_enclave = 4096; // beyond: 503
    int secret_cache_ms =
        0; // how old a reference ciphertext may be when it is used; 0: fetched after the request came
};

// Serves until stop_fd is readable, then drains. `ready` gets the real address once the listener accepts and
// one enclave can sign. Errors: Io, TlsFailed, StoreFailed, ManifestInvalid,
// Usage.
Status serve(const Options& options, int stop_fd, const std::function<void(const net::Endpoint&)>& ready);

} // namespace redoubt::gateway
