// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <gtest/gtest.h>
#include <random>

namespace redoubt::json {
namespace {

// The error of parsing, or nothing where the text is accepted.
std::optional<Code> refusal(std::string_view text, const Limits& limits = {}) {
    Document document;
    const auto value = document.parse(text, limits);
    if (value)
        return std::nullopt;
    return value.error().code;
}

#define EXPECT_ACCEPTED(text) EXPECT_EQ(refusal(text), std::nullopt) << (text)
#define EXPECT_BAD(text) EXPECT_EQ(refusal(text), Code::BadJson) << (text)

// The string that this JSON string stands for.
std::string unescaped(std::string_view text) {
    Document document;
    const auto value = document.parse(text);
    EXPECT_TRUE(value && value->is_string()) << text;
    return value ? std::string(value->text()) : "";
}

TEST(Json, tells_the_types_apart) {
    Document document;
    const auto root = document.parse(R"([null,false,true,0,"",[],{}])");
    ASSERT_TRUE(root);
    const Type expected[] = {Type::Null,   Type::False, Type::True,  Type::Number,
                             Type::String, Type::Array, Type::Object};
    std::size_t i = 0;
    for (const Value value : *root)
        EXPECT_EQ(value.type(), expected[i++]);
    EXPECT_EQ(i, 7u);
    EXPECT_EQ(root->size(), 7u);
    EXPECT_TRUE(root->is_array());
}

TEST(Json, a_value_of_another_type_is_empty_rather_than_converted) {
    Document document;
    const auto root = document.parse(R"({"s":"12","n":12,"t":true,"a":[1],"o":{"x":1}})");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->get("s")->u64(), std::nullopt);
    EXPECT_EQ(root->get("n")->text(), "12");
    EXPECT_FALSE(root->get("n")->boolean());
    EXPECT_EQ(root->get("t")->text(), "");
    EXPECT_EQ(root->get("a")->get("x"), std::nullopt);
    EXPECT_EQ(root->get("s")->get("x"), std::nullopt);
    EXPECT_EQ(root->get("s")->size(), 0u);
    EXPECT_EQ(root->text(), "");
}

TEST(Json, finds_members_by_their_exact_name) {
    Document document;
    const auto root = document.parse(R"( { "a" : 1 , "\u0062" : 2 , "" : 3 , "A" : 4 } )");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->get("a")->u64(), 1u);
    EXPECT_EQ(root->get("b")->u64(), 2u);
    EXPECT_EQ(root->get("b")->name(), "b");
    EXPECT_EQ(root->get("")->u64(), 3u);
    EXPECT_EQ(root->get("A")->u64(), 4u);
    EXPECT_EQ(root->get("c"), std::nullopt);
    EXPECT_EQ(root->name(), "");
}

TEST(Json, iterates_in_the_order_of_the_text) {
    Document document;
    const auto root = document.parse(R"({"z":1,"a":[10,20],"m":{"q":null}})");
    ASSERT_TRUE(root);
    std::string names;
    for (const Value member : *root)
        names += std::string(member.name()) + ";";
    EXPECT_EQ(names, "z;a;m;");
    std::uint64_t sum = 0;
    const auto elements = root->get("a");
    ASSERT_TRUE(elements);
    for (const Value element : *elements) {
        sum += *element.u64();
        EXPECT_EQ(element.name(), "");
    }
    EXPECT_EQ(sum, 30u);
    EXPECT_TRUE(root->get("m")->get("q")->is_null());
}

TEST(Json, raw_is_the_value_as_it_was_written) {
    Document document;
    const auto root = document.parse(R"( {"a": [1, "\u0041" ] , "b":"\n", "c": -0.50e+1 } )");
    ASSERT_TRUE(root);
    EXPECT_EQ(root->raw(), R"({"a": [1, "\u0041" ] , "b":"\n", "c": -0.50e+1 })");
    EXPECT_EQ(root->get("a")->raw(), R"([1, "\u0041" ])");
    EXPECT_EQ(root->get("b")->raw(), R"("\n")");
    EXPECT_EQ(root->get("c")->raw(), "-0.50e+1");
}

TEST(Json, refuses_a_name_that_appears_twice) {
    EXPECT_BAD(R"({"a":1,"a":1})");
    EXPECT_BAD(R"({"a":1,"b":2,"a":3})");
    EXPECT_BAD(R"({"":1,"":2})");
    EXPECT_BAD(R"([{"x":{"a":1,"a":2}}])");
    EXPECT_ACCEPTED(R"({"a":{"a":1},"b":{"a":1}})");
    EXPECT_ACCEPTED(R"({"a":1,"A":2,"a ":3})");
}

