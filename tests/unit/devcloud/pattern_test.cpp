// SPDX-License-Identifier: Apache-2.0
#include "devcloud/pattern.h"

#include <gtest/gtest.h>
#include <random>
#include <string>

namespace redoubt::devcloud {
namespace {

// By the definition, exponential: the reference for the linear matcher.
bool naive(std::string_view pattern, std::string_view text) {
    if (pattern.empty())
        return text.empty();
    if (pattern[0] == '*')
        return naive(pattern.substr(1), text) || (!text.empty() && naive(pattern, text.substr(1)));
    return !text.empty() && (pattern[0] == '?' || pattern[0] == text[0]) &&
           naive(pattern.substr(1), text.substr(1));
}

TEST(Pattern, agrees_with_the_definition_on_random_words) {
    const std::uint64_t seed = std::random_device{}();
    std::mt19937_64 engine(seed);
    const auto word = [&](std::string_view alphabet, std::size_t longest) {
        std::string out(engine() % (longest + 1), ' ');
        for (char& c : out)
            c = alphabet[engine() % alphabet.size()];
        return out;
    };
    for (int i = 0; i < 20'000; ++i) {
        const auto pattern = word("ab*?", 8);
        const auto text = word("ab", 10);
        ASSERT_EQ(matches_pattern(pattern, text), naive(pattern, text))
            << pattern << " / " << text << ", seed " << seed;
    }
}

TEST(Pattern, ignores_case_only_where_asked) {
    EXPECT_TRUE(matches_pattern_ignoring_case("KMS:Gen*", "kms:GenerateDataKey"));
    EXPECT_FALSE(matches_pattern("KMS:Gen*", "kms:GenerateDataKey"));
    EXPECT_TRUE(equal_ignoring_case("aBc", "AbC"));
    EXPECT_FALSE(equal_ignoring_case("abc", "abcd"));
}

TEST(Pattern, stays_fast_on_many_stars) {
    std::string pattern;
    for (int i = 0; i < 500; ++i)
        pattern += "a*";
    EXPECT_FALSE(matches_pattern(pattern + "b", std::string(5'000, 'a')));
}

} // namespace
} // namespace redoubt::devcloud
