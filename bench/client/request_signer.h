// SPDX-License-Identifier: Apache-2.0
// Requests signed as docs/signing-requests.md has it: by a principal's own key, or by sessions that it agreed
// with the enclave.
#pragma once

#include "base/secret.h"
#include "client/principal_key.h"
#include "client/spec.h"

namespace redoubt::bench {

inline constexpr int kSignatureSeconds = 300; // that a signed request may be sent for: the longest there is

// What makes one request's headers, without an allocation of its own: there are hundreds of thousands.
struct Signed {
    std::uint64_t nonce = 0;
    std::uint32_t signer = 0; // which session
    std::uint8_t digest_size = 0, signature_size = 0;
    char digest[54];         // "sha-256=:…:"
    char signature_text[96]; // "sig=:…:"

    std::string_view content_digest() const noexcept { return {digest, digest_size}; }
    std::string_view signature() const noexcept { return {signature_text, signature_size}; }
};

class RequestSigner {
  public:
    // By the principal's own key.
    RequestSigner(std::string key_id, const Secret& pem);
    // By sessions, of which requests take turns.
    struct Session {
        std::string id;
        Secret key;
    };
    explicit RequestSigner(std::vector<Session> sessions);

    // Signatures made from now on begin now.
    void begin();
    // `nonce` must be another one each time. Thread-safe.
    Signed sign(std::string_view authority, std::string_view path, std::string_view body,
                std::uint64_t nonce) const;
    void append_input(std::string& out, const Signed& made) const; // the header signature-input's value

  private:
    void append_parameters(std::string& out, std::uint32_t signer, std::uint64_t nonce) const;

    std::vector<std::string> key_ids_;
    std::vector<Secret> session_keys_; // one each, or none
    PrincipalKey key_;                 // of one that has no sessions
    std::string before_nonce_;         // of signature-input
    std::vector<std::string> after_nonce_;
};

} // namespace redoubt::bench