TEST(Json, compares_names_after_unescaping) {
    EXPECT_BAD(R"({"to":1,"\u0074o":2})");
    EXPECT_BAD(R"({"\u0074o":1,"to":2})");
    EXPECT_BAD(R"({"t\u006f":1,"\u0074o":2})");
    EXPECT_BAD(R"({"a/b":1,"a\/b":2})");
    EXPECT_BAD("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}");
    EXPECT_BAD("{\"a\\u0000\":1,\"a\\u0000\":2}");
    EXPECT_ACCEPTED(R"({"a\u0000":1,"a":2,"a\u0000b":3})");
    EXPECT_ACCEPTED(R"({"\\u0074o":1,"to":2})");
}

TEST(Json, finds_duplicates_among_many_names) {
    for (const int count : {2, 12, 13, 14, 500}) {
        std::string unique = "{";
        for (int i = 0; i < count; ++i)
            unique += (i ? ",\"n" : "\"n") + std::to_string(i) + "\":" + std::to_string(i);
        EXPECT_ACCEPTED(unique + "}");
        for (const int repeated : {0, count / 2, count - 1}) {
            EXPECT_BAD(unique + ",\"n" + std::to_string(repeated) + "\":0}");
            EXPECT_BAD(unique + ",\"\\u006e" + std::to_string(repeated) + "\":0}");
        }
    }
}

TEST(Json, refuses_anything_around_the_value) {
    for (const char* text : {"", " ", "\n", "1 2", "{} {}", "{}x", "[]]", "null,", "\"a\"\"b\"", "1//c",
                             "/*c*/1", "#c\n1", "\xef\xbb\xbf{}", "{}\xef\xbb\xbf", "\v1", "\f1",
                             "\xc2\xa0"
                             "1"})
        EXPECT_BAD(text);
    EXPECT_BAD(std::string_view("1\0", 2));
    EXPECT_BAD(std::string_view("\0", 1));
    EXPECT_ACCEPTED(" \t\r\n1 \t\r\n");
}

TEST(Json, refuses_malformed_structure) {
    for (const char* text : {"{",          "}",
                             "[",          "]",
                             "[1",         "[1,",
                             "[1,]",       "[,1]",
                             "[1 2]",      "[1:2]",
                             "{\"a\"}",    "{\"a\":}",
                             "{\"a\":1,}", "{,\"a\":1}",
                             "{\"a\" 1}",  "{\"a\"::1}",
                             "{a:1}",      "{'a':1}",
                             "{1:1}",      "{\"a\":1 \"b\":2}",
                             "{\"a\":1]",  "[1}",
                             "{null:1}",   "{[]:1}",
                             "[[[]]",      "{\"a\":{\"b\":1}"})
        EXPECT_BAD(text);
}

TEST(Json, refuses_words_other_than_the_three_literals) {
    for (const char* text : {"True", "NULL", "nul", "tru", "fals", "nulll", "truefalse", "undefined", "NaN",
                             "Infinity", "-Infinity", "inf", "None", "t", "f", "n"})
        EXPECT_BAD(text);
}

TEST(Json, keeps_numbers_as_they_are_written) {
    for (const char* text : {"0", "-0", "1", "10", "-12", "0.5", "1.0", "1e3", "1E3", "1e+3", "1e-3", "0e0",
                             "0.0e-0", "123456789012345678901234567890.5e1000"}) {
        Document document;
        const auto value = document.parse(text);
        ASSERT_TRUE(value) << text;
        EXPECT_TRUE(value->is_number());
        EXPECT_EQ(value->text(), text);
    }
}

TEST(Json, refuses_malformed_numbers) {
    for (const char* text :
         {"01",  "-01",   "00",   "+1",    "-",     "--1", ".5",    "1.",  "-.5",  "1.e3", "1e", "1e+",
          "1e-", "1e1.5", "0x10", "1_000", "1,000", "1a",  "1.2.3", "- 1", "1 .5", "0b1",  "1n", "\xd9\xa1"})
        EXPECT_BAD(text);
}

