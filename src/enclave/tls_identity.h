// SPDX-License-Identifier: Apache-2.0
// The key of TLS connections that end in this enclave, and its certificate. The key is P-256, drawn here when
// the enclave starts, never stored and never told; what it is worth comes of the attestation document that
// binds it (purpose kPurposeTls), not of the certificate. That is self-signed until a chain for the same key
// is installed.
//
// TLS 1.3 only: no session is resumed, no ticket given, no early data taken. Thread-safe.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "crypto/random.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct evp_pkey_st; // OpenSSL's EVP_PKEY
struct ssl_ctx_st;  // SSL_CTX

namespace redoubt::enclave {

class TlsIdentity {
  public:
    static constexpr std::size_t kMaxChain = 8; // certificates

    // With a certificate that is valid from `now` on and names nobody. Error: TlsFailed.
    static Result<std::unique_ptr<TlsIdentity>> create(crypto::Random& random, UnixMs now);
    ~TlsIdentity();

    const Bytes& public_der() const noexcept { return public_der_; } // SubjectPublicKeyInfo
    const Hash32& digest() const noexcept { return digest_; }        // SHA-256 of it

    // A self-signed certificate for these host names and addresses. Error: TlsFailed.
    Status self_sign(const std::vector<std::string>& hosts, UnixMs now);
    // A PKCS #10 request for a certificate of this key, PEM. Error: TlsFailed.
    Result<std::string> certificate_request(const std::vector<std::string>& hosts) const;
    // Takes a chain for this key: PEM, the key's certificate first, each the next one's issue. It must be
    // valid at `now` and name one of the hosts, if there are any. Gives its end. Errors: Conflict (another
    // key's), InvalidField.
    Result<UnixMs> install(std::string_view chain_pem, const std::vector<std::string>& hosts, UnixMs now);

    // What connections are made with from now on; those that there are keep theirs.
    std::shared_ptr<ssl_ctx_st> context() const;

  private:
    explicit TlsIdentity(evp_pkey_st* key);
    void take(std::shared_ptr<ssl_ctx_st> context);

    evp_pkey_st* key_;
    Bytes public_der_;
    Hash32 digest_;
    mutable std::mutex mutex_;
    std::shared_ptr<ssl_ctx_st> context_;
};

// "host" of "host", "host:port", "[address]" and "[address]:port".
std::string host_of_authority(std::string_view authority);

} // namespace redoubt::enclave
