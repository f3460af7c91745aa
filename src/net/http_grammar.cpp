// SPDX-License-Identifier: Apache-2.0
#include "net/http_grammar.h"

#include "base/printable.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace redoubt::net {

namespace {

enum : std::uint8_t { kTchar = 1, kTarget = 2, kHost = 4, kHex = 8, kDigit = 16 };

constexpr std::array<std::uint8_t, 256> kClasses = [] {
    std::array<std::uint8_t, 256> out{};
    const auto add = [&out](std::string_view characters, std::uint8_t to) {
        for (const char c : characters)
            out[static_cast<std::uint8_t>(c)] =
                static_cast<std::uint8_t>(out[static_cast<std::uint8_t>(c)] | to);
    };
    add("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", kTchar | kTarget | kHost);
    add("!#$%&'*+-.^_`|~", kTchar);
    add("-._~!$&'()*+,;=:@/?%[]", kTarget);
    add("-._", kHost);
    add("0123456789abcdefABCDEF", kHex);
    add("0123456789", kDigit);
    return out;
}();

bool is(char c, std::uint8_t wanted) noexcept {
    return (kClasses[static_cast<std::uint8_t>(c)] & wanted) != 0;
}

bool all(std::string_view text, std::uint8_t wanted) noexcept {
    return std::ranges::all_of(text, [wanted](char c) { return is(c, wanted); });
}

} // namespace

bool is_token(std::string_view text) noexcept {
    return !text.empty() && all(text, kTchar);
}

bool is_field_value(std::string_view text) noexcept {
    text.remove_prefix(printable_blocks(text));
    return std::ranges::all_of(text, [](char c) {
        const auto byte = static_cast<std::uint8_t>(c);
        return (byte >= 0x20 && byte != 0x7f) || c == '\t';
    });
}

bool is_origin_form(std::string_view text) noexcept {
    if (!text.starts_with('/'))
        return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is(text[i], kTarget))
            return false;
        if (text[i] == '%' && (i + 2 >= text.size() || !is(text[i + 1], kHex) || !is(text[i + 2], kHex)))
            return false;
    }
    return true;
}

bool is_authority(std::string_view text) noexcept {
    std::string_view host = text;
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos || end < 3)
            return false;
        host = text.substr(1, end - 1);
        if (!std::ranges::all_of(host, [](char c) { return is(c, kHex) || c == ':' || c == '.'; }))
            return false;
        has_port = end + 1 < text.size();
        if (has_port && text[end + 1] != ':')
            return false;
        port = has_port ? text.substr(end + 2) : port;
    } else {
        const auto colon = text.find(':');
        has_port = colon != std::string_view::npos;
        host = text.substr(0, colon);
        port = has_port ? text.substr(colon + 1) : port;
        if (!all(host, kHost))
            return false;
    }
    return !host.empty() && host.size() <= 255 && (!has_port || (!port.empty() && port.size() <= 5)) &&
           all(port, kDigit);
}

} // namespace redoubt::net
