// SPDX-License-Identifier: Apache-2.0
#include "gateway/deadline.h"

#include <algorithm>
#include <string_view>

namespace redoubt::gateway {

namespace {

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

bool is_wait(std::string_view name) noexcept {
    constexpr std::string_view kName = "wait";
    return name.size() == kName.size() &&
           std::equal(name.begin(), name.end(), kName.begin(), [](char a, char b) {
               return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
           });
}

// "wait=10", 'wait = "10"', "wait=10; more": whole seconds.
std::optional<std::int64_t> wait_of(std::string_view preference) noexcept {
    preference = trimmed(preference.substr(0, preference.find(';')));
    const std::size_t equals = preference.find('=');
    if (equals == std::string_view::npos || !is_wait(trimmed(preference.substr(0, equals))))
        return std::nullopt;
    std::string_view value = trimmed(preference.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
    if (value.empty() || value.size() > 9)
        return std::nullopt;
    std::int64_t seconds = 0;
    for (const char c : value) {
        if (c < '0' || c > '9')
            return std::nullopt;
        seconds = seconds * 10 + (c - '0');
    }
    if (seconds == 0)
        return std::nullopt;
    return std::min(seconds * 1'000, kLongestWaitMs);
}

} // namespace

std::optional<std::int64_t> preferred_wait_ms(const net::HttpRequest& request) {
    for (const auto& header : request.headers) {
        if (header.name != "prefer")
            continue;
        for (std::string_view rest = header.value; !rest.empty();) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            if (const auto wait = wait_of(rest.substr(0, comma)))
                return wait;
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    return std::nullopt;
}

} // namespace redoubt::gateway
