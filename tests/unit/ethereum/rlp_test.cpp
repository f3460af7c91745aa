// SPDX-License-Identifier: Apache-2.0
#include "ethereum/rlp.h"

#include <gtest/gtest.h>
#include <random>

namespace redoubt::ethereum::rlp {
namespace {

struct Item {
    bool is_list = false;
    Bytes string;
    std::vector<Item> items;
    bool operator==(const Item&) const = default;
};

std::size_t payload_of(const Item& list);

template<class Sink>
void put(Sink& sink, const Item& item) {
    if (!item.is_list)
        return sink.string(item.string);
    sink.list(payload_of(item));
    for (const auto& child : item.items)
        put(sink, child);
}

std::size_t payload_of(const Item& list) {
    Sizer sizer;
    for (const auto& child : list.items)
        put(sizer, child);
    return sizer.size();
}

Bytes encode(const Item& item) {
    Bytes out;
    Writer writer(out);
    put(writer, item);
    Sizer sizer;
    put(sizer, item);
    EXPECT_EQ(sizer.size(), out.size());
    return out;
}

Item read(Reader& in) {
    Item out;
    out.is_list = in.next_is_list();
    if (!out.is_list) {
        out.string = to_bytes(in.string());
        return out;
    }
    Reader list = in.list();
    while (!list.empty())
        out.items.push_back(read(list));
    if (!list.finished())
        in.fail();
    return out;
}

std::optional<Item> decode(ByteView bytes, std::size_t depth = kMaxDepth) {
    Reader in(bytes, depth);
    Item out = read(in);
    if (!in.finished())
        return std::nullopt;
    return out;
}

Item random_item(std::mt19937_64& random, int depth) {
    Item out;
    out.is_list = depth > 0 && random() % 2 == 0;
    if (out.is_list) {
        for (auto n = random() % 6; n > 0; --n)
            out.items.push_back(random_item(random, depth - 1));
        return out;
    }
    constexpr std::size_t kSizes[] = {0, 1, 1, 1, 2, 20, 32, 55, 56, 57, 255, 256, 300};
    out.string.resize(kSizes[random() % std::size(kSizes)]);
    for (auto& byte : out.string)
        byte = static_cast<std::uint8_t>(random());
    return out;
}

Bytes hex(std::string_view text) {
    return from_hex(text).value();
}

TEST(Rlp, reads_back_what_it_wrote_and_nothing_shorter_or_longer) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 500; ++round) {
        const Item item = random_item(random, 5);
        Bytes bytes = encode(item);
        const auto back = decode(bytes);
        ASSERT_TRUE(back);
        EXPECT_EQ(*back, item);
        for (std::size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 50)
            ASSERT_FALSE(decode(ByteView(bytes).first(cut))) << cut << " of " << to_hex(bytes);
        bytes.push_back(0x80);
        EXPECT_FALSE(decode(bytes));
    }
}

TEST(Rlp, every_accepted_input_is_the_writers_output) {
    std::mt19937_64 random(12);
    int accepted = 0;
    for (int round = 0; round < 200'000; ++round) {
        Bytes bytes(1 + random() % 6);
        for (auto& byte : bytes)
            byte = static_cast<std::uint8_t>(random());
        if (const auto item = decode(bytes)) {
            ASSERT_EQ(encode(*item), bytes);
            ++accepted;
        }
    }
    EXPECT_GT(accepted, 1000);
}

TEST(Rlp, malformed_encodings_are_refused) {
    for (const std::string_view text : {"",
                                        "8100",   // single bytes below 0x80 stand for themselves
                                        "817f",   //
                                        "c28100", //
                                        "81",     // short
                                        "8261",   //
                                        "c1",     //
                                        "c281",   // an item that leaves its list
                                        "b8",     // no length
                                        "b800",   // lengths with leading zeros, or that a short form says
                                        "b801ff", //
                                        "f800",   //
                                        "f80180", //
                                        "b90000", //
                                        "8080",   // two items
                                        "c0c0",   //
                                        "bfffffffffffffffff00",  // a length of 2^64 − 1
                                        "ffffffffffffffffff00",  //
                                        "bf0100000000000000",    //
                                        "ff7fffffffffffffff80"}) //
        EXPECT_FALSE(decode(hex(text))) << text;
    Bytes leading = hex("b90038");
    leading.resize(3 + 0x38, 0x61);
    EXPECT_FALSE(decode(leading)) << "a length of 56 in two bytes";
    Bytes right = hex("b838");
    right.resize(2 + 0x38, 0x61);
    EXPECT_TRUE(decode(right));
    right[1] = 0x37;
    right.pop_back();
    EXPECT_FALSE(decode(right)) << "a long form for 55 bytes";
}