TEST(Json, refuses_integers_that_doubles_round) {
    const auto code = [](const std::string& text) {
        Document document;
        const auto value = document.parse(text);
        return value ? Code::Internal : value.error().code;
    };
    for (const char* text : {"9007199254740993", "-9007199254740993", "9007199254740995",
                             "18446744073709551615", "1234567890123456789", "1000000000000000001",
                             "1157920892373161954235709850086879078532699846656405640394575840079131296399"})
        EXPECT_EQ(code(text), Code::PrecisionLost) << text;
    EXPECT_EQ(code(R"({"a":[1,{"b":9007199254740993}]})"), Code::PrecisionLost);
    EXPECT_EQ(code(std::string(400, '9')), Code::PrecisionLost) << "infinity";
    // Round amounts of wei, powers of two, and all up to 2^53 are the same everywhere.
    for (const char* text :
         {"9007199254740991", "9007199254740992", "9007199254740994", "-9007199254740992",
          "1000000000000000000", "123000000000000000000",
          "115792089237316195423570985008687907853269984665640564039457584007913129639936"}) {
        Document document;
        const auto value = document.parse(text);
        ASSERT_TRUE(value) << text;
        EXPECT_EQ(value->text(), text);
    }
    // Property: the reader takes what a double holds, and that only.
    std::mt19937_64 random(53);
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t number = random() >> (random() % 12);
        const auto nearest = static_cast<double>(number);
        const bool held = nearest < 0x1p64 && static_cast<std::uint64_t>(nearest) == number;
        EXPECT_EQ(code(std::to_string(number)) != Code::PrecisionLost, held) << number;
    }
}

TEST(Json, u64_takes_plain_integers_that_fit) {
    const auto u64 = [](std::string_view text) {
        Document document;
        const auto value = document.parse(text);
        EXPECT_TRUE(value) << text;
        return value ? value->u64() : std::nullopt;
    };
    EXPECT_EQ(u64("0"), 0u);
    EXPECT_EQ(u64("7"), 7u);
    EXPECT_EQ(u64("18446744073709549568"), 0xfffffffffffff800u);
    for (const char* text : {"18446744073709551616", "100000000000000000000", "-0", "-1", "1.0", "1e0", "0.0",
                             "1E2", "\"1\"", "null", "[1]"})
        EXPECT_EQ(u64(text), std::nullopt) << text;
}

