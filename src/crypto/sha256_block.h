// SPDX-License-Identifier: Apache-2.0
// SHA-256's compression function (FIPS 180-4, 6.2.2) alone, for who knows a message's length and padding in
// advance and hashes secrets: no allocation, no context, constant-time. Everything else uses crypto/hash.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace redoubt::crypto {

using Sha256State = std::array<std::uint32_t, 8>;
inline constexpr std::size_t kSha256Block = 64; // bytes

// Takes `count` whole blocks into the state. Leaves what it computed in its stack frame and in registers.
using Sha256Blocks = void (*)(Sha256State& state, const std::uint8_t* blocks, std::size_t count) noexcept;

void sha256_blocks_portable(Sha256State& state, const std::uint8_t* blocks, std::size_t count) noexcept;
// By the processor's own instructions (SHA-NI); null where it has none.
Sha256Blocks sha256_blocks_hardware() noexcept;

inline constexpr Sha256State kSha256Start = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}; // 5.3.3

} // namespace redoubt::crypto
