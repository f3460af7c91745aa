// SPDX-License-Identifier: Apache-2.0
#include "crypto/keccak.h"

#include <bit>
#include <cstring>

namespace redoubt::crypto {

namespace {

// The Keccak reference, version 3.0 (2011), section 1.2: 25 lanes of 64 bits, lane (x, y) at index x + 5y,
// bytes little-endian. Keccak-256 has capacity 512, so a block is 1088 bits.
static_assert(std::endian::native == std::endian::little, "lanes are loaded as they lie in memory");

constexpr std::size_t kRate = 136; // bytes
constexpr std::size_t kLanes = 25;

constexpr std::uint64_t kRoundConstants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

// One row of chi. b0 … b4 are the lanes after theta, rho and pi.
[[gnu::always_inline]] inline void chi(std::uint64_t* row, std::uint64_t b0, std::uint64_t b1,
                                       std::uint64_t b2, std::uint64_t b3, std::uint64_t b4) noexcept {
    row[0] = b0 ^ (~b1 & b2);
    row[1] = b1 ^ (~b2 & b3);
    row[2] = b2 ^ (~b3 & b4);
    row[3] = b3 ^ (~b4 & b0);
    row[4] = b4 ^ (~b0 & b1);
}

// One round from `a` to `e`. Two arrays in turn, so that pi moves lanes without copies. Each line of chi
// gathers the five lanes that pi brings into one row, with rho's rotation of each.
[[gnu::always_inline]] inline void round(const std::uint64_t* a, std::uint64_t* e,
                                         std::uint64_t constant) noexcept {
    using std::rotl;
    const std::uint64_t c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20];
    const std::uint64_t c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21];
    const std::uint64_t c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22];
    const std::uint64_t c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23];
    const std::uint64_t c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24];
    const std::uint64_t d0 = c4 ^ rotl(c1, 1);
    const std::uint64_t d1 = c0 ^ rotl(c2, 1);
    const std::uint64_t d2 = c1 ^ rotl(c3, 1);
    const std::uint64_t d3 = c2 ^ rotl(c4, 1);
    const std::uint64_t d4 = c3 ^ rotl(c0, 1);

    chi(e, a[0] ^ d0, rotl(a[6] ^ d1, 44), rotl(a[12] ^ d2, 43), rotl(a[18] ^ d3, 21), rotl(a[24] ^ d4, 14));
    chi(e + 5, rotl(a[3] ^ d3, 28), rotl(a[9] ^ d4, 20), rotl(a[10] ^ d0, 3), rotl(a[16] ^ d1, 45),
        rotl(a[22] ^ d2, 61));
    chi(e + 10, rotl(a[1] ^ d1, 1), rotl(a[7] ^ d2, 6), rotl(a[13] ^ d3, 25), rotl(a[19] ^ d4, 8),
        rotl(a[20] ^ d0, 18));
    chi(e + 15, rotl(a[4] ^ d4, 27), rotl(a[5] ^ d0, 36), rotl(a[11] ^ d1, 10), rotl(a[17] ^ d2, 15),
        rotl(a[23] ^ d3, 56));
    chi(e + 20, rotl(a[2] ^ d2, 62), rotl(a[8] ^ d3, 55), rotl(a[14] ^ d4, 39), rotl(a[15] ^ d0, 41),
        rotl(a[21] ^ d1, 2));
    e[0] ^= constant;
}

void permute(std::uint64_t* state) noexcept {
    std::uint64_t other[kLanes];
#pragma GCC unroll 12
    for (std::size_t i = 0; i < 24; i += 2) {
        round(state, other, kRoundConstants[i]);
        round(other, state, kRoundConstants[i + 1]);
    }
}

class Sponge {
  public:
    void absorb(ByteView data) noexcept {
        while (!data.empty()) {
            if (filled_ == 0 && data.size() >= kRate) {
                xor_block(data.data());
                permute(state_);
                data = data.subspan(kRate);
                continue;
            }
            const std::size_t n = data.size() < kRate - filled_ ? data.size() : kRate - filled_;
            std::memcpy(block_ + filled_, data.data(), n);
            filled_ += n;
            data = data.subspan(n);
            if (filled_ == kRate) {
                xor_block(block_);
                permute(state_);
                filled_ = 0;
            }
        }
    }

    // Pads with a one bit, zeros and a one bit (pad10*1) and takes the first 32 bytes.
    Hash32 squeeze() noexcept {
        std::memset(block_ + filled_, 0, kRate - filled_);
        block_[filled_] = 0x01;
        block_[kRate - 1] |= 0x80;
        xor_block(block_);
        permute(state_);
        Hash32 out;
        std::memcpy(out.data(), state_, out.size());
        return out;
    }

  private:
    void xor_block(const std::uint8_t* block) noexcept {
        for (std::size_t i = 0; i < kRate / 8; ++i) {
            std::uint64_t lane = 0;
            std::memcpy(&lane, block + 8 * i, 8);
            state_[i] ^= lane;
        }
    }

    std::uint64_t state_[kLanes] = {};
    std::uint8_t block_[kRate];
    std::size_t filled_ = 0; // always below kRate between calls
};

} // namespace

Hash32 keccak256(ByteView data) noexcept {
    Sponge sponge;
    sponge.absorb(data);
    return sponge.squeeze();
}

Hash32 keccak256(std::initializer_list<ByteView> parts) noexcept {
    Sponge sponge;
    for (const ByteView part : parts)
        sponge.absorb(part);
    return sponge.squeeze();
}

} // namespace redoubt::crypto
