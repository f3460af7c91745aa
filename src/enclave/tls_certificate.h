// SPDX-License-Identifier: Apache-2.0
// Certificates (RFC 5280) and requests for them (RFC 2986) for the enclave's TLS key. Pure functions.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/openssl.h"

#include <string>
#include <vector>

namespace redoubt::enclave {

using Certificate = std::unique_ptr<X509, crypto::Releaser<X509_free>>;

Bytes public_key_der(EVP_PKEY* key); // SubjectPublicKeyInfo

// `hosts`: DNS names and numeric addresses; what is neither is left out. Error: TlsFailed.
Result<Certificate> self_signed_certificate(EVP_PKEY* key, const std::vector<std::string>& hosts, UnixMs now);
Result<std::string> certificate_request_pem(EVP_PKEY* key, const std::vector<std::string>& hosts);

// PEM certificates, 1 to `most`, and nothing between or after them but white space. Error: InvalidField.
Result<std::vector<Certificate>> read_chain(std::string_view pem, std::size_t most);
// All valid at `now`, each signed by the next, and the first naming one of the hosts unless there are none.
// Error: InvalidField.
Status check_chain(const std::vector<Certificate>& chain, const std::vector<std::string>& hosts, UnixMs now);
UnixMs end_of(const Certificate& certificate); // when its validity ends

} // namespace redoubt::enclave
