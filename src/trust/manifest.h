// SPDX-License-Identifier: Apache-2.0
// The manifest: everything that changes trust, in one document that the enclave takes once, before its first
// KMS call, and measures into PCR16 (design invariant 3). JSON; unknown members are refused. docs/manifest.md
// shows it.
//
// Digest: SHA-384 over the canonical form (json::canonical). PCR16 then is SHA384(0^48 ‖ digest).
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/hash.h"

#include <map>
#include <string>
#include <vector>

namespace redoubt::trust {

enum class KmsPurpose { Vault, Reference };

struct ManifestKmsKey {
    std::string arn;
    KmsPurpose purpose;
};

enum class OwnerAlgorithm { Ed25519, EcdsaP256 };

struct ManifestOwner {
    std::string id;
    OwnerAlgorithm algorithm;
    Bytes public_key; // Ed25519: 32 bytes; P-256: 65 bytes, uncompressed
};

struct ReferenceKeys {
    enum class Mode { None, Any, Listed } mode = Mode::None;
    struct Entry {
        Hash32 policy_digest;
        bool raw_signing = false; // /sign_hash, too: a grant of the whole account
    };
    std::map<ByteArray<20>, Entry> by_address; // Listed
};

struct Limits {
    std::uint32_t vault_lease_seconds = 3600;  // 10 … 86,400
    std::uint32_t key_cache_entries = 100'000; // 1 … 10,000,000
    std::uint32_t key_cache_seconds = 3600;    // 1 … 86,400
    // How long a key waits for its deletion at least, from when that is asked for.
    std::uint32_t deletion_wait_seconds = 604'800; // 0 … 31,536,000
    // The most gas a transaction may have, 0 for no bound. EIP-7825's by default: chains of Osaka refuse
    // more.
    std::uint32_t max_transaction_gas = 16'777'216; // 0 … 4,294,967,295
};

struct Manifest {
    std::vector<ManifestKmsKey> kms_keys; // 1 … 16, distinct
    std::vector<ManifestOwner> owners;    // 0 … 16; with owners, vault operations need their signatures
    // 0 … 64; with principals, who makes, imports or adopts a key must be one of them, by a signed request.
    std::vector<ManifestOwner> principals;
    std::uint64_t min_epoch = 0; // records below are refused; new records are sealed with it
    std::map<ByteArray<16>, Hash32>
        vault_commitments; // vault id → commitment; non-empty: no other vault opens
    ReferenceKeys reference_keys;
    bool require_policy = false;
    bool verify_before_release = true; // false only in development images
    Limits limits;
    std::vector<std::string> authorities; // host[:port] as clients write it; empty: any
    std::string canonical;                // the form that is digested

    crypto::Hash48 digest() const noexcept;
    // By ARN, nullptr where absent.
    const ManifestKmsKey* find_kms_key(std::string_view arn) const noexcept;
    const ManifestOwner* find_principal(std::string_view id) const noexcept;
};

inline constexpr std::size_t kMaxManifest = 256 * 1024;

// Error: ManifestInvalid (the fixed text names the member).
Result<Manifest> parse_manifest(std::string_view json);

} // namespace redoubt::trust
