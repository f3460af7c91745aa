// SPDX-License-Identifier: Apache-2.0
#include "nitro/cbor.h"
#include "nitro/cbor_map.h"

#include <gtest/gtest.h>

namespace redoubt::nitro::cbor {
namespace {

Bytes hex(std::string_view text) {
    return from_hex(text).value();
}

template<class F>
std::string written(F&& write) {
    Bytes out;
    Writer writer(out);
    write(writer);
    return to_hex(out);
}

bool skips(std::string_view text) {
    const Bytes bytes = hex(text);
    Reader in(bytes);
    return in.skip() && in.finished();
}

// RFC 8949, appendix A.
TEST(CborReader, integers_are_read_in_every_length) {
    const std::pair<const char*, std::uint64_t> cases[] = {
        {"00", 0},
        {"17", 23},
        {"1818", 24},
        {"18ff", 255},
        {"190100", 256},
        {"1903e8", 1000},
        {"19ffff", 65535},
        {"1a00010000", 65536},
        {"1affffffff", 0xffffffff},
        {"1b0000000100000000", 0x100000000},
        {"1bffffffffffffffff", 0xffffffffffffffff},
    };
    for (const auto& [text, value] : cases) {
        const Bytes bytes = hex(text);
        Reader in(bytes);
        EXPECT_EQ(in.u64(), value) << text;
        EXPECT_TRUE(in.finished()) << text;
        EXPECT_EQ(written([&](Writer& w) { w.u64(value); }), text);
    }
}

TEST(CborReader, an_integer_that_is_not_in_its_shortest_form_is_refused) {
    for (const char* text : {"1800", "1817", "190000", "1900ff", "1a00000000", "1a0000ffff",
                             "1b0000000000000000", "1b00000000ffffffff", "3817", "3900ff"}) {
        const Bytes bytes = hex(text);
        Reader in(bytes);
        EXPECT_FALSE(in.i64()) << text;
        EXPECT_FALSE(in.ok()) << text;
    }
    // The same for lengths.
    for (const char* text : {"5800", "580161", "780161", "980100", "b8010000", "59000161", "d81200"})
        EXPECT_FALSE(skips(text)) << text;
}

TEST(CborReader, negative_integers_reach_the_smallest_int64_and_no_further) {
    const std::pair<const char*, std::int64_t> cases[] = {
        {"20", -1}, {"37", -24}, {"3822", -35}, {"3863", -100}, {"3b7fffffffffffffff", INT64_MIN}};
    for (const auto& [text, value] : cases) {
        const Bytes bytes = hex(text);
        Reader in(bytes);
        EXPECT_EQ(in.i64(), value) << text;
        EXPECT_EQ(written([&](Writer& w) { w.negative(value); }), text);
    }
    for (const char* text : {"3b8000000000000000", "1b8000000000000000"}) {
        const Bytes bytes = hex(text);
        Reader in(bytes);
        EXPECT_FALSE(in.i64()) << text;
    }
    const Bytes largest = hex("1b7fffffffffffffff");
    EXPECT_EQ(Reader(largest).i64(), INT64_MAX);
}

TEST(CborReader, reserved_and_indefinite_lengths_are_refused) {
    for (const char* text :
         {"1c", "1d", "1e",     "1f", "3c",   "3f",   "5c", "5f",   "5f4100ff",   "7f6161ff",
          "7c", "9f", "9f00ff", "9c", "dc00", "df00", "bf", "bfff", "bf616100ff", "ff"})
        EXPECT_FALSE(skips(text)) << text;
}

TEST(CborReader, simple_values_other_than_false_true_and_null_are_refused) {
    for (const char* text : {"f4", "f5", "f6"})
        EXPECT_TRUE(skips(text)) << text;
    for (const char* text :
         {"e0", "f3", "f7", "f8ff", "f818", "f90000", "fa47c35000", "fb3ff199999999999a", "fc", "fe"})
        EXPECT_FALSE(skips(text)) << text;
}

TEST(CborReader, every_proper_prefix_of_an_item_is_refused) {
    // {"a": [99, "a"], "b": h'a1013822'}
    const Bytes whole = hex("a261618218636161616244a1013822");
    {
        Reader in(whole);
        ASSERT_TRUE(in.skip());
        ASSERT_TRUE(in.finished());
    }
    for (std::size_t size = 0; size < whole.size(); ++size) {
        Reader in(ByteView(whole).first(size));
        EXPECT_FALSE(in.skip()) << size;
        EXPECT_FALSE(in.ok()) << size;
    }
}

TEST(CborReader, lengths_that_lie_are_refused_without_reading_past_the_end) {
    for (const char* text : {"4201", "5bffffffffffffffff00", "5affffffff00", "6261", "7bffffffffffffffff",
                             "8200", "9bffffffffffffffff", "9a7fffffff00", "a100", "a20000",
                             "bbffffffffffffffff0000", "bb80000000000000000000", "c0"})
        EXPECT_FALSE(skips(text)) << text;
    const Bytes array = hex("9a0000000300000000");
    EXPECT_FALSE(Reader(array).array()); // not shortest
    const Bytes more = hex("83"
                           "0000");
    EXPECT_FALSE(Reader(more).array()); // three items in two bytes
    const Bytes pairs = hex("a2"
                            "000000");
    EXPECT_FALSE(Reader(pairs).map());
}

TEST(CborReader, text_must_be_utf8) {
    for (const char* text :
         {"60", "6161", "62c3bc", "63e6b0b4", "64f0908591", "64f48fbfbf", "63ed9fbf", "63ee8080"})
        EXPECT_TRUE(skips(text)) << text;
    for (const char* text : {"6180", "61c3", "62c0af", "62c1bf", "63e08080", "63eda080", "63edbfbf",
                             "64f08080af", "64f4908080", "64f5808080", "61ff", "62c320", "63e282", "62bfbf"})
        EXPECT_FALSE(skips(text)) << text;
}

TEST(CborReader, depth_is_bounded_by_eight) {
    const auto nested = [](std::size_t depth) {
        Bytes out(depth - 1, 0x81);
        out.push_back(0x00);
        return out;
    };
    const Bytes eight = nested(8), nine = nested(9), many = nested(100000);
    EXPECT_TRUE(Reader(eight).skip());
    EXPECT_FALSE(Reader(nine).skip());
    EXPECT_FALSE(Reader(many).skip());
    Bytes tags(9, 0xc1);
    tags.push_back(0x00);
    EXPECT_FALSE(Reader(tags).skip());
}

TEST(CborReader, a_wrong_type_poisons_the_reader) {
    const Bytes bytes = hex("4161");
    const auto poisons = [&](auto read) {
        Reader in(bytes);
        const bool got = static_cast<bool>(read(in));
        return !got && !in.ok() && !in.bytes() && !in.finished() && !in.peek();
    };
    EXPECT_TRUE(poisons([](Reader& in) { return in.u64(); }));
    EXPECT_TRUE(poisons([](Reader& in) { return in.i64(); }));
    EXPECT_TRUE(poisons([](Reader& in) { return in.text(); }));
    EXPECT_TRUE(poisons([](Reader& in) { return in.array(); }));
    EXPECT_TRUE(poisons([](Reader& in) { return in.map(); }));
    EXPECT_TRUE(poisons([](Reader& in) { return in.map(true); }));
    EXPECT_TRUE(poisons([](Reader& in) { return in.tag(); }));
    EXPECT_TRUE(poisons([](Reader& in) { return in.null(); }));
    EXPECT_TRUE(poisons([](Reader& in) { return in.boolean().has_value(); }));
    Reader in(bytes);
    EXPECT_EQ(in.peek(), Major::Bytes);
    EXPECT_EQ(in.bytes()->size(), 1u);
}

TEST(CborReader, an_indefinite_map_is_read_only_where_it_is_asked_for) {
    const Bytes bytes = hex("bf616101ff");
    EXPECT_FALSE(Reader(bytes).map());
    Reader in(bytes);
    const auto head = in.map(true);
    ASSERT_TRUE(head);
    EXPECT_TRUE(head->indefinite);
    EXPECT_FALSE(in.at_break());
    EXPECT_EQ(in.text(), "a");
    EXPECT_EQ(in.u64(), 1u);
    EXPECT_TRUE(in.at_break());
    EXPECT_FALSE(in.at_break());
    EXPECT_TRUE(in.finished());
    const Bytes definite = hex("a1616101");
    const auto pairs = Reader(definite).map(true);
    ASSERT_TRUE(pairs);
    EXPECT_FALSE(pairs->indefinite);
    EXPECT_EQ(pairs->size, 1u);
}

TEST(CborWriter, writes_what_the_nsm_api_writes) {
    EXPECT_EQ(written([](Writer& w) { w.text("GetRandom"); }), "6947657452616e646f6d");
    EXPECT_EQ(written([](Writer& w) { w.map(1).text("DescribePCR").map(1).text("index").u64(16); }),
              "a16b4465736372696265504352a165696e64657810");
    EXPECT_EQ(written([](Writer& w) { w.map(1).u64(1).negative(-35); }), "a1013822");
    EXPECT_EQ(written([](Writer& w) { w.tag(18).array(4).null().boolean(true).boolean(false).bytes({}); }),
              "d284f6f5f440");
    EXPECT_EQ(written([](Writer& w) { w.map_indefinite().end(); }), "bfff");
    EXPECT_EQ(written([](Writer& w) { w.bytes(Bytes(96, 1)); }).substr(0, 4), "5860");
    EXPECT_EQ(written([](Writer& w) { w.bytes(Bytes(4400, 1)); }).substr(0, 6), "591130");
}

bool reads(std::string_view text, bool indefinite = false) {
    const Bytes bytes = hex(text);
    Reader in(bytes);
    std::uint16_t a = 0;
    Bytes b;
    return read_map(in,
                    {{"a", [&](Reader& r) { return read_u16(r, a); }},
                     {"b", [&](Reader& r) { return read_bytes(r, b, 1, 2); }, false}},
                    indefinite) &&
           in.finished();
}

TEST(CborMap, members_come_in_any_order_once_and_only_if_they_are_known) {
    EXPECT_TRUE(reads("a2"
                      "616101"
                      "61624100"));
    EXPECT_TRUE(reads("a2"
                      "61624100"
                      "616101"));
    EXPECT_TRUE(reads("a1"
                      "616101")); // b may be left out
    EXPECT_FALSE(reads("a1"
                       "61624100")); // a may not
    EXPECT_FALSE(reads("a0"));       //
    EXPECT_FALSE(reads("a2"
                       "616101"
                       "616101")); // twice
    EXPECT_FALSE(reads("a2"
                       "616101"
                       "616301")); // unknown
    EXPECT_FALSE(reads("a3"
                       "616101"
                       "61624100"
                       "616300")); // more than there are
    EXPECT_FALSE(reads("a1"
                       "416101")); // a name that is bytes
    EXPECT_FALSE(reads("a1"
                       "61611a00010000")); // over 65535
    EXPECT_FALSE(reads("a2"
                       "616101"
                       "616240")); // too short
    EXPECT_FALSE(reads("a2"
                       "616101"
                       "616243000000")); // too long
    EXPECT_FALSE(reads("a2"
                       "616101"
                       "6162f6")); // null where bytes must be
    EXPECT_FALSE(reads("a1"
                       "616101"
                       "00")); // more after it
}

TEST(CborMap, an_indefinite_map_must_end_with_a_break) {
    EXPECT_TRUE(reads("bf"
                      "616101"
                      "ff",
                      true));
    EXPECT_TRUE(reads("bf"
                      "61624100"
                      "616101"
                      "ff",
                      true));
    EXPECT_FALSE(reads("bf"
                       "616101"
                       "ff",
                       false));
    EXPECT_FALSE(reads("bf"
                       "616101",
                       true));
    EXPECT_FALSE(reads("bf"
                       "6161ff",
                       true));
    EXPECT_FALSE(reads("bf"
                       "616101"
                       "616101"
                       "ff",
                       true));
    EXPECT_FALSE(reads("bf"
                       "ff",
                       true));
    EXPECT_FALSE(reads("bf"
                       "616101"
                       "ffff",
                       true));
}

} // namespace
} // namespace redoubt::nitro::cbor
