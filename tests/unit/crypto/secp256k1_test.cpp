// SPDX-License-Identifier: Apache-2.0
#include "crypto/secp256k1.h"

#include "crypto/hash.h"
#include "unit/crypto/seeded_random.h"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace redoubt::crypto {
namespace {

constexpr std::string_view kOrder = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
constexpr std::string_view kOrderMinus1 = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
constexpr std::string_view kHalfOrder = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
constexpr std::string_view kHalfOrderPlus1 =
    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1";
constexpr std::string_view kFieldPrime = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f";

Hash32 number(std::string_view hex) {
    Hash32 out;
    EXPECT_TRUE(from_hex_exact(hex, out)) << hex;
    return out;
}

Secret key_of(std::string_view hex) {
    return Secret::copy_of(number(hex));
}

Secret small_key(std::uint8_t value) {
    Hash32 bytes{};
    bytes[31] = value;
    return Secret::copy_of(bytes);
}

// n − s
Hash32 negated(const Hash32& s) {
    const Hash32 n = number(kOrder);
    Hash32 out;
    int borrow = 0;
    for (std::size_t i = 32; i-- > 0;) {
        const int digit = n[i] - s[i] - borrow;
        borrow = digit < 0;
        out[i] = static_cast<std::uint8_t>(digit);
    }
    return out;
}

const Secp256k1& curve() {
    static const Secp256k1 instance(Hash32{1, 2, 3});
    return instance;
}

TEST(Secp256k1, signs_as_rfc_6979_prescribes) {
    // Key, message (its SHA-256 is signed), r, s: the vectors that Bitcoin libraries share.
    const struct {
        std::string_view key, message, r, s;
    } known[] = {
        {"0000000000000000000000000000000000000000000000000000000000000001", "Satoshi Nakamoto",
         "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8",
         "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"},
        {"0000000000000000000000000000000000000000000000000000000000000001",
         "All those moments will be lost in time, like tears in rain. Time to die...",
         "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b",
         "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21"},
        {kOrderMinus1, "Satoshi Nakamoto", "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0",
         "6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5"},
        {"f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181", "Alan Turing",
         "7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c",
         "58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea"},
    };
    for (const auto& [key, message, r, s] : known) {
        const auto signature = curve().sign(key_of(key), sha256(as_bytes(message)));
        ASSERT_TRUE(signature) << message;
        EXPECT_EQ(to_hex(signature->r), r) << message;
        EXPECT_EQ(to_hex(signature->s), s) << message;
    }
}

TEST(Secp256k1, signs_the_example_of_eip_155) {
    // Key 0x46…46, signing hash, v = 37 (parity 0), r and s as the EIP prints them in decimal.
    const auto signature =
        curve().sign(Secret::copy_of(Bytes(32, 0x46)),
                     number("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"));
    ASSERT_TRUE(signature);
    EXPECT_EQ(to_hex(signature->r), "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276");
    EXPECT_EQ(to_hex(signature->s), "67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83");
    EXPECT_EQ(signature->y_parity, 0);
}

TEST(Secp256k1, knows_public_keys) {
    const auto generator = curve().public_key(small_key(1));
    ASSERT_TRUE(generator);
    EXPECT_EQ(to_hex(*generator), "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                                  "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8");
    const auto minus_generator = curve().public_key(key_of(kOrderMinus1));
    ASSERT_TRUE(minus_generator);
    EXPECT_EQ(to_hex(*minus_generator), "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                                        "b7c52588d95c3b9aa25b0403f1eef75702e84bb7597aabe663b82f6f04ef2777");
}

TEST(Secp256k1, accepts_keys_from_1_to_n_minus_1) {
    EXPECT_TRUE(curve().valid_key(small_key(1)));
    EXPECT_TRUE(curve().valid_key(key_of(kOrderMinus1)));
}

TEST(Secp256k1, refuses_keys_out_of_range_or_of_another_size) {
    std::vector<Secret> keys;
    keys.push_back(small_key(0));
    keys.push_back(key_of(kOrder));
    keys.push_back(Secret::copy_of(Bytes(32, 0xff)));
    keys.emplace_back();
    keys.push_back(Secret::copy_of(Bytes(31, 1)));
    keys.push_back(Secret::copy_of(Bytes(33, 1)));
    for (const Secret& key : keys) {
        EXPECT_FALSE(curve().valid_key(key));
        const auto point = curve().public_key(key);
        ASSERT_FALSE(point);
        EXPECT_EQ(point.error().code, Code::KeyInvalid);
        const auto signature = curve().sign(key, Hash32{1});
        ASSERT_FALSE(signature);
        EXPECT_EQ(signature.error().code, Code::KeyInvalid);
    }
}

TEST(Secp256k1, adds_keys_as_numbers_modulo_n) {
    const auto sum = [](const Secret& key, const Secret& tweak) {
        const auto result = curve().add_keys(key, tweak);
        return result ? to_hex(result->view(SecretAccess("compare it in a test"))) : std::string("refused");
    };
    const std::string zeros(62, '0');
    EXPECT_EQ(sum(small_key(3), small_key(4)), zeros + "07");
    EXPECT_EQ(sum(small_key(3), small_key(0)), zeros + "03");
    EXPECT_EQ(sum(key_of(kOrderMinus1), small_key(2)), zeros + "01");
    EXPECT_EQ(sum(small_key(2), key_of(kOrderMinus1)), zeros + "01");
    EXPECT_EQ(sum(key_of(kOrderMinus1), small_key(1)), "refused"); // zero
    EXPECT_EQ(sum(small_key(1), key_of(kOrder)), "refused");
    EXPECT_EQ(sum(small_key(0), small_key(1)), "refused");
    EXPECT_EQ(sum(key_of(kOrder), small_key(1)), "refused");
    EXPECT_EQ(sum(Secret(31), small_key(1)), "refused");
    EXPECT_EQ(sum(small_key(1), Secret(33)), "refused");
    EXPECT_EQ(curve().add_keys(small_key(0), small_key(1)).error().code, Code::KeyInvalid);
}

TEST(Secp256k1, compresses_public_keys_by_the_parity_of_y) {
    // 1·G has an even y; (n - 1)·G is its mirror image.
    const std::string x = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    EXPECT_EQ(to_hex(compressed(*curve().public_key(small_key(1)))), "02" + x);
    EXPECT_EQ(to_hex(compressed(*curve().public_key(key_of(kOrderMinus1)))), "03" + x);
}

TEST(Secp256k1, verifies_and_recovers_what_it_signs) {
    const std::uint64_t seed = 256;
    SeededRandom random(seed);
    int parities[2] = {};
    for (int round = 0; round < 300; ++round) {
        const Secret key = random.secret(32);
        const Hash32 digest = random.array<32>();
        const auto point = curve().public_key(key);
        const auto signature = curve().sign(key, digest);
        ASSERT_TRUE(point && signature) << "seed " << seed;
        EXPECT_LE(signature->s, number(kHalfOrder)) << "seed " << seed;
        ASSERT_LE(signature->y_parity, 1);
        ++parities[signature->y_parity];
        EXPECT_TRUE(curve().verify(*point, digest, *signature)) << "seed " << seed;
        const auto recovered = curve().recover(digest, *signature);
        ASSERT_TRUE(recovered) << "seed " << seed;
        EXPECT_EQ(*recovered, *point) << "seed " << seed;
    }
    EXPECT_GT(parities[0], 50);
    EXPECT_GT(parities[1], 50);
}

TEST(Secp256k1, is_deterministic_whatever_blinds_the_context) {
    const Secret key = small_key(7);
    const Hash32 digest = sha256(as_bytes("the same everywhere"));
    const auto expected = curve().sign(key, digest);
    ASSERT_TRUE(expected);
    Secp256k1 other(Hash32{9});
    EXPECT_EQ(*other.sign(key, digest), *expected);
    other.blind(Hash32{10});
    EXPECT_EQ(*other.sign(key, digest), *expected);
    EXPECT_EQ(*other.public_key(key), *curve().public_key(key));
}

TEST(Secp256k1, an_extreme_digest_signs_and_verifies) {
    for (const std::string_view digest :
         {kOrder, kOrderMinus1, kFieldPrime, kHalfOrder,
          std::string_view("0000000000000000000000000000000000000000000000000000000000000000"),
          std::string_view("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")}) {
        const auto signature = curve().sign(small_key(5), number(digest));
        ASSERT_TRUE(signature) << digest;
        EXPECT_TRUE(curve().verify(*curve().public_key(small_key(5)), number(digest), *signature)) << digest;
    }
}

class Secp256k1Refusals : public testing::Test {
  protected:
    void expect_refused(const Signature& altered) {
        EXPECT_FALSE(curve().verify(point, digest, altered));
        const auto recovered = curve().recover(digest, altered);
        if (recovered)
            EXPECT_NE(*recovered, point);
        else
            EXPECT_EQ(recovered.error().code, Code::InvalidField);
    }

    const Secret key = small_key(42);
    const Hash32 digest = sha256(as_bytes("a message"));
    const PublicKey point = *curve().public_key(key);
    const Signature good = *curve().sign(key, digest);
};

TEST_F(Secp256k1Refusals, the_same_signature_with_a_high_s) {
    Signature high = good;
    high.s = negated(good.s);
    high.y_parity ^= 1; // now a valid ECDSA signature of the same digest
    EXPECT_FALSE(curve().verify(point, digest, high));
    EXPECT_FALSE(curve().recover(digest, high));
    high.y_parity ^= 1;
    EXPECT_FALSE(curve().verify(point, digest, high));
}

TEST_F(Secp256k1Refusals, s_just_above_the_half_but_not_the_half_itself) {
    Signature at_half = good;
    at_half.s = number(kHalfOrder);
    EXPECT_TRUE(curve().recover(digest, at_half)); // some key made it
    at_half.s = number(kHalfOrderPlus1);
    EXPECT_FALSE(curve().recover(digest, at_half));
}

TEST_F(Secp256k1Refusals, the_other_parity) {
    Signature other = good;
    other.y_parity ^= 1;
    expect_refused(other);
}

TEST_F(Secp256k1Refusals, parities_that_are_no_parity) {
    for (int parity = 2; parity < 256; ++parity) {
        Signature other = good;
        other.y_parity = static_cast<std::uint8_t>(parity);
        EXPECT_FALSE(curve().verify(point, digest, other));
        EXPECT_FALSE(curve().recover(digest, other));
    }
}

TEST_F(Secp256k1Refusals, zero_and_out_of_range_numbers) {
    for (const std::string_view value :
         {std::string_view("0000000000000000000000000000000000000000000000000000000000000000"), kOrder,
          kFieldPrime,
          std::string_view("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")}) {
        Signature altered = good;
        altered.r = number(value);
        EXPECT_FALSE(curve().recover(digest, altered)) << value;
        EXPECT_FALSE(curve().verify(point, digest, altered)) << value;
        altered = good;
        altered.s = number(value);
        EXPECT_FALSE(curve().recover(digest, altered)) << value;
        EXPECT_FALSE(curve().verify(point, digest, altered)) << value;
    }
}

TEST_F(Secp256k1Refusals, every_flipped_bit) {
    for (std::size_t bit = 0; bit < 256; ++bit) {
        const auto mask = static_cast<std::uint8_t>(1u << bit % 8);
        Signature altered = good;
        altered.r[bit / 8] ^= mask;
        expect_refused(altered);
        altered = good;
        altered.s[bit / 8] ^= mask;
        expect_refused(altered);
        Hash32 other_digest = digest;
        other_digest[bit / 8] ^= mask;
        EXPECT_FALSE(curve().verify(point, other_digest, good));
    }
    for (std::size_t bit = 0; bit < 512; ++bit) {
        PublicKey other_point = point;
        other_point[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
        EXPECT_FALSE(curve().verify(other_point, digest, good));
    }
}

TEST(Secp256k1, const_members_are_used_from_several_threads) {
    const Hash32 digest = sha256(as_bytes("threads"));
    const Signature expected = *curve().sign(small_key(3), digest);
    const PublicKey point = *curve().public_key(small_key(3));
    std::vector<std::jthread> threads;
    std::vector<int> wrong(4);
    for (std::size_t t = 0; t < wrong.size(); ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i)
                wrong[t] += *curve().sign(small_key(3), digest) != expected ||
                            !curve().verify(point, digest, expected);
        });
    threads.clear();
    EXPECT_EQ(wrong, std::vector<int>(4));
}

} // namespace
} // namespace redoubt::crypto
