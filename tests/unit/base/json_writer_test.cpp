// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

namespace redoubt::json {
namespace {

std::optional<std::string> canonical_of(std::string_view text) {
    Document document;
    const auto root = document.parse(text);
    EXPECT_TRUE(root) << text;
    if (!root)
        return std::nullopt;
    auto out = canonical(*root);
    if (!out) {
        EXPECT_EQ(out.error().code, Code::BadJson);
        return std::nullopt;
    }
    return *out;
}

TEST(JsonWriter, separates_members_and_elements) {
    std::string out;
    Writer writer(out);
    writer.begin_object()
        .member("a", "x")
        .key("b")
        .begin_array()
        .number(std::uint64_t{1})
        .begin_object()
        .end_object()
        .begin_array()
        .end_array()
        .null()
        .end_array()
        .member("c", true)
        .member("d", std::uint64_t{18446744073709551615u})
        .key("e")
        .number(std::int64_t{-5})
        .key("f")
        .raw("[1]")
        .member("g", std::string_view("y"))
        .key("h")
        .boolean(false)
        .end_object();
    EXPECT_EQ(
        out,
        R"({"a":"x","b":[1,{},[],null],"c":true,"d":18446744073709551615,"e":-5,"f":[1],"g":"y","h":false})");
}

TEST(JsonWriter, escapes_what_must_be_escaped_and_nothing_else) {
    std::string out;
    append_escaped(out, std::string_view("a\"\\/\b\f\n\r\t\0\x1f\x7f\xc3\xa9", 14));
    EXPECT_EQ(out, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xc3\xa9\"");
}

// Text is looked at several bytes at a time.
TEST(JsonWriter, escapes_each_byte_wherever_it_stands) {
    for (int byte = 0; byte < 256; ++byte)
        for (std::size_t size = 1; size < 20; ++size)
            for (std::size_t at = 0; at < size; ++at) {
                std::string text(size, 'a'), out, alone;
                text[at] = static_cast<char>(byte);
                append_escaped(out, text);
                append_escaped(alone, text.substr(at, 1));
                ASSERT_EQ(out, '"' + text.substr(0, at) + alone.substr(1, alone.size() - 2) +
                                   text.substr(at + 1) + '"')
                    << byte << " at " << at << " of " << size;
            }
}

TEST(JsonWriter, writes_bytes_as_hexadecimal_text) {
    std::string out;
    Writer(out)
        .begin_object()
        .hex("data", Bytes{0x00, 0x9a, 0xbc, 0xde, 0xf0})
        .key("list")
        .begin_array()
        .hex(Bytes())
        .hex(Bytes{0xff})
        .end_array()
        .end_object();
    EXPECT_EQ(out, R"({"data":"0x009abcdef0","list":["0x","0xff"]})");
}

TEST(JsonWriter, takes_no_text_at_all) {
    std::string out;
    append_escaped(out, {});
    EXPECT_EQ(out, "\"\"");
}

TEST(JsonWriter, replaces_bytes_that_are_not_utf8) {
    std::string out;
    append_escaped(out, "a\xff\xc3(\xe2\x82");
    EXPECT_EQ(out, R"("a\ufffd\ufffd(\ufffd\ufffd")");
}

TEST(JsonWriter, writes_strings_that_read_back_the_same) {
    const std::uint64_t seed = 8259;
    std::mt19937_64 random(seed);
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (std::size_t i = random() % 20; i > 0; --i) {
            const std::string_view pieces[] = {"\"",
                                               "\\",
                                               "/",
                                               "\n",
                                               "a",
                                               "\x01",
                                               "\xc3\xa9",
                                               "\xf0\x9f\x98\x80",
                                               "\x7f",
                                               "u0041",
                                               std::string_view("\0", 1)};
            text += pieces[random() % std::size(pieces)];
        }
        std::string json;
        append_escaped(json, text);
        Document document;
        const auto value = document.parse(json);
        ASSERT_TRUE(value) << "seed " << seed << ": " << json;
        EXPECT_EQ(value->text(), text) << "seed " << seed;
    }
}

TEST(JsonWriter, escaping_any_bytes_gives_json) {
    const std::uint64_t seed = 3629;
    std::mt19937_64 random(seed);
    for (int round = 0; round < 5000; ++round) {
        std::string text(random() % 12, ' ');
        for (auto& c : text)
            c = static_cast<char>(random());
        std::string json;
        append_escaped(json, text);
        Document document;
        EXPECT_TRUE(document.parse(json)) << "seed " << seed << " round " << round;
    }
}

TEST(JsonCanonical, sorts_names_by_bytes_and_drops_space) {
    EXPECT_EQ(
        canonical_of(R"( { "b" : [ 1 , 2 ] , "a" : { "z" : null , "y" : true } , "B" : false , "" : "" } )"),
        R"({"":"","B":false,"a":{"y":true,"z":null},"b":[1,2]})");
    EXPECT_EQ(canonical_of("{\"\xc3\xa9\":1,\"z\":2,\"aa\":3,\"a\":4}"),
              "{\"a\":4,\"aa\":3,\"z\":2,\"\xc3\xa9\":1}");
    EXPECT_EQ(canonical_of("[]"), "[]");
    EXPECT_EQ(canonical_of("{}"), "{}");
}

TEST(JsonCanonical, writes_strings_in_one_way) {
    EXPECT_EQ(canonical_of(R"({"\u0061":"\u0041\/\u000a\u001F\u00e9"})"), "{\"a\":\"A/\\n\\u001f\xc3\xa9\"}");
}

TEST(JsonCanonical, knows_integers_up_to_two_to_the_53_only) {
    EXPECT_EQ(canonical_of("[0,9007199254740991]"), "[0,9007199254740991]");
    for (const char* text : {"9007199254740992", "18446744073709551616", "-1", "-0", "1.0", "1e3", "0.5",
                             "[{\"a\":[1.5]}]", "100000000000000000000"})
        EXPECT_EQ(canonical_of(text), std::nullopt) << text;
}

TEST(JsonCanonical, is_its_own_canonical_form) {
    for (const char* text :
         {R"({"b":[3,{"d":"\u0000\ud83d\ude00","c":null}],"a":"\"\\"})", "\"x\"", "[[],[[]]]", "7"}) {
        const auto once = canonical_of(text);
        ASSERT_TRUE(once) << text;
        EXPECT_EQ(canonical_of(*once), once) << text;
    }
}

TEST(JsonCanonical, does_not_depend_on_the_order_of_members) {
    const std::uint64_t seed = 8785;
    std::mt19937_64 random(seed);
    std::vector<std::string> members;
    for (int i = 0; i < 20; ++i)
        members.push_back("\"k" + std::to_string(i * 7 % 20) + "\":" + std::to_string(i));
    const auto joined = [&] {
        std::string out = "{";
        for (std::size_t i = 0; i < members.size(); ++i)
            out += (i ? "," : "") + members[i];
        return out + "}";
    };
    const auto expected = canonical_of(joined());
    for (int round = 0; round < 50; ++round) {
        std::shuffle(members.begin(), members.end(), random);
        EXPECT_EQ(canonical_of(joined()), expected) << "seed " << seed;
    }
}

} // namespace
} // namespace redoubt::json
