// SPDX-License-Identifier: Apache-2.0
#include "policy/pattern.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace redoubt::policy {
namespace {

bool matches(std::string_view pattern, std::string_view value) {
    const auto parsed = Pattern::parse(pattern);
    EXPECT_TRUE(parsed) << pattern << ": " << parsed.error().describe();
    return parsed && parsed->matches(value);
}

TEST(Pattern, MatchesTheWholeValue) {
    struct Case {
        std::string_view pattern, value;
        bool matches;
    };
    using namespace std::string_view_literals;
    const Case cases[] = {
        {"", "", true},
        {"", "a", false},
        {"abc", "abc", true},
        {"abc", "abcd", false},
        {"abc", "xabc", false},
        {"abc", "ab", false},
        {"a*", "", true},
        {"a*", "aaaa", true},
        {"a*", "aab", false},
        {"a+", "", false},
        {"a+", "aa", true},
        {"a?b", "b", true},
        {"a?b", "ab", true},
        {"a?b", "aab", false},
        {"a?b?c?", "", true},
        {"a?b?c?", "ac", true},
        {"a?b?c?", "ca", false},
        {".*", "anything at all", true},
        {".*", "two\nlines", false},
        {"[^a]*", "two\nlines", true},
        {".", "\xc3\xa9", false}, // bytes, not characters
        {"..", "\xc3\xa9", true},
        {"caf\xc3\xa9", "caf\xc3\xa9", true},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[^a-c]x", "dx", true},
        {"[^a-c]x", "bx", false},
        {"[^a]", "\xff", true},
        {"[a-]", "-", true},
        {"[-a]", "-", true},
        {"[a-]", "b", false},
        {"[a^]", "^", true},
        {"[.*+?]+", "?*+.", true},
        {"[\\]\\[\\\\]+", "[]\\", true},
        {"\\.\\*\\+\\?\\[\\]\\\\", ".*+?[]\\", true},
        {"\\.", "a", false},
        {"^a$", "^a$", true}, // no anchors, groups or alternatives: those characters mean themselves
        {"^a$", "a", false},
        {"a|b", "a|b", true},
        {"a|b", "a", false},
        {"(a)", "(a)", true},
        {"a{2}", "a{2}", true},
        {"a.b"sv, "a\0b"sv, true},
        {"https://[a-z0-9.-]+\\.example\\.com/.*", "https://app.example.com/login", true},
        {"https://[a-z0-9.-]+\\.example\\.com/.*", "https://app.example.com.evil.io/", false},
        {"https://[a-z0-9.-]+\\.example\\.com/.*", "https://.example.com/", false},
    };
    for (const Case& c : cases)
        EXPECT_EQ(matches(c.pattern, c.value), c.matches) << c.pattern << " and " << c.value;
}

TEST(Pattern, RefusesWhatIsNoPattern) {
    for (const auto* text :
         {"*",   "+a",   "?",     "a**",   "a+?",          "a?*",        "[",        "[a",  "[]",
          "[^]", "]",    "a]",    "[z-a]", "[a-\xc3\xa9]", "[\xc3\xa9]", "\\",       "\\a", "\\n",
          "a\\", "[\\]", "[\\a]", "[a[]",  "\xc3\xa9*",    "\xc3\xa9+",  "\xc3\xa9?"})
        EXPECT_FALSE(Pattern::parse(text)) << text;
}

TEST(Pattern, HasAtMost64ElementsAnd512Characters) {
    const std::string full(Pattern::kMaxElements, 'a');
    EXPECT_TRUE(matches(full, full));
    EXPECT_FALSE(matches(full, full + "a"));
    EXPECT_FALSE(matches(full, full.substr(1)));
    EXPECT_FALSE(Pattern::parse(full + "a"));
    std::string wide = "[";
    wide.append(Pattern::kMaxText - 2, 'a');
    EXPECT_TRUE(Pattern::parse(wide + "]"));
    EXPECT_FALSE(Pattern::parse(wide + "a]"));
}

// The last element is the machine word's last bit, and what follows it has no bit at all.
TEST(Pattern, LeavesOutAnyNumberOfOptionalElements) {
    for (std::size_t count = 1; count <= Pattern::kMaxElements; ++count) {
        std::string optional, any, some;
        for (std::size_t i = 0; i < count; ++i) {
            optional += "a?";
            any += "a*";
            some += i + 1 < count ? "a*" : "b+";
        }
        EXPECT_TRUE(matches(optional, "")) << count;
        EXPECT_TRUE(matches(optional, std::string(count, 'a'))) << count;
        EXPECT_FALSE(matches(optional, std::string(count + 1, 'a'))) << count;
        EXPECT_TRUE(matches(any, "")) << count;
        EXPECT_TRUE(matches(any, std::string(3 * count, 'a'))) << count;
        EXPECT_TRUE(matches(some, "bbb")) << count;
        EXPECT_FALSE(matches(some, "")) << count;
    }
}

// A second opinion: backtracking over the same elements, written for shortness.
bool backtrack(std::string_view pattern, std::string_view value) {
    if (pattern.empty())
        return value.empty();
    std::size_t length = 1;
    if (pattern[0] == '[')
        length = pattern.find(']') + 1;
    else if (pattern[0] == '\\')
        length = 2;
    const std::string_view element = pattern.substr(0, length);
    const auto takes = [&](char c) {
        if (element == ".")
            return c != '\n';
        if (element.size() == 1)
            return c == element[0];
        if (element[0] == '\\')
            return c == element[1];
        const bool others = element[1] == '^';
        bool found = false;
        for (std::size_t i = others ? 2 : 1; i + 1 < element.size(); ++i)
            if (i + 3 < element.size() && element[i + 1] == '-') {
                found |= c >= element[i] && c <= element[i + 2];
                i += 2;
            } else {
                found |= c == element[i];
            }
        return found != others;
    };
    const char sign = pattern.size() > length ? pattern[length] : ' ';
    const bool repeats = sign == '*' || sign == '+', optional = sign == '*' || sign == '?';
    const std::string_view rest = pattern.substr(length + (repeats || optional ? 1 : 0));
    if (optional && backtrack(rest, value))
        return true;
    if (value.empty() || !takes(value[0]))
        return false;
    if (backtrack(rest, value.substr(1)))
        return true;
    if (!repeats)
        return false;
    // Once taken, `+` may end: it is a `*` from here on.
    const std::string again = std::string(element) + "*" + std::string(rest);
    return backtrack(again, value.substr(1));
}

TEST(Pattern, AgreesWithBacktrackingOnRandomPatterns) {
    std::mt19937 random(20240612); // NOLINT: the same cases in each run
    const auto pick = [&](std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
    };
    constexpr std::string_view elements[] = {"a",     "b",      "c",   ".",    "[ab]", "[^a]",
                                             "[a-c]", "[^b-c]", "\\.", "[a-]", "\\*"};
    constexpr std::string_view signs[] = {"", "", "", "*", "+", "?"};
    constexpr std::string_view alphabet = "abc.*-\n";
    std::size_t matched = 0;
    for (int round = 0; round < 40'000; ++round) {
        std::string pattern, value;
        for (std::size_t i = pick(7); i > 0; --i)
            (pattern += elements[pick(std::size(elements))]) += signs[pick(std::size(signs))];
        for (std::size_t i = pick(8); i > 0; --i)
            value += alphabet[pick(round % 2 == 0 ? 3 : alphabet.size())];
        const bool expected = backtrack(pattern, value);
        matched += expected ? 1 : 0;
        ASSERT_EQ(matches(pattern, value), expected) << pattern << " and " << value;
    }
    EXPECT_GT(matched, 2'000U); // both answers occur
}

// What makes backtracking take 2^n steps.
TEST(Pattern, TakesTimeLinearInTheValue) {
    std::string pattern;
    for (int i = 0; i < 31; ++i)
        pattern += "a*a?";
    const auto parsed = Pattern::parse(pattern + "b");
    ASSERT_TRUE(parsed);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(parsed->matches(std::string(1 << 20, 'a')));
    EXPECT_TRUE(parsed->matches(std::string(1 << 20, 'a') + "b"));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

} // namespace
} // namespace redoubt::policy
