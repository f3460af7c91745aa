// SPDX-License-Identifier: Apache-2.0
// Signs the command line's requests as a principal of a key's policy, or of the manifest
// (docs/signing-requests.md).
#pragma once

#include "base/secret.h"
#include "net/http.h"

namespace redoubt::cli {

struct RequestSigner {
    std::string id; // the principal's, as the policy or the manifest has it
    Secret pem;     // its private key, PKCS #8
};

// "ID:FILE", FILE a PEM file of an Ed25519 or P-256 key. Errors: Usage, Io.
Result<RequestSigner> read_signer(const std::string& text);
// Adds content-digest, signature-input and signature. `nonce`: fresh, or the enclave's challenge. Error:
// KeyInvalid.
Status sign_request(net::HttpRequest& request, const RequestSigner& signer, std::string_view nonce);

} // namespace redoubt::cli
