// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648 section 4, padded) of secrets: neither a branch nor an address depends on the bytes.
#pragma once

#include "base/bytes.h"

namespace redoubt::kmstool {

constexpr std::size_t base64_size(std::size_t bytes) noexcept {
    return (bytes + 2) / 3 * 4;
}

// `out` has base64_size(bytes.size()) bytes.
void encode_base64(ByteView bytes, std::span<std::uint8_t> out) noexcept;

} // namespace redoubt::kmstool
