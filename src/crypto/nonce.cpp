// SPDX-License-Identifier: Apache-2.0
#include "crypto/nonce.h"

#include "base/secret.h"
#include "crypto/sha256_block.h"

#include <secp256k1.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace redoubt::crypto {

namespace {

constexpr std::size_t kHash = 32;
constexpr std::uint8_t kEnd = 0x80; // what follows a message's last byte (FIPS 180-4, 5.1.1)

// An HMAC key, as the states in which its two hashes are after the key's own block (RFC 2104).
struct HmacKey {
    Sha256State inner, outer;
};

HmacKey hmac_key(Sha256Blocks blocks, const std::uint8_t* key) noexcept {
    HmacKey out{kSha256Start, kSha256Start};
    std::array<std::uint8_t, kSha256Block> pad{};
    for (std::size_t i = 0; i < pad.size(); ++i)
        pad[i] = static_cast<std::uint8_t>((i < kHash ? key[i] : 0) ^ 0x36);
    blocks(out.inner, pad.data(), 1);
    for (auto& byte : pad)
        byte ^= 0x36 ^ 0x5c;
    blocks(out.outer, pad.data(), 1);
    return out;
}

// K's first value is zero (RFC 6979, 3.2.c), so what it makes of the hashes is the same for every nonce.
const HmacKey& first_key() noexcept {
    constexpr std::array<std::uint8_t, kHash> zeros{};
    static const HmacKey key = hmac_key(sha256_blocks_portable, zeros.data());
    return key;
}

// Ends a message of `size` bytes in `text` that follows an HMAC key's block; the bytes behind it are zero.
// Returns the number of its blocks.
std::size_t pad(std::uint8_t* text, std::size_t size) noexcept {
    const std::size_t blocks = (size + 1 + 8 + kSha256Block - 1) / kSha256Block;
    const std::size_t bits = 8 * (kSha256Block + size); // below 2^16
    text[size] = kEnd;
    text[blocks * kSha256Block - 2] = static_cast<std::uint8_t>(bits >> 8);
    text[blocks * kSha256Block - 1] = static_cast<std::uint8_t>(bits);
    return blocks;
}

// One block that is a hash and its padding: V where it is hashed alone, and what HMAC's outer hash takes.
struct HashBlock {
    std::array<std::uint8_t, kSha256Block> bytes{};
    HashBlock() noexcept { pad(bytes.data(), kHash); }
    void set(const Sha256State& state) noexcept {
        for (std::size_t i = 0; i < state.size(); ++i)
            for (std::size_t byte = 0; byte < 4; ++byte)
                bytes[4 * i + byte] = static_cast<std::uint8_t>(state[i] >> (24 - 8 * byte));
    }
};

void hmac(Sha256Blocks blocks, const HmacKey& key, const std::uint8_t* text, std::size_t count,
          HashBlock& out) noexcept {
    Sha256State state = key.inner;
    blocks(state, text, count);
    out.set(state);
    state = key.outer;
    blocks(state, out.bytes.data(), 1);
    out.set(state);
}

// The digest modulo n, the order of secp256k1 (SEC 2, 2.4.1): n is above 2^255, so subtracting it once is
// enough. It is always subtracted, and a mask chooses.
void reduce(std::uint8_t* out, const std::uint8_t* digest) noexcept {
    constexpr std::array<std::uint32_t, 8> kOrder = {0xd0364141, 0xbfd25e8c, 0xaf48a03b, 0xbaaedce6,
                                                     0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff};
    std::array<std::uint32_t, 8> value, less; // the lowest words first
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const std::uint8_t* at = digest + 28 - 4 * i;
        value[i] = static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
                   static_cast<std::uint32_t>(at[2]) << 8 | at[3];
        const std::uint64_t difference = static_cast<std::uint64_t>(value[i]) - kOrder[i] - borrow;
        less[i] = static_cast<std::uint32_t>(difference);
        borrow = difference >> 63;
    }
    const auto below_order = static_cast<std::uint32_t>(0 - borrow);
    for (std::size_t i = 0; i < value.size(); ++i) {
        const std::uint32_t word = (value[i] & below_order) | (less[i] & ~below_order);
        for (std::size_t byte = 0; byte < 4; ++byte)
            out[28 - 4 * i + byte] = static_cast<std::uint8_t>(word >> (24 - 8 * byte));
    }
}

