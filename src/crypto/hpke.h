// SPDX-License-Identifier: Apache-2.0
// Hybrid Public Key Encryption, RFC 9180: base mode, DHKEM(X25519, HKDF-SHA256) (0x0020), HKDF-SHA256
// (0x0001), AES-256-GCM (0x0002), one message a context. X25519, HMAC and AES-GCM are OpenSSL's; this file
// only strings them together as the RFC says. Interoperates with npm's @hpke/core
// (tests/e2e/long/import.test.mjs).
#pragma once

#include "base/result.h"
#include "crypto/random.h"

namespace redoubt::crypto {

using X25519Public = ByteArray<32>;

struct HpkeMessage {
    X25519Public encapsulated{}; // the RFC's enc
    Bytes ciphertext;            // with the tag
};

// A secret of 32 bytes is a private key as it is: X25519 clamps it.
Result<X25519Public> x25519_public(const Secret& private_key); // Error: KeyInvalid

// Errors: InvalidField (a public key that has no secret with anyone: one of small order).
Result<HpkeMessage> hpke_seal(const X25519Public& recipient, ByteView info, ByteView aad,
                              const Secret& plaintext, Random& random);
// Error: InvalidField, one sentence for every way in which it does not open.
Result<Secret> hpke_open(const Secret& private_key, const HpkeMessage& message, ByteView info, ByteView aad);

} // namespace redoubt::crypto
