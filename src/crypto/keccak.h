// SPDX-License-Identifier: Apache-2.0
// Keccak-256 as Ethereum uses it: the original Keccak padding (0x01), not SHA3-256's (0x06). OpenSSL 3.0 does
// not have it.
#pragma once

#include "base/bytes.h"

namespace redoubt::crypto {

Hash32 keccak256(ByteView data) noexcept;
// Over the concatenation of the parts.
Hash32 keccak256(std::initializer_list<ByteView> parts) noexcept;

} // namespace redoubt::crypto
