// SPDX-License-Identifier: Apache-2.0
// The key and nonce that one record is sealed with, both from its fresh salt, so that a key is never used for
// two messages. Internal to the records' files.
#pragma once

#include "base/secret.h"
#include "crypto/aead.h"

namespace redoubt::sealed {

struct SealingKey {
    Secret key;
    ByteArray<12> nonce;
};

// HKDF-SHA256 of the 32-byte key `from`; `info` says what kind of record it is for.
SealingKey sealing_key(const Secret& from, const Hash32& salt, std::string_view info);

} // namespace redoubt::sealed
