// SPDX-License-Identifier: Apache-2.0
// The host process between clients and enclaves: HTTPS in front, frames behind. It routes bytes, keeps sealed
// records, fetches AWS credentials and reference ciphertexts. It decides nothing and holds no key.
#pragma once

#include "base/result.h"
#include "gateway/node_client.h"
#include "net/endpoint.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace redoubt::gateway {

struct Options {
    net::Endpoint listen;                   // tcp
    std::string certificate_file, key_file; // PEM
    std::string clients_file;               // who may ask for what (docs/clients.md); empty: only on loopback
    std::optional<net::Endpoint> metrics_listen;     // /metrics and /status, plain HTTP
    std::optional<net::Endpoint> tls_enclave_listen; // TLS that ends inside the enclaves
    bool access_log = false;                         // a log line for every request
    std::vector<NodeSetting> nodes;                  // of JSON-RPC's chains, and for sending
    std::uint64_t chain_id = 0;          // of JSON-RPC where a request names none; 0: the first node's
    int replace_after_ms = 0;            // sent and unmined for so long: again with higher fees; 0: never
    std::string most_fee_per_gas;        // in wei, decimal; bumps and filled-in fees go no higher
    std::vector<net::Endpoint> enclaves; // at least one
    std::string enclaves_file;           // read again at a reload (enclave_list.h); empty: they stay
    std::string manifest_file;           // sent to each enclave that has none
    std::string store_path;              // SQLite file, postgresql://…, or secretsmanager:PREFIX
    std::string receipts_directory;      // where the log of receipts is; empty: none is kept
    bool create_vault = false;           // make a vault when the store has none
    std::string region = "us-east-1";
    // URLs; empty: AWS's own for the region, and http://169.254.169.254 for IMDS.
    std::string secretsmanager_endpoint, sts_endpoint, imds_endpoint;
    // "auto" (aws/credential_chain.h), or the one source to ask: "environment", "web-identity", "container",
    // "imds".
    std::string credential_source = "auto";
    bool credentials_from_environment = false; // the same as credential_source "environment"
    int request_deadline_ms = 10'000;
    std::size_t max_outstanding_per_enclave = 4096; // beyond: 503
    bool short_queues = false; // 503 also for what an enclave with too much to do would not begin soon
    int reload_fd =
        -1; // readable (a signalfd): certificate, key, clients and list of enclaves are read again
    int secret_cache_ms =
        0; // how old a reference ciphertext may be when it is used; 0: fetched after the request came
};

// Serves until stop_fd is readable, then drains. `ready` gets the real address once the listener accepts and
// one enclave can sign. Errors: Io, TlsFailed, StoreFailed, ManifestInvalid,
// Usage.
Status serve(const Options& options, int stop_fd, const std::function<void(const net::Endpoint&)>& ready);

} // namespace redoubt::gateway
