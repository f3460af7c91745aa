// SPDX-License-Identifier: Apache-2.0
// Who asks. A principal is a public key: policies give it an id, and two policies that name the same key mean
// the same principal.
#pragma once

#include "base/bytes.h"

#include <string>

namespace redoubt::policy {

enum class KeyAlgorithm : std::uint8_t { Ed25519, EcdsaP256 };
// "ed25519", "ecdsa-p256-sha256": RFC 9421's names, which manifests use too.
std::string_view algorithm_name(KeyAlgorithm algorithm) noexcept;

struct PublicKey {
    KeyAlgorithm algorithm = KeyAlgorithm::Ed25519;
    Bytes bytes; // Ed25519: 32; P-256: 65, uncompressed
    bool operator==(const PublicKey&) const = default;
};

// SHA-256("redoubt principal v1" ‖ 0x00 ‖ algorithm's name ‖ 0x00 ‖ bytes): what counters, sessions and
// receipts call a principal, whatever the policy calls it.
Hash32 principal_digest(const PublicKey& key) noexcept;

// "key:ID:" and 16 digits of the key's digest: a principal in receipts.
std::string principal_name(std::string_view id, const PublicKey& key);

// The outcome of authentication.
struct Asker {
    const PublicKey* key = nullptr; // by a signature, its own or a session's; else:
    std::string_view host_name;     // vouched for by the gateway; empty: nobody says who asks
};

} // namespace redoubt::policy