TEST(Rlp, integers_are_minimal_and_bounded) {
    const auto u64 = [](std::string_view text) -> std::optional<std::uint64_t> {
        const Bytes bytes = hex(text);
        Reader in(bytes);
        const auto out = in.u64();
        return in.finished() ? std::optional(out) : std::nullopt;
    };
    EXPECT_EQ(u64("80"), 0u);
    EXPECT_EQ(u64("01"), 1u);
    EXPECT_EQ(u64("7f"), 0x7fu);
    EXPECT_EQ(u64("8180"), 0x80u);
    EXPECT_EQ(u64("88ffffffffffffffff"), UINT64_MAX);
    for (const std::string_view text : {"00", "8100", "820001", "89010000000000000000", "c0", "c101", ""})
        EXPECT_FALSE(u64(text)) << text;

    const auto u256 = [](const Bytes& bytes) -> std::optional<Uint256> {
        Reader in(bytes);
        const auto out = in.u256();
        return in.finished() ? std::optional(out) : std::nullopt;
    };
    EXPECT_EQ(u256(hex("a0" + std::string(64, 'f'))), from_quantity("0x" + std::string(64, 'f')));
    EXPECT_FALSE(u256(hex("a1" + std::string(66, 'f'))));
    EXPECT_FALSE(u256(hex("a000" + std::string(62, 'f'))));
}

TEST(Rlp, integers_are_written_as_they_are_read) {
    for (const std::uint64_t value : {0ull, 1ull, 0x7full, 0x80ull, 0xffull, 0x100ull, ~0ull}) {
        Bytes narrow, wide;
        Writer(narrow).integer(value);
        Writer(wide).integer(Uint256(value));
        EXPECT_EQ(narrow, wide);
        Sizer sizer;
        sizer.integer(value);
        EXPECT_EQ(sizer.size(), narrow.size());
        Reader in(narrow);
        EXPECT_EQ(in.u64(), value);
        EXPECT_TRUE(in.finished());
    }
}

TEST(Rlp, depth_is_bounded) {
    const auto nested = [](std::size_t lists) {
        Bytes out;
        for (std::size_t i = 0; i < lists; ++i) {
            Bytes around;
            Writer(around).list(out.size());
            append(around, out);
            out = std::move(around);
        }
        return out;
    };
    EXPECT_TRUE(decode(nested(kMaxDepth)));
    EXPECT_FALSE(decode(nested(kMaxDepth + 1)));
    EXPECT_FALSE(decode(nested(3), 2));
    EXPECT_FALSE(decode(nested(3000)));
}

TEST(Rlp, a_list_is_no_string_and_a_string_no_list) {
    const Bytes list = hex("c101"), string = hex("8101"), empty;
    Reader a(list);
    EXPECT_TRUE(a.next_is_list());
    EXPECT_TRUE(a.string().empty());
    EXPECT_FALSE(a.ok());
    const Bytes dog = hex("83646f67");
    Reader b(dog);
    EXPECT_FALSE(b.next_is_list());
    EXPECT_FALSE(b.list().ok());
    EXPECT_FALSE(b.ok());
    Reader c(dog);
    EXPECT_EQ(c.array<4>(), (ByteArray<4>{}));
    EXPECT_FALSE(c.ok());
    Reader d(dog);
    EXPECT_EQ(d.array<3>(), (ByteArray<3>{'d', 'o', 'g'}));
    EXPECT_TRUE(d.finished());
    Reader e(empty);
    EXPECT_FALSE(e.list().ok());
    EXPECT_FALSE(e.ok());
}

} // namespace
} // namespace redoubt::ethereum::rlp
