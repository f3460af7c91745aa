// SPDX-License-Identifier: Apache-2.0
#include "policy/principal.h"

#include "crypto/hash.h"

namespace redoubt::policy {

std::string_view algorithm_name(KeyAlgorithm algorithm) noexcept {
    return algorithm == KeyAlgorithm::Ed25519 ? "ed25519" : "ecdsa-p256-sha256";
}

Hash32 principal_digest(const PublicKey& key) noexcept {
    Bytes text = to_bytes("redoubt principal v1");
    text.push_back(0x00);
    append(text, as_bytes(algorithm_name(key.algorithm)));
    text.push_back(0x00);
    append(text, key.bytes);
    return crypto::sha256(text);
}

std::string principal_name(std::string_view id, const PublicKey& key) {
    constexpr std::size_t kOfDigest = 8; // bytes
    return "key:" + std::string(id) + ":" + to_hex(ByteView(principal_digest(key)).first(kOfDigest));
}

} // namespace redoubt::policy
