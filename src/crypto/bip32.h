// SPDX-License-Identifier: Apache-2.0
// BIP-32 hierarchical keys over secp256k1, private derivation only, and BIP-44's path text. Secret values
// live in Secret; which path is derived is not secret.
#pragma once

#include "crypto/secp256k1.h"

#include <string>
#include <vector>

namespace redoubt::crypto {

inline constexpr std::size_t kMinSeed = 16, kMaxSeed = 64; // bytes (BIP-32, "Master key generation")
inline constexpr std::size_t kMaxPathLength = 16;          // indices
inline constexpr std::uint32_t kHardened = 0x8000'0000;
// The first account of a wallet (BIP-44 with Ethereum's coin type 60), as wallets show it.
inline constexpr std::string_view kDefaultHdPath = "m/44'/60'/0'/0/0";

using HdPath = std::vector<std::uint32_t>;

// "m/44'/60'/0'/0/7": decimal indices below 2^31, hardened with ' (h and H are read, too), no leading zeros,
// at most kMaxPathLength. "m" is the master key. Error: InvalidField.
Result<HdPath> parse_hd_path(std::string_view text);
std::string hd_path_text(const HdPath& path);

// The private key (32 bytes) at `path` below the seed's master key. `curve` validates and adds. Error:
// InvalidField (the seed's size, a path longer than kMaxPathLength), KeyInvalid (BIP-32's invalid indices,
// once in 2^127).
Result<Secret> derive_hd_key(const Secp256k1& curve, const Secret& seed, const HdPath& path);

// For tests against BIP-32's own vectors: the extended private key's 78 bytes before Base58Check, version
// 0x0488ADE4. Production code has no use for it.
Result<Secret> derive_extended_key(const Secp256k1& curve, const Secret& seed, const HdPath& path);

} // namespace redoubt::crypto
