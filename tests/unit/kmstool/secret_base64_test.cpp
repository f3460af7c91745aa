// SPDX-License-Identifier: Apache-2.0
#include "kmstool/secret_base64.h"

#include <gtest/gtest.h>

namespace redoubt::kmstool {
namespace {

std::string encoded(ByteView bytes) {
    Bytes out(base64_size(bytes.size()), 0xee);
    encode_base64(bytes, out);
    return std::string(as_text(out));
}

TEST(SecretBase64, says_what_rfc_4648_says) {
    // RFC 4648, section 10.
    const std::pair<const char*, const char*> cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [bytes, text] : cases)
        EXPECT_EQ(encoded(as_bytes(bytes)), text);
}

TEST(SecretBase64, writes_every_digit_as_the_table_driven_encoder_does) {
    for (std::uint32_t v = 0; v < 1u << 16; ++v) {
        const Bytes two{static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)};
        ASSERT_EQ(encoded(two), to_base64(two));
    }
    Bytes all;
    for (int i = 0; i < 256; ++i) {
        ASSERT_EQ(encoded(all), to_base64(all));
        all.push_back(static_cast<std::uint8_t>(255 - i));
    }
}

} // namespace
} // namespace redoubt::kmstool