// RFC 6979, 3.2, with the library's order of what is optional: data (3.6), then the algorithm's name.
// A frame of its own, whatever it is inlined from, so that all of it lies where wipe_stack() overwrites.
[[gnu::noinline]] void derive(Sha256Blocks blocks, unsigned char* nonce, const unsigned char* digest,
                              const unsigned char* key, const unsigned char* algorithm, const void* data,
                              unsigned int attempt) noexcept {
    // V ‖ one byte ‖ key ‖ digest ‖ data ‖ algorithm: at most 145 bytes, three blocks with their padding.
    std::array<std::uint8_t, 3 * kSha256Block> text{};
    std::size_t size = kHash + 1;
    std::memcpy(text.data() + size, key, kHash);
    size += kHash;
    reduce(text.data() + size, digest);
    size += kHash;
    if (data != nullptr) {
        std::memcpy(text.data() + size, data, kHash);
        size += kHash;
    }
    if (algorithm != nullptr) {
        std::memcpy(text.data() + size, algorithm, 16);
        size += 16;
    }
    const std::size_t count = pad(text.data(), size);

    HmacKey k = first_key();
    HashBlock v, next;
    std::memset(v.bytes.data(), 0x01, kHash);                            // b
    for (const std::uint8_t step : {std::uint8_t{0}, std::uint8_t{1}}) { // d to g
        std::memcpy(text.data(), v.bytes.data(), kHash);
        text[kHash] = step;
        hmac(blocks, k, text.data(), count, next);
        k = hmac_key(blocks, next.bytes.data());
        hmac(blocks, k, v.bytes.data(), 1, v);
    }
    hmac(blocks, k, v.bytes.data(), 1, v); // h
    for (; attempt != 0; --attempt) {
        std::array<std::uint8_t, kSha256Block> again{};
        std::memcpy(again.data(), v.bytes.data(), kHash);
        pad(again.data(), kHash + 1); // V ‖ 0
        hmac(blocks, k, again.data(), 1, next);
        k = hmac_key(blocks, next.bytes.data());
        hmac(blocks, k, v.bytes.data(), 1, v);
        hmac(blocks, k, v.bytes.data(), 1, v);
    }
    std::memcpy(nonce, v.bytes.data(), kHash);
}

// Overwrites the frames of derive() and of what it called. They take about 1 KiB.
[[gnu::noinline]] void wipe_stack() noexcept {
    std::array<std::uint8_t, 2048> frame;
    wipe(frame);
}

Sha256Blocks fastest() noexcept {
    static const Sha256Blocks hardware = sha256_blocks_hardware();
    return hardware != nullptr ? hardware : sha256_blocks_portable;
}

} // namespace

// Registers that a caller does not expect back are zero when these return: vector registers keep hash states
// otherwise, and whoever saves them next writes them somewhere.
#define REDOUBT_ZERO_REGISTERS [[gnu::zero_call_used_regs("all")]]

REDOUBT_ZERO_REGISTERS int nonce_rfc6979(unsigned char* nonce32, const unsigned char* msg32,
                                         const unsigned char* key32, const unsigned char* algo16, void* data,
                                         unsigned int attempt) noexcept {
    derive(fastest(), nonce32, msg32, key32, algo16, data, attempt);
    wipe_stack();
    return 1;
}

REDOUBT_ZERO_REGISTERS int nonce_rfc6979_portable(unsigned char* nonce32, const unsigned char* msg32,
                                                  const unsigned char* key32, const unsigned char* algo16,
                                                  void* data, unsigned int attempt) noexcept {
    derive(sha256_blocks_portable, nonce32, msg32, key32, algo16, data, attempt);
    wipe_stack();
    return 1;
}

#undef REDOUBT_ZERO_REGISTERS

bool agrees_with_the_library(NonceFunction function) noexcept {
    // Digests below and above the order, each combination of what is optional, and up to two attempts more.
    for (unsigned int i = 0; i < 12; ++i) {
        std::array<std::uint8_t, 32> key, digest, data, ours, theirs;
        std::array<std::uint8_t, 16> algorithm;
        for (std::size_t at = 0; at < 32; ++at) {
            key[at] = static_cast<std::uint8_t>(1 + 31 * at + 17 * i);
            digest[at] = i % 4 == 3 ? 0xff : static_cast<std::uint8_t>(7 * at + 59 * i);
            data[at] = static_cast<std::uint8_t>(101 * at + i);
            algorithm[at % 16] = static_cast<std::uint8_t>(13 * at + i);
        }
        const unsigned char* named = (i & 1) != 0 ? algorithm.data() : nullptr;
        void* added = (i & 2) != 0 ? data.data() : nullptr;
        ours.fill(0);
        theirs.fill(0xaa);
        if (function(ours.data(), digest.data(), key.data(), named, added, i % 3) != 1 ||
            secp256k1_nonce_function_rfc6979(theirs.data(), digest.data(), key.data(), named, added, i % 3) !=
                1 ||
            ours != theirs)
            return false;
    }
    return true;
}

NonceFunction checked_nonce_function() noexcept {
    static const NonceFunction function = [] {
        if (!agrees_with_the_library(nonce_rfc6979)) {
            std::fputs("redoubt: this processor or build derives other nonces than libsecp256k1\n", stderr);
            std::abort();
        }
        return static_cast<NonceFunction>(nonce_rfc6979);
    }();
    return function;
}

} // namespace redoubt::crypto
