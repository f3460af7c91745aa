// SPDX-License-Identifier: Apache-2.0
#include "kmstool/encryption_context.h"

#include <gtest/gtest.h>

namespace redoubt::kmstool {
namespace {

using Context = aws::EncryptionContext;

std::optional<Context> parsed(std::initializer_list<std::string> values) {
    Context out;
    for (const auto& value : values)
        if (const auto status = add_encryption_context(value, out); !status) {
            EXPECT_EQ(status.error().code, Code::Usage);
            EXPECT_TRUE(status.error().context.empty());
            return std::nullopt;
        }
    return out;
}

TEST(EncryptionContext, is_pairs_with_commas_between_them) {
    EXPECT_EQ(parsed({"a=b"}), (Context{{"a", "b"}}));
    EXPECT_EQ(parsed({"a=b,c=d"}), (Context{{"a", "b"}, {"c", "d"}}));
    EXPECT_EQ(parsed({"a=b", "c=d,e=f"}), (Context{{"a", "b"}, {"c", "d"}, {"e", "f"}}));
    EXPECT_EQ(parsed({"a=b=c,d="}), (Context{{"a", "b=c"}, {"d", ""}}));
    EXPECT_EQ(parsed({" a = b "}), (Context{{" a ", " b "}}));
    EXPECT_EQ(parsed({"clé=é\""}), (Context{{"clé", "é\""}}));
}

TEST(EncryptionContext, may_be_a_json_object_of_strings) {
    EXPECT_EQ(parsed({R"({"a": "b,c=d", "e\u0066": ""})"}), (Context{{"a", "b,c=d"}, {"ef", ""}}));
    EXPECT_EQ(parsed({"{}"}), Context{});
    EXPECT_EQ(parsed({R"({"a": "b"})", "c=d"}), (Context{{"a", "b"}, {"c", "d"}}));
    for (const char* text : {"{", R"({"a": 1})", R"({"a": null})", R"({"a": {"b": "c"}})", R"({"a": ["b"]})",
                             R"({"a": "b"} )"
                             "x",
                             R"({"a": "b", "a": "c"})", R"({"": "b"})", R"({"a": "\ud800"})"})
        EXPECT_EQ(parsed({text}), std::nullopt) << text;
}

TEST(EncryptionContext, is_refused_in_any_other_form) {
    for (const char* text :
         {"", "a", "=b", "a=b,", ",a=b", "a=b,,c=d", "a=b,c", "a=b,=d", "[]", "a=b,a=c", "a=\xff"})
        EXPECT_EQ(parsed({text}), std::nullopt) << text;
    EXPECT_EQ(parsed({"a=b", "a=b"}), std::nullopt);
    EXPECT_EQ(parsed({R"({"a": "b"})", "a=c"}), std::nullopt);
}

TEST(EncryptionContext, has_at_most_8192_bytes_in_all) {
    EXPECT_TRUE(parsed({"a=" + std::string(8191, 'x')}));
    EXPECT_FALSE(parsed({"a=" + std::string(8192, 'x')}));
    EXPECT_FALSE(parsed({"a=" + std::string(8191, 'x'), "b="}));
    EXPECT_TRUE(parsed({R"({"a": ")" + std::string(8191, 'x') + "\"}"}));
    EXPECT_FALSE(parsed({R"({"a": ")" + std::string(8192, 'x') + "\"}"}));
    EXPECT_FALSE(parsed({std::string(1 << 20, '=')}));
}

} // namespace
} // namespace redoubt::kmstool
