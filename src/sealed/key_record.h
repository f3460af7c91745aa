// SPDX-License-Identifier: Apache-2.0
// Sealed records: what the store holds. docs/formats/sealed.md states every byte. The clear head is
// authenticated data: it can be read by anyone and changed by no one. Nothing here signs without the enclave.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/random.h"

#include <string>

namespace redoubt::sealed {

using VaultId = ByteArray<16>;
using KeyId = ByteArray<16>;

std::string vault_id_text(const VaultId& id); // "vault-" and 32 hex digits
std::string key_id_text(const KeyId& id);     // "key-" and 32 hex digits
std::optional<VaultId> parse_vault_id(std::string_view text) noexcept;
std::optional<KeyId> parse_key_id(std::string_view text) noexcept;

// What a record's secret is.
enum class Algorithm : std::uint8_t {
    Secp256k1 = 1,   // one private key, 32 bytes
    HdSecp256k1 = 2, // a BIP-32 seed, crypto::kMinSeed … crypto::kMaxSeed bytes: secp256k1 keys below it
};
// As statements and lists name it: "secp256k1", "bip32-secp256k1".
std::string_view algorithm_name(Algorithm algorithm) noexcept;
bool valid_secret_size(Algorithm algorithm, std::size_t size) noexcept; // false for an unknown algorithm

inline constexpr std::uint32_t kFlagExportable = 1;
inline constexpr std::uint32_t kFlagRawSigning = 2; // raw digests may be signed: a full-account grant
inline constexpr std::uint32_t kKnownFlags = kFlagExportable | kFlagRawSigning;

struct KeyHead {
    std::uint32_t revision = 1; // grows when the key's state changes
    std::uint64_t epoch = 0;
    VaultId vault{};
    KeyId id{};
    Algorithm algorithm = Algorithm::Secp256k1;
    ByteArray<20> address{}; // of a seed: that of crypto::kDefaultHdPath below it
    Hash32 policy_digest{};
    std::uint32_t flags = 0;
    UnixMs created = 0;
    bool operator==(const KeyHead&) const = default;
};

// The head of a record, unauthenticated: for listing and routing. Error: RecordInvalid.
Result<KeyHead> read_key_head(ByteView record);

// `vault_key`: 32 bytes. `private_key`: the key or seed that head.algorithm says, of a valid size; a record
// of another could never be opened again, so that ends the process. A fresh HKDF salt each time, so each
// record has its own AES-256-GCM key.
Bytes seal_key(const Secret& vault_key, const KeyHead& head, const Secret& private_key,
               crypto::Random& random);
struct OpenedKey {
    KeyHead head;
    Secret private_key; // or seed; of a valid size. The caller derives the address again and compares
};
Result<OpenedKey> open_key(const Secret& vault_key, ByteView record); // Error: RecordInvalid

} // namespace redoubt::sealed
