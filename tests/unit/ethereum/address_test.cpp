// SPDX-License-Identifier: Apache-2.0
#include "ethereum/address.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace redoubt::ethereum {
namespace {

// The examples of EIP-55.
constexpr std::string_view kExamples[] = {
    "0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb"};

std::string with_case(std::string_view text, int (*change)(int)) {
    std::string out(text);
    std::transform(out.begin() + 2, out.end(), out.begin() + 2,
                   [&](char c) { return static_cast<char>(change(static_cast<unsigned char>(c))); });
    return out;
}

TEST(Address, the_examples_of_eip_55_are_written_and_read) {
    for (const auto example : kExamples) {
        const auto address = parse_address(example);
        ASSERT_TRUE(address) << example;
        EXPECT_EQ(to_checksum(*address), example);
        EXPECT_EQ(*parse_address(with_case(example, std::tolower)), *address);
        EXPECT_EQ(*parse_address(with_case(example, std::toupper)), *address);
    }
}

TEST(Address, one_letter_of_the_wrong_case_is_refused) {
    int refused = 0;
    for (const auto example : kExamples)
        for (std::size_t i = 2; i < example.size(); ++i) {
            std::string changed(example);
            changed[i] = static_cast<char>(std::isupper(static_cast<unsigned char>(changed[i]))
                                               ? std::tolower(changed[i])
                                               : std::toupper(changed[i]));
            if (changed == example || changed == with_case(example, std::tolower) ||
                changed == with_case(example, std::toupper))
                continue;
            const auto address = parse_address(changed);
            ASSERT_FALSE(address) << changed;
            EXPECT_EQ(address.error().code, Code::InvalidField);
            ++refused;
        }
    EXPECT_GT(refused, 100);
}

TEST(Address, what_is_not_0x_and_40_digits_is_refused) {
    const std::string good(kExamples[2]);
    ASSERT_TRUE(parse_address(good));
    for (const std::string& text :
         {std::string(), std::string("0x"), good.substr(2), "0X" + good.substr(2), good + "0",
          good.substr(0, 41), " " + good, good.substr(0, 41) + "g", good.substr(0, 41) + " ",
          "0x" + good.substr(0, 40), good.substr(0, 41) + std::string(1, '\0')})
        EXPECT_FALSE(parse_address(text)) << text;
}

TEST(Address, digits_alone_need_no_checksum) {
    EXPECT_EQ(*parse_address("0x1111111111111111111111111111111111111111"), *to_array<20>(Bytes(20, 0x11)));
    EXPECT_EQ(to_checksum(Address{}), "0x0000000000000000000000000000000000000000");
}

TEST(Address, is_the_end_of_the_public_keys_hash) {
    const crypto::Secp256k1 curve(Hash32{});
    Secret key(32);
    key.mutable_view(SecretAccess("a test's key"))[31] = 1;
    // The address of the private key 1, known everywhere.
    EXPECT_EQ(to_checksum(address_of(*curve.public_key(key))), "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
}

} // namespace
} // namespace redoubt::ethereum
