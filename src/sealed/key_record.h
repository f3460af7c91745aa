// SPDX-License-Identifier: Apache-2.0
// Sealed records: what the store holds. docs/formats/sealed.md states every byte. The clear head is
// authenticated data: it can be read by anyone and changed by no one. Nothing here signs without the enclave.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/random.h"

#include <string>
#include <vector>

namespace redoubt::sealed {

using VaultId = ByteArray<16>;
using KeyId = ByteArray<16>;

std::string vault_id_text(const VaultId& id); // "vault-" and 32 hex digits
std::string key_id_text(const KeyId& id);     // "key-" and 32 hex digits
std::optional<VaultId> parse_vault_id(std::string_view text) noexcept;
std::optional<KeyId> parse_key_id(std::string_view text) noexcept;

// The ids of what is created under a client's token: the first 16 bytes of SHA-256("redoubt client token v1"
// ‖ 0x00 ‖ token). Whoever sends the same token again, through whatever gateway and enclave, names the same
// key, so nothing is created twice. A token: 1 … kMaxClientToken characters of A-Z a-z 0-9 . _ : -
inline constexpr std::size_t kMaxClientToken = 64;
bool valid_client_token(std::string_view token) noexcept;
KeyId key_id_of_token(std::string_view token);
// A vault's comes of its epoch, too: "vault/" ‖ epoch in decimal ‖ "/" ‖ token in the token's place, which no
// key's token can be.
VaultId vault_id_of_token(std::string_view token, std::uint64_t epoch);

// What a record's secret is.
enum class Algorithm : std::uint8_t {
    Secp256k1 = 1,   // one private key, 32 bytes
    HdSecp256k1 = 2, // a BIP-32 seed, crypto::kMinSeed … crypto::kMaxSeed bytes: secp256k1 keys below it
};
// As statements and lists name it: "secp256k1", "bip32-secp256k1".
std::string_view algorithm_name(Algorithm algorithm) noexcept;
bool valid_secret_size(Algorithm algorithm, std::size_t size) noexcept; // false for an unknown algorithm

enum class State : std::uint8_t {
    Enabled = 1,
    Disabled = 2,        // signs nothing until it is enabled again
    PendingDeletion = 3, // signs nothing; from KeyHead::deletes on the store deletes the record
};
// "enabled", "disabled", "pending-deletion".
std::string_view state_name(State state) noexcept;
std::optional<State> parse_state(std::string_view name) noexcept;

inline constexpr std::uint32_t kFlagExportable = 1;
inline constexpr std::uint32_t kFlagRawSigning = 2; // raw digests may be signed: a full-account grant
inline constexpr std::uint32_t kKnownFlags = kFlagExportable | kFlagRawSigning;
// Of the record alone: it says that the head has a pending policy. KeyHead::flags never has it.
inline constexpr std::uint32_t kFlagPendingPolicy = 4;

// What owners write on a key to find it again. It is sealed with the key, so no host can change it, but it
// can be read by whoever reads the store: no secrets.
struct Tag {
    std::string name, value;
    auto operator<=>(const Tag&) const = default;
};
inline constexpr std::size_t kMaxLabel = 128, kMaxTags = 16, kMaxTagName = 64, kMaxTagValue = 256; // bytes
// UTF-8 without control characters (U+0000 … U+001F, U+007F … U+009F), at most `most` bytes.
bool valid_label(std::string_view text, std::size_t most = kMaxLabel) noexcept;
// At most kMaxTags, names neither empty nor twice, in the order of their names (by bytes).
bool valid_tags(const std::vector<Tag>& tags) noexcept;

struct KeyHead {
    std::uint32_t revision = 1; // grows with every change of the record, 1 … kMaxRevision
    std::uint64_t epoch = 0;
    VaultId vault{};
    KeyId id{};
    Algorithm algorithm = Algorithm::Secp256k1;
    State state = State::Enabled;
    ByteArray<20> address{}; // of a seed: that of crypto::kDefaultHdPath below it
    Hash32 policy_digest{};
    std::uint32_t flags = 0;
    UnixMs created = 0;
    UnixMs deletes = 0; // PendingDeletion: when; else 0
    // The digest of an accepted policy whose time lock runs, and from when it holds; zeros and 0: none.
    Hash32 pending_policy{};
    UnixMs pending_from = 0;
    std::string label;
    std::vector<Tag> tags;
    bool operator==(const KeyHead&) const = default;
};
inline constexpr std::uint32_t kMaxRevision = 0xffff'fffe;

// The head of a record, unauthenticated: for listing and routing. Error: RecordInvalid.
Result<KeyHead> read_key_head(ByteView record);

// `vault_key`: 32 bytes. `private_key`: the key or seed that head.algorithm says, of a valid size; a record
// of another could never be opened again, so that (and a head that no record may have: label, tags, state)
// ends the process. A fresh HKDF salt each time, so each
// record has its own AES-256-GCM key.
Bytes seal_key(const Secret& vault_key, const KeyHead& head, const Secret& private_key,
               crypto::Random& random);
struct OpenedKey {
    KeyHead head;
    Secret private_key; // or seed; of a valid size. The caller compares the address with the key's
};
Result<OpenedKey> open_key(const Secret& vault_key, ByteView record); // Error: RecordInvalid

} // namespace redoubt::sealed
