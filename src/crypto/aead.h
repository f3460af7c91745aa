// SPDX-License-Identifier: Apache-2.0
// AES-256-GCM (NIST SP 800-38D), 12-byte nonce, 16-byte tag after the ciphertext.
#pragma once

#include "base/result.h"
#include "base/secret.h"

namespace redoubt::crypto {

inline constexpr std::size_t kAeadKeySize = 32;
inline constexpr std::size_t kAeadNonceSize = 12;
inline constexpr std::size_t kAeadTagSize = 16;

// key.size() == 32. A nonce must never repeat under one key. Returns ciphertext ‖ tag.
Bytes aead_seal(const Secret& key, const ByteArray<12>& nonce, ByteView aad, ByteView plaintext);
// Error: RecordInvalid (one code for every way in which authentication can fail).
Result<Secret> aead_open(const Secret& key, const ByteArray<12>& nonce, ByteView aad, ByteView sealed);

} // namespace redoubt::crypto
