// SPDX-License-Identifier: Apache-2.0
#include "crypto/keccak.h"

#include "unit/crypto/seeded_random.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

namespace redoubt::crypto {
namespace {

// Keccak written from FIPS 202's definitions alone (section 3.2, with rc(t) by its shift register), slowly.
// `padding` is 0x06 for SHA3-256 and 0x01 for Keccak-256.
Hash32 by_definition(ByteView message, std::uint8_t padding) {
    std::uint64_t a[5][5] = {}; // [x][y]
    const auto rotate = [](std::uint64_t v, unsigned n) { return n == 0 ? v : v << n | v >> (64 - n); };
    const auto permute = [&] {
        unsigned lfsr = 1;
        for (int round = 0; round < 24; ++round) {
            std::uint64_t c[5];
            for (std::size_t x = 0; x < 5; ++x)
                c[x] = a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4];
            for (std::size_t x = 0; x < 5; ++x)
                for (std::size_t y = 0; y < 5; ++y)
                    a[x][y] ^= c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1);
            std::size_t x = 1, y = 0;
            for (unsigned t = 0; t < 24; ++t) {
                a[x][y] = rotate(a[x][y], (t + 1) * (t + 2) / 2 % 64);
                const std::size_t next = (2 * x + 3 * y) % 5;
                x = y;
                y = next;
            }
            std::uint64_t b[5][5];
            for (x = 0; x < 5; ++x)
                for (y = 0; y < 5; ++y)
                    b[x][y] = a[(x + 3 * y) % 5][x];
            for (x = 0; x < 5; ++x)
                for (y = 0; y < 5; ++y)
                    a[x][y] = b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y]);
            for (unsigned j = 0; j <= 6; ++j) {
                if (lfsr & 1)
                    a[0][0] ^= std::uint64_t{1} << ((1u << j) - 1);
                lfsr = lfsr << 1 ^ (lfsr & 0x80 ? 0x171u : 0u);
            }
        }
    };
    Bytes padded = to_bytes(message);
    padded.push_back(padding);
    while (padded.size() % 136 != 0)
        padded.push_back(0);
    padded.back() |= 0x80;
    for (std::size_t at = 0; at < padded.size(); at += 136) {
        for (std::size_t i = 0; i < 136; ++i)
            a[i / 8 % 5][i / 40] ^= static_cast<std::uint64_t>(padded[at + i]) << (8 * (i % 8));
        permute();
    }
    Hash32 out;
    for (std::size_t i = 0; i < 32; ++i)
        out[i] = static_cast<std::uint8_t>(a[i / 8][0] >> (8 * (i % 8)));
    return out;
}

TEST(Keccak, gives_the_known_answers) {
    const std::pair<std::string_view, std::string_view> known[] = {
        {"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"},
        {"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"},
        {"testing", "5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02"},
        {"The quick brown fox jumps over the lazy dog",
         "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15"},
        // The first four bytes are the selector a9059cbb that every ERC-20 token answers to.
        {"transfer(address,uint256)", "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b"},
    };
    for (const auto& [text, hash] : known)
        EXPECT_EQ(to_hex(keccak256(as_bytes(text))), hash) << text;
}

TEST(Keccak, agrees_with_the_definition_at_every_length) {
    SeededRandom random(202);
    for (std::size_t size = 0; size <= 3 * 136 + 1; ++size) {
        const Bytes message = random.bytes(size);
        // The definition itself is checked with SHA-3's padding against OpenSSL.
        Hash32 sha3;
        ASSERT_EQ(EVP_Q_digest(nullptr, "SHA3-256", nullptr, message.data(), size, sha3.data(), nullptr), 1);
        ASSERT_EQ(by_definition(message, 0x06), sha3) << size;
        EXPECT_EQ(keccak256(message), by_definition(message, 0x01)) << size;
    }
}

TEST(Keccak, of_parts_is_that_of_their_concatenation) {
    SeededRandom random(203);
    for (int round = 0; round < 500; ++round) {
        const Bytes message = random.bytes(random.below(700));
        const ByteView view(message);
        const std::size_t one = random.below(message.size() + 1);
        const std::size_t two = one + random.below(message.size() - one + 1);
        EXPECT_EQ(keccak256({view.first(one), view.subspan(one, two - one), {}, view.subspan(two)}),
                  keccak256(view));
    }
    EXPECT_EQ(keccak256(std::initializer_list<ByteView>{}), keccak256(ByteView{}));
}

} // namespace
} // namespace redoubt::crypto
