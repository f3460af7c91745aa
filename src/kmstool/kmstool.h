// SPDX-License-Identifier: Apache-2.0
// redoubt-kmstool: one attested KMS call, for enclaves that are not Redoubt's.
#pragma once

#include "kmstool/options.h"
#include "nitro/nsm.h"

#include <memory>

namespace redoubt::kmstool {

// What the call goes through.
struct Path {
    nitro::Nsm& nsm;
    net::Endpoint proxy;         // carries bytes to KMS; TLS ends in this process
    std::string tls_roots_pem;   // and no other roots
    std::string endpoint_suffix; // empty: the region's
    int timeout_ms = 10'000;
};

// Asks KMS, with a new recipient key and the NSM's time, and gives what stdout gets: "PLAINTEXT: …\n" or
// "CIPHERTEXT: …\nPLAINTEXT: …\n". Errors: Usage (the ciphertext is not base64), NsmFailed, TlsFailed, those
// of aws::KmsClient.
Result<Secret> ask(const Options& options, const Path& path);

// The whole program. Results go to the descriptor `out`, words to `err`. Returns the exit code.
using OpenNsm = std::function<Result<std::unique_ptr<nitro::NsmTransport>>(const Options& options)>;
int run(std::span<char* const> arguments, const Variables& variables, Program program,
        const OpenNsm& open_nsm, int out, int err);

} // namespace redoubt::kmstool
