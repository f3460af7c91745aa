// SPDX-License-Identifier: Apache-2.0
#include "image/crc32.h"

#include "by_hand.h"

namespace redoubt::image {
namespace {

TEST(Crc32, GivesTheCheckValueOfTheCatalogues) {
    EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf4'3926u);
    EXPECT_EQ(crc32({}), 0u);
}

TEST(Crc32, IsThatOfTheDefinitionAtEveryLengthAndAlignment) {
    Bytes data;
    for (std::size_t i = 0; i < 100; ++i)
        data.push_back(static_cast<std::uint8_t>(i * 37 + 11));
    for (std::size_t start = 0; start < 9; ++start)
        for (std::size_t size = 0; start + size <= data.size(); ++size) {
            const ByteView part = ByteView(data).subspan(start, size);
            ASSERT_EQ(crc32(part), tests::slow_crc(part)) << start << " " << size;
        }
}

TEST(Crc32, GoesOnWhereItStopped) {
    const ByteView whole = as_bytes("a text of two halves, not equally long");
    for (std::size_t cut = 0; cut <= whole.size(); ++cut)
        EXPECT_EQ(crc32(whole.subspan(cut), crc32(whole.first(cut))), crc32(whole));
}

} // namespace
} // namespace redoubt::image
