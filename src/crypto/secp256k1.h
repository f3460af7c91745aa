// SPDX-License-Identifier: Apache-2.0
// ECDSA over secp256k1 by libsecp256k1: RFC 6979 nonces, low s (EIP-2), recoverable.
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "crypto/nonce.h"

#include <string_view>

struct secp256k1_context_struct; // of libsecp256k1

namespace redoubt::crypto {

using PublicKey = ByteArray<64>; // x ‖ y, big-endian, without the 0x04

// Of the libsecp256k1 that this program is linked with: "0.7.1". Which one makes no difference but in speed.
std::string_view secp256k1_library() noexcept;

// SEC 1, 2.3.3: 0x02 or 0x03 by y's parity, then x.
ByteArray<33> compressed(const PublicKey& key) noexcept;

struct Signature {
    Hash32 r, s;           // big-endian; s ≤ n/2
    std::uint8_t y_parity; // 0 or 1: parity of R's y after s was made low
    bool operator==(const Signature&) const = default;
};

// Owns a blinded context. The const members are thread-safe; blind() is not.
class Secp256k1 {
  public:
    // `seed` blinds the context against side channels (secp256k1_context_randomize).
    explicit Secp256k1(const Hash32& seed);
    ~Secp256k1();
    Secp256k1(const Secp256k1&) = delete;
    Secp256k1& operator=(const Secp256k1&) = delete;

    void blind(const Hash32& seed);

    // Is this 32 bytes, and 0 < k < n?
    bool valid_key(const Secret& key) const noexcept;
    // Error: KeyInvalid.
    Result<PublicKey> public_key(const Secret& key) const;
    // (key + tweak) mod n, for BIP-32. The tweak is 32 bytes, below n; it may be zero. Error: KeyInvalid,
    // also where the sum is zero.
    Result<Secret> add_keys(const Secret& key, const Secret& tweak) const;
    // Deterministic: the same key and digest give the same bytes everywhere. Error: KeyInvalid,
    // SigningFailed.
    Result<Signature> sign(const Secret& key, const Hash32& digest) const;
    // As Ethereum accepts it: low s, and the parity counts, because with the other one the signature names
    // another sender. Done by recovery.
    bool verify(const PublicKey& key, const Hash32& digest, const Signature& signature) const noexcept;
    // Low s only. Error: InvalidField.
    Result<PublicKey> recover(const Hash32& digest, const Signature& signature) const;

  private:
    secp256k1_context_struct* context_;
    NonceFunction nonce_;
};

} // namespace redoubt::crypto
