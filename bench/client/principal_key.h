// SPDX-License-Identifier: Apache-2.0
// A principal's private key, read once: crypto::sign_with_pem, which the command line has, reads and checks
// it for each signature, and a measurement needs a hundred thousand of them made ready.
#pragma once

#include "base/secret.h"

#include <memory>

struct evp_pkey_st;

namespace redoubt::bench {

class PrincipalKey {
  public:
    PrincipalKey() = default;
    // PEM, PKCS #8, Ed25519 or P-256. What is none ends the program.
    explicit PrincipalKey(const Secret& pem);
    // Ed25519's 64 bytes, or r ‖ s of P-256 with SHA-256. Thread-safe.
    ByteArray<64> sign(ByteView message) const;

  private:
    std::shared_ptr<evp_pkey_st> key_;
};

} // namespace redoubt::bench
