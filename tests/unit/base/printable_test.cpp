// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <gtest/gtest.h>

#include <string>

namespace redoubt {
namespace {

TEST(Printable, counts_whole_blocks_unless_one_of_them_holds_anything_else) {
    EXPECT_EQ(printable_blocks(""), 0u);
    EXPECT_EQ(printable_blocks("1234567"), 0u);
    for (std::size_t size = 0; size < 40; ++size)
        EXPECT_EQ(printable_blocks(std::string(size, 'a')), size / 8 * 8);
    for (int byte = 0; byte < 256; ++byte)
        for (std::size_t at = 0; at < 20; ++at)
            for (const char others : {' ', 'a', '~'}) {
                std::string text(20, others);
                text[at] = static_cast<char>(byte);
                const bool plain = (byte >= 0x20 && byte <= 0x7e) || at >= 16; // beyond the blocks
                EXPECT_EQ(printable_blocks(text), plain ? 16u : 0u) << byte << " at " << at;
            }
}

} // namespace
} // namespace redoubt
