// SPDX-License-Identifier: Apache-2.0
// The symmetric CiphertextBlob of devcloud's KMS: AES-256-GCM, bound to the key, its material and the
// encryption context. It has the length and the first bytes of AWS's (overhead 152 bytes, "AQICAHg…"), and
// names itself, so that nobody takes one for AWS's.
//
//   offset  size
//   0       5     01 02 02 00 78
//   5       38    "(redoubt devcloud: no blob of AWS KMS)"
//   43      16    key id (the UUID's bytes)
//   59      32    key material id
//   91      1     version of this layout, 1
//   92      32    salt: the message key is HKDF-SHA-256(material, salt, "redoubt devcloud kms")
//   124     12    nonce
//   136     n     ciphertext, as long as the plaintext
//   136+n   16    tag; the authenticated data are bytes 0…135 and the encoded encryption context
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "crypto/random.h"

#include <map>
#include <optional>
#include <string>

namespace redoubt::devcloud {

using EncryptionContext = std::map<std::string, std::string>;

inline constexpr std::size_t kCiphertextOverhead = 152;

struct CiphertextNames {
    std::string key_id;      // UUID
    std::string material_id; // 64 lower-case hex digits
};

// Which key a blob asks for; nothing is authenticated yet. nullopt: not one of ours.
std::optional<CiphertextNames> read_ciphertext_names(ByteView blob);

// `names` must be well formed: a UUID and 64 hex digits.
Bytes seal_ciphertext(const Secret& material, const CiphertextNames& names, const EncryptionContext& context,
                      ByteView plaintext, crypto::Random& random);
// nullopt: altered, another material or another context; which of them is not told.
std::optional<Secret> open_ciphertext(const Secret& material, ByteView blob,
                                      const EncryptionContext& context);

} // namespace redoubt::devcloud
