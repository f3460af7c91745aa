// SPDX-License-Identifier: Apache-2.0
// Character classes of RFC 9110 and RFC 3986, as strictly as this project reads them.
#pragma once

#include <string_view>

namespace redoubt::net {

// RFC 9110, section 5.6.2: one or more tchar.
bool is_token(std::string_view text) noexcept;
// RFC 9110, section 5.5: anything but control characters, tab excepted.
bool is_field_value(std::string_view text) noexcept;
// RFC 9112, section 3.2.1: a path and perhaps a query of RFC 3986's characters ("[" and "]" too, which
// browsers leave as they are in queries), percent signs only before two hexadecimal digits.
bool is_origin_form(std::string_view text) noexcept;
// RFC 9110, section 7.2: a name or address, and perhaps a port.
bool is_authority(std::string_view text) noexcept;

constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
// `lower` is lower-case already.
constexpr bool equals_ignoring_case(std::string_view text, std::string_view lower) noexcept {
    if (text.size() != lower.size())
        return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (to_lower(text[i]) != lower[i])
            return false;
    return true;
}
// Without spaces and tabs at both ends.
constexpr std::string_view trimmed(std::string_view text) noexcept {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

} // namespace redoubt::net
