// SPDX-License-Identifier: Apache-2.0
// What attestation documents and the signatures of enclave images share: COSE_Sign1 (RFC 9052, section 4.2).
#pragma once

#include "base/bytes.h"

namespace redoubt::nitro {

inline constexpr std::uint64_t kTagCoseSign1 = 18;                        // RFC 9052, section 2
inline constexpr ByteArray<4> kProtectedEs384 = {0xa1, 0x01, 0x38, 0x22}; // {1 (alg): -35 (ES384)}

// The bytes that are signed (RFC 9052, section 4.4), without external data.
Bytes sig_structure(ByteView protected_header, ByteView payload);

} // namespace redoubt::nitro
