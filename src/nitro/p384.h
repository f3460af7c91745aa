// SPDX-License-Identifier: Apache-2.0
// ES384: ECDSA over P-384 with SHA-384 (RFC 9053, section 2.1), the one algorithm of attestation documents
// and of their certificates.
#pragma once

#include "base/bytes.h"

namespace redoubt::nitro {

inline constexpr std::size_t kP384PointSize = 97; // 04 ‖ x ‖ y
using Es384Signature = ByteArray<96>;             // r ‖ s, big-endian

// Does this key, a point in uncompressed form, sign the message so? Refuses points that are not on the curve
// and r or s that is zero or not below the order.
bool verify_es384(ByteView point, ByteView message, const Es384Signature& signature) noexcept;

// Ecdsa-Sig-Value (RFC 3279, section 2.2.3) in DER: both ways. Reading refuses what is not shortest, negative
// or longer than 48 bytes.
std::optional<Es384Signature> es384_from_der(ByteView der) noexcept;
Bytes es384_to_der(const Es384Signature& signature);

} // namespace redoubt::nitro
