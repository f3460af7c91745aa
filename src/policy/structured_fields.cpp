// SPDX-License-Identifier: Apache-2.0
#include "policy/structured_fields.h"

#include <array>
#include <charconv>

namespace redoubt::policy {

namespace {

constexpr std::size_t kMaxDigits = 15; // RFC 8941, 3.3.1

// Which bytes may stand in what: requests are read with these, so a byte costs one look.
using Bytes256 = std::array<bool, 256>;
constexpr Bytes256 bytes_of(std::string_view listed, char from, char to) {
    Bytes256 out{};
    for (const char c : listed)
        out[static_cast<unsigned char>(c)] = true;
    for (int c = from; c <= to; ++c)
        out[static_cast<unsigned char>(c)] = true;
    return out;
}
constexpr Bytes256 kDigits = bytes_of("", '0', '9');
constexpr Bytes256 kStartsKey = bytes_of("*", 'a', 'z');
constexpr Bytes256 kOfKey = bytes_of("0123456789_-.*", 'a', 'z');
constexpr Bytes256 kPlain = [] { // of a string: printable, without quotes and backslashes
    auto out = bytes_of("", 0x20, 0x7e);
    out['"'] = out['\\'] = false;
    return out;
}();

std::size_t length_of(std::string_view text, const Bytes256& set) noexcept {
    std::size_t n = 0;
    while (n < text.size() && set[static_cast<unsigned char>(text[n])])
        ++n;
    return n;
}

} // namespace

std::string_view FieldReader::take_first(std::size_t n) noexcept {
    const auto out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
}

bool FieldReader::take(char c) noexcept {
    if (!next_is(c))
        return false;
    rest_.remove_prefix(1);
    return true;
}

bool FieldReader::take(std::string_view text) noexcept {
    if (!rest_.starts_with(text))
        return false;
    rest_.remove_prefix(text.size());
    return true;
}

std::optional<std::string_view> FieldReader::key() noexcept {
    if (rest_.empty() || !kStartsKey[static_cast<unsigned char>(rest_.front())])
        return std::nullopt;
    return take_first(length_of(rest_, kOfKey));
}

std::optional<std::string_view> FieldReader::string() noexcept {
    if (!take('"'))
        return std::nullopt;
    const std::size_t length = length_of(rest_, kPlain);
    if (length == rest_.size() || rest_[length] != '"')
        return std::nullopt;
    const auto out = take_first(length);
    rest_.remove_prefix(1);
    return out;
}

std::optional<std::int64_t> FieldReader::integer() noexcept {
    const bool negative = take('-');
    const auto digits = take_first(length_of(rest_, kDigits));
    if (digits.empty() || digits.size() > kMaxDigits ||
        (digits.front() == '0' && (digits.size() > 1 || negative)))
        return std::nullopt;
    std::int64_t out = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return negative ? -out : out;
}

std::optional<std::string_view> FieldReader::byte_sequence() noexcept {
    if (!take(':'))
        return std::nullopt;
    const auto end = rest_.find(':');
    if (end == std::string_view::npos)
        return std::nullopt;
    const auto out = take_first(end);
    rest_.remove_prefix(1);
    return out;
}

bool FieldReader::skip_parameters() noexcept {
    while (take(';'))
        if (!key() || (take('=') && !string()))
            return false;
    return true;
}

std::string_view trimmed_field(std::string_view value) noexcept {
    const auto first = value.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return value.substr(first, value.find_last_not_of(" \t") - first + 1);
}

} // namespace redoubt::policy