TEST(Json, unescapes_strings) {
    EXPECT_EQ(unescaped(R"("")"), "");
    EXPECT_EQ(unescaped(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
    EXPECT_EQ(unescaped(R"("a\u0041b\u00e9\u20ac")"), "aAb\xc3\xa9\xe2\x82\xac");
    EXPECT_EQ(unescaped(R"("\uD83D\uDE00")"), "\xf0\x9f\x98\x80");
    EXPECT_EQ(unescaped(R"("\udbff\udfff")"), "\xf4\x8f\xbf\xbf");
    EXPECT_EQ(unescaped(R"("\ud800\udc00")"), "\xf0\x90\x80\x80");
    EXPECT_EQ(unescaped(R"("x\u0000y")"), std::string("x\0y", 3));
    EXPECT_EQ(unescaped("\"\x7f\""), "\x7f");
    EXPECT_EQ(unescaped(R"("\u007f\u0080\u07ff\u0800\uffff")"),
              "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf");
}

TEST(Json, refuses_malformed_strings) {
    for (const char* text :
         {"\"",          "\"a",         "\"\\\"",   "\"\\",       "\"\\a\"",     "\"\\x41\"",
          "\"\\'\"",     "\"\\U0041\"", "\"\\u\"",  "\"\\u004\"", "\"\\u004g\"", "\"\\u 041\"",
          "\"\\u+041\"", "\"\\u",       "\"\\u00",  "\"\\0\"",    "'a'",         "\"a\nb\"",
          "\"\t\"",      "\"\x01\"",    "\"\x1f\"", "\"\\n\n\"",  "\"\\\n\""})
        EXPECT_BAD(text);
    EXPECT_BAD(std::string_view("\"\0\"", 3));
}

TEST(Json, refuses_lone_surrogates) {
    for (const char* text :
         {R"("\ud800")", R"("\udc00")", R"("\udfff")", R"("\ud800x")", R"("\ud800\n")", R"("\ud800\ud800")",
          R"("\ud800\u0041")", R"("\udc00\ud800")", R"("\ud83d \ude00")", R"("\ud83d\)", R"("\ud83d\u)",
          R"({"\ud800":1})", R"("\ud800\udc0")"})
        EXPECT_BAD(text);
}

TEST(Json, refuses_invalid_utf8) {
    for (const char* bytes : {
             "\x80",
             "\xbf",
             "\xff",
             "\xfe", // never a first byte
             "\xc0\x80",
             "\xc1\xbf", // overlong
             "\xe0\x80\x80",
             "\xe0\x9f\xbf",
             "\xf0\x80\x80\x80", //
             "\xf0\x8f\xbf\xbf", //
             "\xed\xa0\x80",
             "\xed\xbf\xbf", // surrogates
             "\xf4\x90\x80\x80",
             "\xf5\x80\x80\x80", // above U+10FFFF
             "\xc3",
             "\xe2\x82",
             "\xf0\x9f\x98", // cut off
             "\xc3\x28",
             "\xe2\x28\xa1",
             "\xe2\x82\x28",
             "\xf0\x9f\x98\x28",
         }) {
        EXPECT_BAD("\"" + std::string(bytes) + "\"");
        EXPECT_BAD("\"\\n" + std::string(bytes) + "\"");
        EXPECT_BAD("{\"" + std::string(bytes) + "\":1}");
        EXPECT_BAD("\"" + std::string(bytes));
    }
    EXPECT_ACCEPTED("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4"
                    "\x8f\xbf\xbf\"");
}

std::string nested(std::size_t depth, char open, char close) {
    return std::string(depth, open) + std::string(depth, close);
}

TEST(Json, bounds_the_depth) {
    EXPECT_ACCEPTED(nested(32, '[', ']'));
    EXPECT_EQ(refusal(nested(33, '[', ']')), Code::TooLarge);
    EXPECT_EQ(refusal(std::string(1'000'000, '[')), Code::TooLarge);
    std::string objects;
    for (int i = 0; i < 32; ++i)
        objects += "{\"a\":";
    EXPECT_ACCEPTED(objects + "1" + std::string(32, '}'));
    EXPECT_EQ(refusal(objects + "{}" + std::string(32, '}')), Code::TooLarge);
    EXPECT_EQ(refusal("[]", {.depth = 0}), Code::TooLarge);
    EXPECT_EQ(refusal("1", {.depth = 0}), std::nullopt);
}

TEST(Json, bounds_the_size) {
    EXPECT_EQ(refusal("[1,2]", {.bytes = 5}), std::nullopt);
    EXPECT_EQ(refusal("[1,2]", {.bytes = 4}), Code::TooLarge);
}

TEST(Json, bounds_the_number_of_values) {
    EXPECT_EQ(refusal("[1,2,3]", {.values = 4}), std::nullopt);
    EXPECT_EQ(refusal("[1,2,3]", {.values = 3}), Code::TooLarge);
    EXPECT_EQ(refusal(R"({"a":1,"b":[]})", {.values = 3}), std::nullopt);
    EXPECT_EQ(refusal(R"({"a":1,"b":[]})", {.values = 2}), Code::TooLarge);
    EXPECT_EQ(refusal("1", {.values = 0}), Code::TooLarge);
}

TEST(Json, a_document_is_used_again) {
    Document document;
    ASSERT_TRUE(document.parse(R"({"a":"\u0041","b":[1,2,3]})"));
    EXPECT_FALSE(document.parse(R"({"a":)"));
    const auto second = document.parse(R"({"b":"\u0042"})");
    ASSERT_TRUE(second);
    EXPECT_EQ(second->size(), 1u);
    EXPECT_EQ(second->get("b")->text(), "B");
    EXPECT_EQ(second->get("a"), std::nullopt);
    const auto third = document.parse("[]");
    ASSERT_TRUE(third);
    EXPECT_EQ(third->size(), 0u);
    EXPECT_TRUE(third->begin() == third->end());
}

TEST(Json, values_view_the_text_unless_it_has_escapes) {
    const std::string text = R"({"plain":"abc","escaped":"a\u0062c"})";
    Document document;
    const auto root = document.parse(text);
    ASSERT_TRUE(root);
    const auto within = [&](std::string_view view) {
        return view.data() >= text.data() && view.data() + view.size() <= text.data() + text.size();
    };
    EXPECT_TRUE(within(root->get("plain")->text()));
    EXPECT_FALSE(within(root->get("escaped")->text()));
    EXPECT_EQ(root->get("escaped")->text(), "abc");
}

TEST(Json, every_prefix_of_a_text_is_refused) {
    const std::string text = R"({"a":[1,-2.5e3,"x\u0041\ud83d\ude00"],"b":{"c":null,"d":true},"e":false})";
    ASSERT_EQ(refusal(text), std::nullopt);
    for (std::size_t size = 0; size < text.size(); ++size)
        EXPECT_BAD(text.substr(0, size));
}

TEST(JsonMembers, other_than_the_allowed_are_refused) {
    Document document;
    const auto root = document.parse(R"({"to":1,"\u0076alue":2})");
    ASSERT_TRUE(root);
    EXPECT_TRUE(check_members(*root, {"to", "value"}));
    EXPECT_TRUE(check_members(*root, {"to", "value", "data"}));
    EXPECT_EQ(check_members(*root, {"to"}).error().code, Code::UnknownField);
    EXPECT_EQ(check_members(*root, {}).error().code, Code::UnknownField);
    EXPECT_EQ(check_members(*root->get("to"), {"to"}).error().code, Code::InvalidField);
}

} // namespace
} // namespace redoubt::json
