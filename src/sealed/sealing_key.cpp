// SPDX-License-Identifier: Apache-2.0
#include "sealed/sealing_key.h"

#include "crypto/hash.h"

namespace redoubt::sealed {

SealingKey sealing_key(const Secret& from, const Hash32& salt, std::string_view info) {
    const Secret material =
        crypto::hkdf_sha256(from.view(SecretAccess("derive a record's sealing key")), salt, as_bytes(info),
                            crypto::kAeadKeySize + crypto::kAeadNonceSize);
    const ByteView bytes = material.view(SecretAccess("split into sealing key and nonce"));
    return {Secret::copy_of(bytes.first(crypto::kAeadKeySize)),
            *to_array<12>(bytes.subspan(crypto::kAeadKeySize))};
}

} // namespace redoubt::sealed
