// SPDX-License-Identifier: Apache-2.0
#include "ethereum/uint256.h"

#include <gtest/gtest.h>
#include <random>

namespace redoubt::ethereum {
namespace {

__extension__ typedef unsigned __int128 Uint128;

constexpr std::string_view kLargest =
    "115792089237316195423570985008687907853269984665640564039457584007913129639935";

Uint256 of(Uint128 value) {
    Uint256 out;
    out.limbs = {static_cast<std::uint64_t>(value), static_cast<std::uint64_t>(value >> 64), 0, 0};
    return out;
}

std::string decimal(Uint128 value) {
    std::string out;
    do
        out.insert(out.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    while ((value /= 10) != 0);
    return out;
}

Uint256 power_of_two(std::size_t exponent) {
    Uint256 out;
    out.limbs[exponent / 64] = std::uint64_t{1} << (exponent % 64);
    return out;
}

TEST(Uint256, agrees_with_128_bit_arithmetic) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 5000; ++round) {
        const auto draw = [&] { return (Uint128{random()} << 64 | random()) >> (random() % 128); };
        const Uint128 a = draw(), b = draw();
        EXPECT_EQ(to_decimal(of(a)), decimal(a));
        EXPECT_EQ(from_decimal(decimal(a)), of(a));
        EXPECT_EQ(of(a) < of(b), a < b);
        EXPECT_EQ(of(a) == of(b), a == b);
        EXPECT_EQ(add(of(a >> 1), of(b >> 1)), of((a >> 1) + (b >> 1)));
        EXPECT_EQ(multiply(of(a >> 64), of(b >> 64)), of((a >> 64) * (b >> 64)));
        EXPECT_EQ(of(a).fits_u64(), a >> 64 == 0);
        EXPECT_EQ(of(a).is_zero(), a == 0);
    }
}

TEST(Uint256, products_are_distributive_or_overflow) {
    std::mt19937_64 random(2);
    int fitted = 0;
    for (int round = 0; round < 5000; ++round) {
        const auto draw = [&] {
            Bytes bytes(random() % 33);
            for (auto& byte : bytes)
                byte = static_cast<std::uint8_t>(random());
            return *from_big_endian(bytes);
        };
        const Uint256 a = draw(), b = draw(), c = draw();
        EXPECT_EQ(multiply(a, b), multiply(b, a));
        const auto sum = add(b, c);
        const auto ab = multiply(a, b), ac = multiply(a, c);
        const auto left = sum ? multiply(a, *sum) : std::nullopt;
        if (!left)
            continue;
        ASSERT_TRUE(ab && ac);
        EXPECT_EQ(left, add(*ab, *ac));
        ++fitted;
    }
    EXPECT_GT(fitted, 500);
}

TEST(Uint256, overflow_is_reported_exactly_at_2_to_the_256) {
    const Uint256 largest = *from_decimal(kLargest);
    EXPECT_EQ(add(largest, 0), largest);
    EXPECT_FALSE(add(largest, 1));
    EXPECT_FALSE(add(1, largest));
    EXPECT_EQ(multiply(largest, 1), largest);
    EXPECT_EQ(multiply(largest, 0), Uint256());
    EXPECT_FALSE(multiply(largest, 2));
    for (std::size_t i = 0; i < 256; ++i) {
        EXPECT_EQ(multiply(power_of_two(i), power_of_two(255 - i)), power_of_two(255)) << i;
        if (i > 0) {
            EXPECT_FALSE(multiply(power_of_two(i), power_of_two(256 - i))) << i;
        }
    }
}

TEST(Uint256, bytes_and_texts_round_trip) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 2000; ++round) {
        Bytes bytes(random() % 33);
        for (auto& byte : bytes)
            byte = static_cast<std::uint8_t>(random());
        const Uint256 value = *from_big_endian(bytes);
        EXPECT_EQ(from_decimal(to_decimal(value)), value);
        EXPECT_EQ(from_quantity(to_quantity(value)), value);
        EXPECT_EQ(from_big_endian(to_big_endian(value)), value);
        const Bytes minimal = to_minimal_big_endian(value);
        EXPECT_EQ(from_big_endian(minimal), value);
        EXPECT_TRUE(minimal.empty() || minimal[0] != 0);
    }
    EXPECT_TRUE(to_minimal_big_endian(0).empty());
    EXPECT_FALSE(from_big_endian(Bytes(33, 0)));
}

TEST(Uint256, zeros_inside_a_decimal_number_are_kept) {
    for (const std::string_view text :
         {"0", "1", "18446744073709551616", "10000000000000000000000000000000000000000",
          "100000000000000000000000000000000000001",
          "100000000000000000000000000000000000000000000000000000000",
          "340282366920938463463374607431768211456"}) {
        ASSERT_TRUE(from_decimal(text)) << text;
        EXPECT_EQ(to_decimal(*from_decimal(text)), text);
    }
    EXPECT_EQ(to_decimal(*from_decimal(kLargest)), kLargest);
    EXPECT_EQ(to_quantity(*from_decimal(kLargest)), "0x" + std::string(64, 'f'));
    EXPECT_EQ(to_quantity(0), "0x0");
    EXPECT_EQ(to_quantity(*from_decimal("18446744073709551616")), "0x10000000000000000");
    EXPECT_EQ(std::string_view(quantity(0x1f)), "0x1f");
    EXPECT_EQ(to_quantity(0x10203), "0x10203");
}

TEST(Uint256, a_number_has_one_text_in_each_form) {
    for (const std::string_view text :
         {"", "00", "01", "-1", "+1", "1.0", "1e3", " 1", "1 ", "0x1", "1_000", "a",
          "115792089237316195423570985008687907853269984665640564039457584007913129639936",
          "1000000000000000000000000000000000000000000000000000000000000000000000000000000"})
        EXPECT_FALSE(from_decimal(text)) << text;
    for (const std::string& text :
         {std::string(), std::string("0x"), std::string("0x00"), std::string("0x01"), std::string("0X1"),
          std::string("1"), std::string("0x-1"), std::string("0x1g"), std::string("0x 1"), std::string("x1"),
          "0x1" + std::string(64, '0')})
        EXPECT_FALSE(from_quantity(text)) << text;
    EXPECT_EQ(from_quantity("0xAb"), Uint256(0xab));
    EXPECT_EQ(from_quantity("0x" + std::string(64, 'f')), from_decimal(kLargest));
}

TEST(Uint256, the_highest_limb_decides_an_order) {
    for (std::size_t i = 2; i < 256; ++i) {
        EXPECT_LT(power_of_two(i - 1), power_of_two(i));
        EXPECT_GT(power_of_two(i), *add(power_of_two(i - 1), 1));
        EXPECT_LT(power_of_two(i), *add(power_of_two(i), 1));
    }
}

} // namespace
} // namespace redoubt::ethereum
