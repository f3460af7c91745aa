// SPDX-License-Identifier: Apache-2.0
#include "net/http_grammar.h"

#include <gtest/gtest.h>

#include <string>

namespace redoubt::net {
namespace {

// RFC 9110, section 5.5: visible characters, bytes from 0x80 on, space and tab.
TEST(HttpGrammar, a_field_value_holds_no_control_character_wherever_it_stands) {
    for (std::size_t size = 1; size <= 26; ++size)
        for (std::size_t at = 0; at < size; ++at)
            for (int byte = 0; byte < 256; ++byte) {
                for (const char other : {'a', '\t', ' ', '~', '\x80', '\xff'}) {
                    std::string text(size, other);
                    text[at] = static_cast<char>(byte);
                    const bool allowed = (byte >= 0x20 && byte != 0x7f) || byte == '\t';
                    ASSERT_EQ(is_field_value(text), allowed) << size << " " << at << " " << byte;
                }
            }
    EXPECT_TRUE(is_field_value(""));
}

} // namespace
} // namespace redoubt::net
