// SPDX-License-Identifier: Apache-2.0
#include "base/cursor.h"

#include <gtest/gtest.h>
#include <random>

namespace redoubt {
namespace {

TEST(Cursor, reads_big_endian_integers) {
    const Bytes bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    Cursor in(bytes);
    EXPECT_EQ(in.u8(), 0x01u);
    EXPECT_EQ(in.u16(), 0x0203u);
    EXPECT_EQ(in.u32(), 0x04050607u);
    EXPECT_EQ(in.u64(), 0x08090a0b0c0d0e0fu);
    EXPECT_TRUE(in.finished());
}

TEST(Cursor, views_its_input) {
    const Bytes bytes{1, 2, 3, 4};
    Cursor in(bytes);
    EXPECT_EQ(in.take(3).data(), bytes.data());
    EXPECT_EQ(in.rest().data(), bytes.data() + 3);
    EXPECT_FALSE(in.finished());
    EXPECT_FALSE(in.empty());
}

TEST(Cursor, a_short_read_fails_and_makes_every_later_read_fail) {
    const Bytes bytes{1, 2, 3};
    Cursor in(bytes);
    EXPECT_EQ(in.u32(), 0u);
    EXPECT_FALSE(in.ok());
    // The three bytes were there, and still none is handed out.
    EXPECT_EQ(in.u8(), 0u);
    EXPECT_TRUE(in.take(1).empty());
    EXPECT_TRUE(in.take(0).empty());
    EXPECT_TRUE(in.rest().empty());
    EXPECT_FALSE(in.ok());
    EXPECT_FALSE(in.finished());
}

TEST(Cursor, refuses_a_length_that_would_wrap_around) {
    const Bytes bytes{1, 2, 3};
    Cursor in(bytes);
    EXPECT_TRUE(in.take(static_cast<std::size_t>(-1)).empty());
    EXPECT_FALSE(in.ok());
}

TEST(Cursor, an_empty_input_is_finished_until_something_is_read) {
    Cursor in({});
    EXPECT_TRUE(in.finished());
    EXPECT_TRUE(in.take(0).empty());
    EXPECT_TRUE(in.finished());
    EXPECT_EQ(in.u8(), 0u);
    EXPECT_FALSE(in.finished());
}

TEST(Cursor, blocks_are_bounded_by_their_limit) {
    const Bytes bytes{0, 2, 'a', 'b', 0, 0, 0, 1, 'c'};
    Cursor in(bytes);
    EXPECT_EQ(as_text(in.block16(2)), "ab");
    EXPECT_EQ(as_text(in.block32(1)), "c");
    EXPECT_TRUE(in.finished());

    Cursor above(bytes);
    EXPECT_TRUE(above.block16(1).empty());
    EXPECT_FALSE(above.ok());
}

TEST(Cursor, a_block_longer_than_the_input_fails) {
    const Bytes bytes{0, 3, 'a', 'b'};
    Cursor in(bytes);
    EXPECT_TRUE(in.block16().empty());
    EXPECT_FALSE(in.ok());
}

TEST(Cursor, an_array_past_the_end_is_zero) {
    const Bytes bytes{1, 2, 3, 4};
    Cursor in(bytes);
    EXPECT_EQ(in.array<2>(), (ByteArray<2>{1, 2}));
    EXPECT_EQ(in.array<3>(), (ByteArray<3>{}));
    EXPECT_FALSE(in.ok());
}

TEST(Cursor, reads_back_what_the_writer_wrote) {
    const std::uint64_t seed = 7;
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
        const auto number = random();
        Bytes block(random() % 300);
        for (auto& byte : block)
            byte = static_cast<std::uint8_t>(random());
        Bytes out;
        Writer(out)
            .u8(static_cast<std::uint8_t>(number))
            .u16(static_cast<std::uint16_t>(number))
            .block16(block)
            .u32(static_cast<std::uint32_t>(number))
            .block32(block)
            .u64(number)
            .bytes(block);
        Cursor in(out);
        EXPECT_EQ(in.u8(), static_cast<std::uint8_t>(number));
        EXPECT_EQ(in.u16(), static_cast<std::uint16_t>(number));
        EXPECT_EQ(to_bytes(in.block16()), block);
        EXPECT_EQ(in.u32(), static_cast<std::uint32_t>(number));
        EXPECT_EQ(to_bytes(in.block32(300)), block);
        EXPECT_EQ(in.u64(), number);
        EXPECT_EQ(to_bytes(in.take(block.size())), block);
        EXPECT_TRUE(in.finished()) << "seed " << seed;
        for (std::size_t cut = 0; cut < out.size(); ++cut) {
            Cursor truncated(ByteView(out).first(cut));
            truncated.u8();
            truncated.u16();
            truncated.block16();
            truncated.u32();
            truncated.block32(300);
            truncated.u64();
            truncated.take(block.size());
            ASSERT_FALSE(truncated.finished()) << "seed " << seed << " cut " << cut;
        }
    }
}

} // namespace
} // namespace redoubt
