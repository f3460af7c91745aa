// SPDX-License-Identifier: Apache-2.0
#include "crypto/sha256_block.h"

#include <bit>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace redoubt::crypto {

namespace {

constexpr std::array<std::uint32_t, 64> kConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2}; // 4.2.2

} // namespace

void sha256_blocks_portable(Sha256State& state, const std::uint8_t* blocks, std::size_t count) noexcept {
    for (; count != 0; --count, blocks += kSha256Block) {
        std::array<std::uint32_t, 64> w{};
        for (std::size_t i = 0; i < 16; ++i)
            w[i] = static_cast<std::uint32_t>(blocks[4 * i]) << 24 |
                   static_cast<std::uint32_t>(blocks[4 * i + 1]) << 16 |
                   static_cast<std::uint32_t>(blocks[4 * i + 2]) << 8 | blocks[4 * i + 3];
        for (std::size_t i = 16; i < 64; ++i) {
            const std::uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[i - 7] +
                   (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
        }
        // The variables change their roles from step to step instead of their values.
        auto [a, b, c, d, e, f, g, h] = state;
        const auto step = [](std::uint32_t p, std::uint32_t q, std::uint32_t r, std::uint32_t& s,
                             std::uint32_t t, std::uint32_t u, std::uint32_t v, std::uint32_t& x,
                             std::uint32_t input) {
            const std::uint32_t sum =
                x + (std::rotr(t, 6) ^ std::rotr(t, 11) ^ std::rotr(t, 25)) + (v ^ (t & (u ^ v))) + input;
            s += sum;
            x = sum + (std::rotr(p, 2) ^ std::rotr(p, 13) ^ std::rotr(p, 22)) + ((p & q) | (r & (p | q)));
        };
        for (std::size_t i = 0; i < 64; i += 8) {
            step(a, b, c, d, e, f, g, h, w[i] + kConstants[i]);
            step(h, a, b, c, d, e, f, g, w[i + 1] + kConstants[i + 1]);
            step(g, h, a, b, c, d, e, f, w[i + 2] + kConstants[i + 2]);
            step(f, g, h, a, b, c, d, e, w[i + 3] + kConstants[i + 3]);
            step(e, f, g, h, a, b, c, d, w[i + 4] + kConstants[i + 4]);
            step(d, e, f, g, h, a, b, c, w[i + 5] + kConstants[i + 5]);
            step(c, d, e, f, g, h, a, b, w[i + 6] + kConstants[i + 6]);
            step(b, c, d, e, f, g, h, a, w[i + 7] + kConstants[i + 7]);
        }
        const Sha256State done = {a, b, c, d, e, f, g, h};
        for (std::size_t i = 0; i < state.size(); ++i)
            state[i] += done[i];
    }
}

#ifdef __x86_64__

namespace {

// These functions alone are compiled for processors with SHA-NI; the rest of the program runs on all.
#define REDOUBT_SHA_NI [[gnu::target("sha,sse4.1")]]

// Four steps: `w` holds their message words. The instruction does two, and swaps the halves' roles.
REDOUBT_SHA_NI inline void four_steps(__m128i& abef, __m128i& cdgh, __m128i w, std::size_t first) noexcept {
    const auto* constants = reinterpret_cast<const __m128i*>(kConstants.data() + first);
    const __m128i input = _mm_add_epi32(w, _mm_loadu_si128(constants));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, input);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(input, 0x0e));
}

// The four message words after those in w0 … w3, into w0.
REDOUBT_SHA_NI inline void next_words(__m128i& w0, __m128i w1, __m128i w2, __m128i w3) noexcept {
    const __m128i seven_back = _mm_alignr_epi8(w3, w2, 4);
    w0 = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), seven_back), w3);
}

REDOUBT_SHA_NI void sha_ni(Sha256State& state, const std::uint8_t* blocks, std::size_t count) noexcept {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203); // words are big-endian
    auto* words = reinterpret_cast<__m128i*>(state.data());
    // The instructions want a, b, e, f in one register and c, d, g, h in the other, first letters highest.
    const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
    const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8);
    __m128i cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
    for (; count != 0; --count, blocks += kSha256Block) {
        const auto* in = reinterpret_cast<const __m128i*>(blocks);
        __m128i w0 = _mm_shuffle_epi8(_mm_loadu_si128(in), swap);
        __m128i w1 = _mm_shuffle_epi8(_mm_loadu_si128(in + 1), swap);
        __m128i w2 = _mm_shuffle_epi8(_mm_loadu_si128(in + 2), swap);
        __m128i w3 = _mm_shuffle_epi8(_mm_loadu_si128(in + 3), swap);
        const __m128i abef_before = abef, cdgh_before = cdgh;
        for (std::size_t i = 0; i < 48; i += 16) {
            four_steps(abef, cdgh, w0, i);
            next_words(w0, w1, w2, w3);
            four_steps(abef, cdgh, w1, i + 4);
            next_words(w1, w2, w3, w0);
            four_steps(abef, cdgh, w2, i + 8);
            next_words(w2, w3, w0, w1);
            four_steps(abef, cdgh, w3, i + 12);
            next_words(w3, w0, w1, w2);
        }
        four_steps(abef, cdgh, w0, 48);
        four_steps(abef, cdgh, w1, 52);
        four_steps(abef, cdgh, w2, 56);
        four_steps(abef, cdgh, w3, 60);
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

#undef REDOUBT_SHA_NI

// The instructions use no other registers than SSE's, which each system for x86-64 keeps for its programs:
// there is nothing to ask the system for.
bool has_sha_ni() noexcept {
    unsigned int a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_SSSE3) == 0 || (c & bit_SSE4_1) == 0)
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

} // namespace

Sha256Blocks sha256_blocks_hardware() noexcept {
    return has_sha_ni() ? sha_ni : nullptr;
}

#else

Sha256Blocks sha256_blocks_hardware() noexcept {
    return nullptr;
}

#endif

} // namespace redoubt::crypto
