// SPDX-License-Identifier: Apache-2.0
// A vault: one 32-byte key, drawn inside the enclave, wrapped once for each region under a data key that KMS
// holds the only other way to. docs/formats/sealed.md.
#pragma once

#include "sealed/key_record.h"

#include <vector>

namespace redoubt::sealed {

inline constexpr std::size_t kMaxWraps = 8;

struct VaultWrap {
    std::string kms_key_arn; // up to 256 bytes
    Bytes data_key_blob;     // KMS's CiphertextBlob, 1 … 6144 bytes
    ByteArray<12> nonce{};
    ByteArray<48> wrapped{}; // AES-256-GCM of the vault key under the data key
};

struct VaultRecord {
    std::uint64_t epoch = 0;
    VaultId id{};
    UnixMs created = 0;
    Hash32 commitment{};
    std::vector<VaultWrap> wraps; // 1 … kMaxWraps
};

// A hash that names the vault key without revealing it: HKDF(vault key, salt = id, info = "redoubt vault
// commitment v1").
Hash32 vault_commitment(const Secret& vault_key, const VaultId& id);

VaultWrap wrap_vault_key(const Secret& vault_key, const Secret& data_key, const VaultRecord& head,
                         std::string kms_key_arn, Bytes data_key_blob, crypto::Random& random);
// Unwraps and compares the commitment. Error: RecordInvalid.
Result<Secret> unwrap_vault_key(const VaultRecord& record, const VaultWrap& wrap, const Secret& data_key);

Bytes encode_vault(const VaultRecord& record);
Result<VaultRecord> decode_vault(ByteView bytes); // Error: RecordInvalid

} // namespace redoubt::sealed
