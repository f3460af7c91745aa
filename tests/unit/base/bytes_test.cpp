// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gtest/gtest.h>
#include <random>

namespace redoubt {
namespace {

TEST(Hex, writes_lower_case_with_and_without_a_prefix) {
    const Bytes bytes{0x00, 0x0f, 0xa0, 0xff};
    EXPECT_EQ(to_hex(bytes), "000fa0ff");
    EXPECT_EQ(to_hex0x(bytes), "0x000fa0ff");
    EXPECT_EQ(to_hex({}), "");
    EXPECT_EQ(to_hex0x({}), "0x");
}

// Four bytes are written at a time.
TEST(Hex, writes_each_byte_wherever_it_stands) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (std::size_t byte = 0; byte < 256; ++byte)
        for (std::size_t size = 1; size < 10; ++size)
            for (std::size_t at = 0; at < size; ++at) {
                Bytes bytes(size, 0x10);
                bytes[at] = static_cast<std::uint8_t>(byte);
                std::string expected;
                for (std::size_t i = 0; i < size; ++i)
                    (expected += kDigits[bytes[i] >> 4]) += kDigits[bytes[i] & 15];
                ASSERT_EQ(to_hex(bytes), expected);
                std::string appended = "0x";
                append_hex(appended, bytes);
                ASSERT_EQ(appended, to_hex0x(bytes));
            }
}

TEST(Hex, reads_either_case) {
    const Bytes expected{0xab, 0xcd, 0xef, 0x09};
    EXPECT_EQ(from_hex("abcdef09"), expected);
    EXPECT_EQ(from_hex("ABCDEF09"), expected);
    EXPECT_EQ(from_hex("aBcDeF09"), expected);
    EXPECT_EQ(from_hex0x("0xabcdef09"), expected);
}

TEST(Hex, reads_the_empty_byte_string) {
    EXPECT_EQ(from_hex(""), Bytes{});
    EXPECT_EQ(from_hex0x("0x"), Bytes{});
}

TEST(Hex, refuses_odd_lengths_prefixes_spaces_and_other_characters) {
    for (const char* text :
         {"a", "abc", "0x00", "0X00", " 00", "00 ", "0g", "g0", "@0", "0`", "/0", "0:", "-1"})
        EXPECT_EQ(from_hex(text), std::nullopt) << text;
    for (const char* text : {"", "0", "x", "00", "0X00", "0x0", "0x0x00", " 0x00", "0x 00"})
        EXPECT_EQ(from_hex0x(text), std::nullopt) << text;
    EXPECT_EQ(from_hex(std::string_view("0\0", 2)), std::nullopt);
}

TEST(Hex, reads_every_pair_of_characters_as_the_c_library_does) {
    const auto value = [](unsigned char c) {
        return std::isxdigit(c) == 0 ? -1 : std::stoi(std::string(1, static_cast<char>(c)), nullptr, 16);
    };
    for (int high = 0; high < 256; ++high)
        for (int low = 0; low < 256; ++low) {
            const char text[] = {static_cast<char>(high), static_cast<char>(low)};
            std::uint8_t out[1] = {};
            const int h = value(static_cast<unsigned char>(high));
            const int l = value(static_cast<unsigned char>(low));
            ASSERT_EQ(from_hex_exact({text, 2}, out), h >= 0 && l >= 0) << high << " " << low;
            if (h >= 0 && l >= 0) {
                ASSERT_EQ(out[0], h << 4 | l);
            }
            // Four bytes are read at a time.
            for (std::size_t at = 0; at < 4; ++at) {
                std::string eight = "0123cDeF";
                eight[2 * at] = text[0];
                eight[2 * at + 1] = text[1];
                ByteArray<4> four{};
                ASSERT_EQ(from_hex_exact(eight, four), h >= 0 && l >= 0) << high << " " << low << " " << at;
                ByteArray<4> expected{0x01, 0x23, 0xcd, 0xef};
                expected[at] = static_cast<std::uint8_t>(h << 4 | l);
                if (h >= 0 && l >= 0) {
                    ASSERT_EQ(four, expected);
                }
            }
        }
}

TEST(Hex, exact_reading_demands_the_length) {
    std::uint8_t out[2] = {};
    EXPECT_TRUE(from_hex_exact("12fE", out));
    EXPECT_EQ(out[0], 0x12);
    EXPECT_EQ(out[1], 0xfe);
    EXPECT_FALSE(from_hex_exact("12", out));
    EXPECT_FALSE(from_hex_exact("123", out));
    EXPECT_FALSE(from_hex_exact("123456", out));
    EXPECT_FALSE(from_hex_exact("12f_", out));
}

TEST(Base64, agrees_with_the_examples_of_rfc_4648) {
    const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                            {"f", "Zg=="},
                                                            {"fo", "Zm8="},
                                                            {"foo", "Zm9v"},
                                                            {"foob", "Zm9vYg=="},
                                                            {"fooba", "Zm9vYmE="},
                                                            {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, encoded] : examples) {
        EXPECT_EQ(to_base64(as_bytes(plain)), encoded);
        EXPECT_EQ(from_base64(encoded), to_bytes(std::string_view(plain)));
        const std::size_t size = std::string_view(plain).size();
        EXPECT_EQ(size_of_base64(encoded), size);
        Bytes exactly(size), longer(size + 1);
        EXPECT_TRUE(from_base64_exact(encoded, exactly));
        EXPECT_EQ(as_text(exactly), plain);
        EXPECT_FALSE(from_base64_exact(encoded, longer));
    }
    EXPECT_EQ(size_of_base64("Zm9vY"), std::nullopt);
}

