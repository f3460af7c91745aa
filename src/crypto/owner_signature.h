// SPDX-License-Identifier: Apache-2.0
// Signatures by people's keys: Ed25519 (RFC 8032) and ECDSA over P-256 with SHA-256 (RFC 6979 is not asked
// for; r ‖ s, 32 bytes each, as RFC 9421 has it). OpenSSL's. Pure functions, thread-safe.
#pragma once

#include "base/result.h"
#include "base/secret.h"

namespace redoubt::crypto {

// `public_key`: 32 bytes. False for anything else than a right signature, malformed keys included.
bool verify_ed25519(ByteView public_key, ByteView message, const ByteArray<64>& signature) noexcept;
// `public_key`: 65 bytes, uncompressed, on the curve.
bool verify_p256(ByteView public_key, ByteView message, const ByteArray<64>& signature) noexcept;
// A public key that verify_p256 can use: 65 bytes, uncompressed, on the curve.
bool valid_p256_point(ByteView public_key) noexcept;

// Signs with a private key from a PEM file's text (PKCS #8, Ed25519 or P-256, not encrypted). For the command
// line; the enclave only verifies. Error: KeyInvalid.
struct PersonalSignature {
    bool ed25519 = false; // else P-256
    Bytes public_key;     // 32 or 65 bytes
    ByteArray<64> signature{};
};
Result<PersonalSignature> sign_with_pem(const Secret& pem, ByteView message);

} // namespace redoubt::crypto
