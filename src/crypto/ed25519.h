// SPDX-License-Identifier: Apache-2.0
// An Ed25519 key (RFC 8032) that signs in the enclave: receipts' heads. OpenSSL's. Signing is thread-safe and
// deterministic; verify with crypto::verify_ed25519.
#pragma once

#include "crypto/random.h"

struct evp_pkey_st; // OpenSSL's EVP_PKEY

namespace redoubt::crypto {

class Ed25519Key {
  public:
    static Ed25519Key generate(Random& random);
    // `seed`: RFC 8032's private key, 32 bytes; another size ends the process.
    static Ed25519Key from_seed(const Secret& seed);
    Ed25519Key(Ed25519Key&&) noexcept;
    Ed25519Key& operator=(Ed25519Key&&) noexcept;
    ~Ed25519Key();

    const ByteArray<32>& public_key() const noexcept { return public_key_; }
    ByteArray<64> sign(ByteView message) const;

  private:
    explicit Ed25519Key(evp_pkey_st* key);
    evp_pkey_st* key_ = nullptr;
    ByteArray<32> public_key_{};
};

} // namespace redoubt::crypto
