// SPDX-License-Identifier: Apache-2.0
// What a nonce function leaves behind it: read from the stack below its caller and from the registers. Not in
// sanitized builds (tests/CMakeLists.txt).
#include "crypto/nonce.h"

#include "base/bytes.h"

#include <gtest/gtest.h>

#include <cstring>

namespace redoubt::crypto {
namespace {

using Remains = ByteArray<4096>;

// Where an earlier call from the same function had its frames.
[[gnu::noinline]] void copy_stack(Remains& out) {
    Remains frame;
    asm volatile("" : "=m"(frame)); // as it was
    std::memcpy(out.data(), frame.data(), frame.size());
}

// Any four bytes of these, as they are or as a number in the machine's order.
bool holds_a_word_of(ByteView remains, const Hash32& secret) {
    for (std::size_t at = 0; at < secret.size(); at += 4) {
        const std::uint8_t word[] = {secret[at], secret[at + 1], secret[at + 2], secret[at + 3]};
        const std::uint8_t swapped[] = {word[3], word[2], word[1], word[0]};
        for (std::size_t i = 0; i + 4 <= remains.size(); ++i)
            if (std::memcmp(remains.data() + i, word, 4) == 0 ||
                std::memcmp(remains.data() + i, swapped, 4) == 0)
                return true;
    }
    return false;
}

// Does what a careless function does: keeps the key in its frame.
[[gnu::noinline]] int careless(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
                               const unsigned char*, void*, unsigned int) {
    ByteArray<512> frame{};
    std::memcpy(frame.data() + 64, key32, 32);
    asm volatile("" : "+m"(frame));
    for (std::size_t i = 0; i < 32; ++i)
        nonce32[i] = static_cast<unsigned char>(frame[64 + i] ^ msg32[i]);
    return 1;
}

class NonceRemains : public testing::Test {
  protected:
    void SetUp() override {
        for (std::size_t i = 0; i < 32; ++i) {
            key_[i] = static_cast<std::uint8_t>(0x91 + 29 * i);
            digest_[i] = static_cast<std::uint8_t>(0x17 + 53 * i);
        }
    }

    bool remains_on_the_stack(NonceFunction function, unsigned int attempt) {
        Hash32 nonce;
        Remains remains;
        function(nonce.data(), digest_.data(), key_.data(), nullptr, nullptr, attempt);
        copy_stack(remains);
        return holds_a_word_of(remains, key_) || holds_a_word_of(remains, nonce) ||
               holds_a_word_of(remains, digest_);
    }

    Hash32 key_, digest_;
};

TEST_F(NonceRemains, would_be_noticed_on_the_stack) {
    EXPECT_TRUE(remains_on_the_stack(careless, 0));
}

TEST_F(NonceRemains, are_not_on_the_stack) {
    for (const unsigned int attempt : {0u, 2u}) {
        EXPECT_FALSE(remains_on_the_stack(nonce_rfc6979, attempt));
        EXPECT_FALSE(remains_on_the_stack(nonce_rfc6979_portable, attempt));
    }
}

#ifdef __x86_64__
bool remains_in_vector_registers(NonceFunction function, const Hash32& digest, const Hash32& key) {
    Hash32 nonce;
    ByteArray<256> registers;
    registers.fill(0xee);
    std::uint8_t* const out = registers.data();
    function(nonce.data(), digest.data(), key.data(), nullptr, nullptr, 1);
    asm volatile("movdqu %%xmm0, 0(%0)\n\tmovdqu %%xmm1, 16(%0)\n\t"
                 "movdqu %%xmm2, 32(%0)\n\tmovdqu %%xmm3, 48(%0)\n\t"
                 "movdqu %%xmm4, 64(%0)\n\tmovdqu %%xmm5, 80(%0)\n\t"
                 "movdqu %%xmm6, 96(%0)\n\tmovdqu %%xmm7, 112(%0)\n\t"
                 "movdqu %%xmm8, 128(%0)\n\tmovdqu %%xmm9, 144(%0)\n\t"
                 "movdqu %%xmm10, 160(%0)\n\tmovdqu %%xmm11, 176(%0)\n\t"
                 "movdqu %%xmm12, 192(%0)\n\tmovdqu %%xmm13, 208(%0)\n\t"
                 "movdqu %%xmm14, 224(%0)\n\tmovdqu %%xmm15, 240(%0)"
                 :
                 : "r"(out)
                 : "memory");
    return registers != ByteArray<256>{};
}

[[gnu::noinline]] int careless_with_registers(unsigned char*, const unsigned char*,
                                              const unsigned char* key32, const unsigned char*, void*,
                                              unsigned int) {
    asm volatile("movdqu (%0), %%xmm11" : : "r"(key32) : "xmm11");
    return 1;
}

TEST_F(NonceRemains, would_be_noticed_in_vector_registers) {
    EXPECT_TRUE(remains_in_vector_registers(careless_with_registers, digest_, key_));
}

TEST_F(NonceRemains, are_not_in_vector_registers) {
    EXPECT_FALSE(remains_in_vector_registers(nonce_rfc6979, digest_, key_));
    EXPECT_FALSE(remains_in_vector_registers(nonce_rfc6979_portable, digest_, key_));
}
#endif

} // namespace
} // namespace redoubt::crypto
