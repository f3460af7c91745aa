// SPDX-License-Identifier: Apache-2.0
#include "crypto/ber.h"

#include <gtest/gtest.h>

namespace redoubt::crypto {
namespace {

std::optional<Bytes> octets(const Bytes& input) {
    Cursor in(input);
    const Bytes contents = to_bytes(ber::element(in, ber::kOctetString));
    if (!in.finished())
        return std::nullopt;
    return contents;
}

Bytes with(std::initializer_list<std::uint8_t> head, std::size_t contents) {
    Bytes out(head);
    out.resize(out.size() + contents, 0xab);
    return out;
}

TEST(Ber, reads_the_shortest_lengths) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{127}, std::size_t{128},
                                   std::size_t{255}, std::size_t{256}, std::size_t{65535}}) {
        Bytes encoded;
        ber::append_element(encoded, ber::kOctetString, Bytes(size, 0xcd));
        EXPECT_EQ(encoded.size(), size + (size < 128 ? 2 : size < 256 ? 3 : 4));
        EXPECT_EQ(octets(encoded), Bytes(size, 0xcd)) << size;
    }
}

TEST(Ber, refuses_every_other_length) {
    EXPECT_TRUE(octets(with({0x04, 0x81, 0x80}, 128)));
    EXPECT_FALSE(octets(with({0x04, 0x81, 0x7f}, 127))); // fits the short form
    EXPECT_FALSE(octets(with({0x04, 0x81, 0x00}, 0)));
    EXPECT_FALSE(octets(with({0x04, 0x82, 0x00, 0xff}, 255)));       // fits one byte
    EXPECT_FALSE(octets(with({0x04, 0x83, 0x00, 0x01, 0x00}, 256))); // fits two
    EXPECT_FALSE(octets(with({0x04, 0x80}, 0)));                     // indefinite
    EXPECT_FALSE(octets(with({0x04, 0x80, 0x00, 0x00}, 0)));
    EXPECT_FALSE(octets(with({0x04, 0xff}, 127))); // reserved
    EXPECT_FALSE(octets(with({0x04, 0x84, 0xff, 0xff, 0xff, 0xff}, 8)));
    EXPECT_FALSE(octets(with({0x04, 0x05}, 4))); // short input
    EXPECT_FALSE(octets(with({0x04, 0x05}, 6))); // long input
    EXPECT_FALSE(octets(with({0x04, 0x82, 0x01}, 0)));
    EXPECT_FALSE(octets(with({0x04}, 0)));
    EXPECT_FALSE(octets({}));
    EXPECT_FALSE(octets(with({0x24, 0x01}, 1))); // another tag
}

TEST(Ber, an_element_of_fixed_size_has_that_size) {
    const Bytes three = with({0x04, 0x03}, 3);
    Cursor exact(three);
    EXPECT_EQ(ber::element(exact, ber::kOctetString, 3).size(), 3u);
    EXPECT_TRUE(exact.finished());
    for (const std::size_t size : {std::size_t{2}, std::size_t{4}}) {
        Cursor in(three);
        EXPECT_TRUE(ber::element(in, ber::kOctetString, size).empty());
        EXPECT_FALSE(in.ok());
    }
}

TEST(Ber, indefinite_elements_open_and_close_exactly) {
    const Bytes good{0x30, 0x80, 0x00, 0x00};
    Cursor in(good);
    ber::open_indefinite(in, ber::kSequence);
    ber::close_indefinite(in);
    EXPECT_TRUE(in.finished());
    for (const Bytes& bytes :
         {Bytes{0x30, 0x00}, Bytes{0x31, 0x80, 0, 0}, Bytes{0x30, 0x80, 0, 1}, Bytes{0x30, 0x80, 1, 0},
          Bytes{0x30, 0x80, 0}, Bytes{0x30, 0x80}, Bytes{0x30}, Bytes{}}) {
        Cursor wrong(bytes);
        ber::open_indefinite(wrong, ber::kSequence);
        ber::close_indefinite(wrong);
        EXPECT_FALSE(wrong.ok());
    }
}

TEST(Ber, expected_bytes_are_compared_whole) {
    const Bytes input{1, 2, 3};
    Cursor in(input);
    ber::expect(in, Bytes{1, 2});
    EXPECT_TRUE(in.ok());
    EXPECT_TRUE(ber::next_is(in, 3));
    EXPECT_FALSE(ber::next_is(in, 4));
    ber::expect(in, Bytes{3, 4});
    EXPECT_FALSE(in.ok());
    EXPECT_FALSE(ber::next_is(in, 3));
    Cursor other(input);
    ber::expect(other, Bytes{1, 3});
    EXPECT_FALSE(other.ok());
}

} // namespace
} // namespace redoubt::crypto