TEST(Base64, uses_the_whole_alphabet) {
    const Bytes bytes{0xfb, 0xef, 0xff};
    EXPECT_EQ(to_base64(bytes), "++//");
    EXPECT_EQ(from_base64("++//"), bytes);
}

TEST(Base64, refuses_every_second_form_of_a_byte_string) {
    for (const char* text : {
             "Zg",       "Zg=",      "Zg===", "Z===",     "====", "=",    "Zm8",  // padding
             "Zh==",     "Zm9=",                                                  // trailing bits
             "Zg==Zg==", "Zg==Zm9v", "Z=g=",  "=Zg=",     "Zm=v",                 // padding within
             "Zm9v\n",   " Zm9v",    "Zm 9v", "Zm9v    ", "Zm9-", "Zm9_", "Zm9.", // other characters
         })
        EXPECT_EQ(from_base64(text), std::nullopt) << text;
    EXPECT_EQ(from_base64(std::string_view("Zm9\0", 4)), std::nullopt);
}

TEST(Base64, and_hex_bring_every_byte_string_back) {
    const std::uint64_t seed = 20261122;
    std::mt19937_64 random(seed);
    for (std::size_t size = 0; size < 200; ++size) {
        Bytes bytes(size);
        for (auto& byte : bytes)
            byte = static_cast<std::uint8_t>(random());
        EXPECT_EQ(from_base64(to_base64(bytes)), bytes) << "seed " << seed << " size " << size;
        EXPECT_EQ(from_hex(to_hex(bytes)), bytes) << "seed " << seed << " size " << size;
    }
}

TEST(Base64, a_text_that_decodes_is_the_text_that_encodes) {
    const std::uint64_t seed = 4648;
    std::mt19937_64 random(seed);
    constexpr std::string_view alphabet = "AB+/=zZ09Qg";
    int accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        std::string text(4 * (1 + random() % 2), 'A');
        for (auto& c : text)
            c = alphabet[random() % alphabet.size()];
        if (const auto bytes = from_base64(text)) {
            ++accepted;
            EXPECT_EQ(to_base64(*bytes), text) << "seed " << seed;
        }
    }
    EXPECT_GT(accepted, 1000);
}

TEST(ConstantTime, equality_compares_contents_and_length) {
    const Bytes a{1, 2, 3};
    EXPECT_TRUE(equal_constant_time(a, Bytes{1, 2, 3}));
    EXPECT_FALSE(equal_constant_time(a, Bytes{1, 2, 4}));
    EXPECT_FALSE(equal_constant_time(a, Bytes{9, 2, 3}));
    EXPECT_FALSE(equal_constant_time(a, Bytes{1, 2}));
    EXPECT_FALSE(equal_constant_time(a, {}));
    EXPECT_TRUE(equal_constant_time({}, {}));
}

TEST(Bytes, views_and_copies_keep_the_content) {
    const std::string text("a\0b", 3);
    EXPECT_EQ(as_bytes(text).size(), 3u);
    EXPECT_EQ(as_text(as_bytes(text)), text);
    EXPECT_EQ(to_bytes(std::string_view(text)), (Bytes{'a', 0, 'b'}));
    Bytes out{1};
    append(out, Bytes{2, 3});
    append(out, {});
    EXPECT_EQ(out, (Bytes{1, 2, 3}));
}

TEST(Bytes, become_an_array_of_exactly_their_size) {
    const Bytes three{7, 8, 9};
    EXPECT_EQ(to_array<3>(three), (ByteArray<3>{7, 8, 9}));
    EXPECT_EQ(to_array<2>(three), std::nullopt);
    EXPECT_EQ(to_array<4>(three), std::nullopt);
    EXPECT_EQ(to_array<0>({}), (ByteArray<0>{}));
}

} // namespace
} // namespace redoubt
