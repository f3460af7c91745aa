// SPDX-License-Identifier: Apache-2.0
#include "crypto/nonce.h"

#include "base/bytes.h"
#include "crypto/secp256k1.h"
#include "unit/crypto/seeded_random.h"

#include <gtest/gtest.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <cstdlib>
#include <cstring>

namespace redoubt::crypto {
namespace {

struct Input {
    Hash32 key{}, digest{}, data{};
    ByteArray<16> algorithm{};
    bool with_data = false, with_algorithm = false;
    unsigned int attempt = 0;
};

Hash32 nonce(NonceFunction function, Input input) {
    Hash32 out{};
    EXPECT_EQ(function(out.data(), input.digest.data(), input.key.data(),
                       input.with_algorithm ? input.algorithm.data() : nullptr,
                       input.with_data ? input.data.data() : nullptr, input.attempt),
              1);
    return out;
}

Input random_input(SeededRandom& random) {
    Input out;
    random.fill(out.key);
    random.fill(out.digest);
    random.fill(out.data);
    random.fill(out.algorithm);
    out.with_data = random.below(2) == 1;
    out.with_algorithm = random.below(2) == 1;
    out.attempt = static_cast<unsigned int>(random.below(5));
    return out;
}

void compare_with_the_library(NonceFunction function) {
    SeededRandom random(6979);
    for (int i = 0; i < 5'000; ++i) {
        const Input input = random_input(random);
        ASSERT_EQ(nonce(function, input), nonce(secp256k1_nonce_function_rfc6979, input)) << i;
    }
    // The digest is taken modulo the order.
    for (const char* digest : {"0000000000000000000000000000000000000000000000000000000000000000",
                               "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
                               "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
                               "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142",
                               "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8dd0364140",
                               "ffffffffffffffffffffffffffffffff00000000000000000000000000000000",
                               "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
        Input input = random_input(random);
        ASSERT_TRUE(from_hex_exact(digest, input.digest));
        EXPECT_EQ(nonce(function, input), nonce(secp256k1_nonce_function_rfc6979, input)) << digest;
    }
    Input input = random_input(random);
    input.attempt = 100;
    EXPECT_EQ(nonce(function, input), nonce(secp256k1_nonce_function_rfc6979, input));
}

TEST(Nonce, is_the_librarys) {
    compare_with_the_library(nonce_rfc6979);
}

TEST(Nonce, is_the_librarys_without_instructions_for_sha_256) {
    compare_with_the_library(nonce_rfc6979_portable);
}

// The first `refused` nonces of a signature are made useless, so that the library asks for the next attempt.
thread_local unsigned int refused = 0;

template<const auto& function>
int after_refusals(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
                   const unsigned char* algo16, void* data, unsigned int attempt) {
    if (attempt < refused) {
        std::memset(nonce32, attempt % 2 == 0 ? 0x00 : 0xff, 32); // zero, and more than the order
        return 1;
    }
    return function(nonce32, msg32, key32, algo16, data, attempt);
}

ByteArray<65> signed_with(const secp256k1_context* context, NonceFunction function, const Input& input) {
    secp256k1_ecdsa_recoverable_signature made;
    ByteArray<65> out{};
    int recovery_id = 0;
    EXPECT_EQ(secp256k1_ecdsa_sign_recoverable(context, &made, input.digest.data(), input.key.data(),
                                               function, nullptr),
              1);
    secp256k1_ecdsa_recoverable_signature_serialize_compact(context, out.data(), &recovery_id, &made);
    out[64] = static_cast<std::uint8_t>(recovery_id);
    return out;
}

constexpr NonceFunction kOurs = nonce_rfc6979;
const NonceFunction kTheirs = secp256k1_nonce_function_rfc6979;

// SIGNATURES of them (the long tests compare a million), a quarter with one to three nonces refused.
TEST(Nonce, gives_signatures_that_are_the_librarys) {
    const char* asked = std::getenv("SIGNATURES");
    const int count = asked != nullptr ? std::atoi(asked) : 3'000;
    ASSERT_GT(count, 0);
    secp256k1_context* context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    SeededRandom random(static_cast<std::uint64_t>(count));
    int with_refusals = 0;
    for (int i = 0; i < count; ++i) {
        const Input input = random_input(random);
        refused = random.below(4) == 0 ? static_cast<unsigned int>(1 + random.below(3)) : 0;
        with_refusals += refused != 0;
        ASSERT_EQ(signed_with(context, after_refusals<kOurs>, input),
                  signed_with(context, after_refusals<kTheirs>, input))
            << i;
    }
    EXPECT_GT(with_refusals, count / 8);
    secp256k1_context_destroy(context);
}

// What a mistake in such a function could look like; each differs from the library's in one way.
int that_forgets_the_attempt(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
                             const unsigned char* algo16, void* data, unsigned int) {
    return nonce_rfc6979(nonce32, msg32, key32, algo16, data, 0);
}

int that_forgets_the_data(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
                          const unsigned char* algo16, void*, unsigned int attempt) {
    return nonce_rfc6979(nonce32, msg32, key32, algo16, nullptr, attempt);
}

int that_forgets_the_name(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
                          const unsigned char*, void* data, unsigned int attempt) {
    return nonce_rfc6979(nonce32, msg32, key32, nullptr, data, attempt);
}

int that_gets_large_digests_wrong(unsigned char* nonce32, const unsigned char* msg32,
                                  const unsigned char* key32, const unsigned char* algo16, void* data,
                                  unsigned int attempt) {
    nonce_rfc6979(nonce32, msg32, key32, algo16, data, attempt);
    if (msg32[0] == 0xff && msg32[1] == 0xff)
        nonce32[31] ^= 1;
    return 1;
}

int that_fails(unsigned char* nonce32, const unsigned char* msg32, const unsigned char* key32,
               const unsigned char* algo16, void* data, unsigned int attempt) {
    nonce_rfc6979(nonce32, msg32, key32, algo16, data, attempt);
    return 0;
}

TEST(Nonce, the_comparison_at_the_start_notices_mistakes) {
    EXPECT_TRUE(agrees_with_the_library(nonce_rfc6979));
    EXPECT_TRUE(agrees_with_the_library(nonce_rfc6979_portable));
    EXPECT_EQ(checked_nonce_function(), static_cast<NonceFunction>(nonce_rfc6979));
    for (const NonceFunction wrong : {that_forgets_the_attempt, that_forgets_the_data, that_forgets_the_name,
                                      that_gets_large_digests_wrong, that_fails})
        EXPECT_FALSE(agrees_with_the_library(wrong));
}

} // namespace
} // namespace redoubt::crypto
