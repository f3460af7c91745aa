// SPDX-License-Identifier: Apache-2.0
// What an enclave says of its own end of a TLS connection, fetched over that connection.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <string>

namespace redoubt::cli {

struct TlsAttestation {
    Bytes document;       // what the other end handed over; nothing of it is verified
    Hash32 spki_sha256{}; // of the key that the connection was made with
    std::string protocol; // "TLSv1.3"
};

// Connects to HOST:PORT, takes whatever certificate is shown, and asks on the same connection for the
// document that carries `nonce`. Errors: Usage, ConnectFailed, TlsFailed, Timeout, what the answer's code
// says, or AttestationInvalid (an answer without a document).
Result<TlsAttestation> fetch_tls_attestation(const std::string& host_and_port, ByteView nonce,
                                             int timeout_ms);

} // namespace redoubt::cli
