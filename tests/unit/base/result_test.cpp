// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <gtest/gtest.h>
#include <set>

namespace redoubt {
namespace {

constexpr Code kAll[] = {
#define REDOUBT_CODE(name, text, status) Code::name,
    REDOUBT_CODES(REDOUBT_CODE)
#undef REDOUBT_CODE
};

TEST(Result, every_code_has_a_name_of_its_own_and_a_status) {
    std::set<std::string_view> names;
    for (const Code code : kAll) {
        EXPECT_TRUE(names.insert(code_name(code)).second) << code_name(code);
        EXPECT_GE(http_status(code), 400) << code_name(code);
        EXPECT_LT(http_status(code), 600) << code_name(code);
        EXPECT_EQ(code_from_name(code_name(code)), code);
        for (const char c : code_name(code))
            EXPECT_TRUE((c >= 'a' && c <= 'z') || c == '_') << code_name(code);
    }
    EXPECT_EQ(code_from_name(""), std::nullopt);
    EXPECT_EQ(code_from_name("no_such_code"), std::nullopt);
}

TEST(Result, a_code_outside_the_list_is_an_internal_error) {
    EXPECT_EQ(code_name(static_cast<Code>(60000)), "internal");
    EXPECT_EQ(http_status(static_cast<Code>(60000)), 500);
}

TEST(Result, describes_an_error_with_its_context_for_the_host) {
    const Status plain = fail(Code::BadJson, "a sentence");
    EXPECT_EQ(plain.error().describe(), "bad_json: a sentence");
    const Status with_context = fail(Code::Io, "a sentence", "/some/file");
    EXPECT_EQ(with_context.error().describe(), "io: a sentence (/some/file)");
}

Result<int> half(int n) {
    if (n % 2 != 0)
        return fail(Code::InvalidField, "the number must be even", "half");
    return n / 2;
}

Result<int> quarter(int n) {
    REDOUBT_TRY(const int once, half(n));
    REDOUBT_TRY(const int twice, half(once));
    return twice;
}

Status check_twice(int n) {
    REDOUBT_CHECK(half(n));
    REDOUBT_CHECK(half(n / 2));
    return {};
}

TEST(Result, try_and_check_hand_on_the_first_error) {
    EXPECT_EQ(quarter(12), 3);
    ASSERT_FALSE(quarter(6));
    EXPECT_EQ(quarter(6).error().code, Code::InvalidField);
    EXPECT_EQ(quarter(6).error().context, "half");
    EXPECT_TRUE(check_twice(4));
    EXPECT_FALSE(check_twice(2));
    EXPECT_FALSE(check_twice(1));
}

} // namespace
} // namespace redoubt
