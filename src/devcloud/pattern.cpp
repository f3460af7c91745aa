// SPDX-License-Identifier: Apache-2.0
#include "devcloud/pattern.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// A pattern's character against the text's.
char literal(char c) noexcept {
    return c == kLiteralStar ? '*' : c == kLiteralQuestion ? '?' : c;
}

// On a mismatch only the latest '*' needs to take one character more: an earlier one could not reach further
// than the latest already allows.
template<class Equal>
bool match(std::string_view pattern, std::string_view text, Equal equal) noexcept {
    std::size_t p = 0, t = 0;
    std::size_t star = std::string_view::npos, star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || equal(pattern[p], text[t]))) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

} // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) noexcept {
    return match(pattern, text, [](char a, char b) { return literal(a) == b; });
}

bool matches_pattern_ignoring_case(std::string_view pattern, std::string_view text) noexcept {
    return match(pattern, text, [](char a, char b) { return lower(literal(a)) == lower(b); });
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

} // namespace redoubt::devcloud
