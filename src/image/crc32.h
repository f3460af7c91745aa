// SPDX-License-Identifier: Apache-2.0
// The checksum of EIF headers: CRC-32 as IEEE 802.3 and gzip (RFC 1952, section 8) have it. It finds damage,
// not intent.
#pragma once

#include "base/bytes.h"

namespace redoubt::image {

// Of the concatenation: crc32(b, crc32(a)) is that of a ‖ b.
std::uint32_t crc32(ByteView data, std::uint32_t before = 0) noexcept;

} // namespace redoubt::image
