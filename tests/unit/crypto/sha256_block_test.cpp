// SPDX-License-Identifier: Apache-2.0
#include "crypto/sha256_block.h"

#include "crypto/hash.h"
#include "unit/crypto/seeded_random.h"

#include <gtest/gtest.h>

namespace redoubt::crypto {
namespace {

// SHA-256 of a message by this compression function; FIPS 180-4's padding made here.
Hash32 hashed(Sha256Blocks blocks, const Bytes& message) {
    Bytes padded = message;
    padded.push_back(0x80);
    while (padded.size() % kSha256Block != kSha256Block - 8)
        padded.push_back(0);
    for (int shift = 56; shift >= 0; shift -= 8)
        padded.push_back(static_cast<std::uint8_t>((8 * message.size()) >> shift));
    Sha256State state = kSha256Start;
    blocks(state, padded.data(), padded.size() / kSha256Block);
    Hash32 out;
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    return out;
}

void compare_with_openssl(Sha256Blocks blocks) {
    SeededRandom random(256);
    for (std::size_t size = 0; size < 300; ++size) { // one to five blocks at once
        const Bytes message = random.bytes(size);
        ASSERT_EQ(hashed(blocks, message), sha256(message)) << size;
    }
    for (int i = 0; i < 20'000; ++i) {
        const Bytes message = random.bytes(random.below(64));
        ASSERT_EQ(hashed(blocks, message), sha256(message)) << to_hex(message);
    }
}

TEST(Sha256Blocks, portable_ones_are_openssls) {
    compare_with_openssl(sha256_blocks_portable);
}

// By its instructions for SHA-256, or the portable ones where it has none.
TEST(Sha256Blocks, those_that_this_processor_gets_are_openssls) {
    const Sha256Blocks hardware = sha256_blocks_hardware();
    compare_with_openssl(hardware != nullptr ? hardware : sha256_blocks_portable);
}

TEST(Sha256Blocks, no_block_changes_nothing) {
    Sha256State state = kSha256Start;
    sha256_blocks_portable(state, nullptr, 0);
    EXPECT_EQ(state, kSha256Start);
    if (sha256_blocks_hardware() != nullptr)
        sha256_blocks_hardware()(state, nullptr, 0);
    EXPECT_EQ(state, kSha256Start);
}

} // namespace
} // namespace redoubt::crypto
