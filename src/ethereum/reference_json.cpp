// SPDX-License-Identifier: Apache-2.0
#include "ethereum/transaction_fields.h"

#include <algorithm>

namespace redoubt::ethereum {

namespace {

constexpr Dialect kDialect = Dialect::Reference;
constexpr std::size_t kMostAmountText = 128; // characters
constexpr int kWeiDecimals = 18;
// Above what 128 characters of digits can make good, so that larger exponents need not be told apart.
constexpr int kMostExponent = 9999;

bool take(std::string_view& text, char c) noexcept {
    if (!text.starts_with(c))
        return false;
    text.remove_prefix(1);
    return true;
}

std::string_view take_digits(std::string_view& text) noexcept {
    std::size_t n = 0;
    while (n < text.size() && text[n] >= '0' && text[n] <= '9')
        ++n;
    const std::string_view out = text.substr(0, n);
    text.remove_prefix(n);
    return out;
}

// digits × 10^exponent
struct Decimal {
    std::string digits; // without leading and trailing zeros; empty is zero
    int exponent = 0;
};

// The number's grammar of RFC 8259 without a sign; Python writes 1e-07, and leading zeros of an exponent are
// within it.
std::optional<Decimal> parse_decimal(std::string_view text) {
    if (text.size() > kMostAmountText)
        return std::nullopt;
    const std::string_view whole = take_digits(text);
    if (whole.empty() || (whole.size() > 1 && whole[0] == '0'))
        return std::nullopt;
    std::string_view fraction;
    if (take(text, '.')) {
        fraction = take_digits(text);
        if (fraction.empty())
            return std::nullopt;
    }
    int exponent = 0;
    if (take(text, 'e') || take(text, 'E')) {
        const bool negative = take(text, '-');
        if (!negative)
            take(text, '+');
        const std::string_view digits = take_digits(text);
        if (digits.empty())
            return std::nullopt;
        for (const char c : digits)
            exponent = std::min(exponent * 10 + (c - '0'), kMostExponent);
        if (negative)
            exponent = -exponent;
    }
    if (!text.empty())
        return std::nullopt;
    Decimal out{std::string(whole), exponent - static_cast<int>(fraction.size())};
    out.digits += fraction;
    while (out.digits.ends_with('0')) {
        out.digits.pop_back();
        ++out.exponent;
    }
    out.digits.erase(0, out.digits.find_first_not_of('0'));
    return out;
}

Result<Uint256> read_ether(const Members& members) {
    const auto found = members[Member::Value];
    if (!found)
        return fail(Code::MissingField, "the transaction needs value, in ETH");
    const auto decimal =
        found->is_number() || found->is_string() ? parse_decimal(found->text()) : std::nullopt;
    if (!decimal)
        return fail(Code::InvalidField, "value must be a decimal number of ETH that is not negative");
    if (decimal->digits.empty())
        return Uint256();
    const int zeros = decimal->exponent + kWeiDecimals;
    if (zeros < 0)
        return fail(Code::PrecisionLost, "value has more than 18 decimals of ETH");
    // 2^256 wei has 78 digits.
    std::optional<Uint256> wei;
    if (zeros <= 78)
        wei = from_decimal(decimal->digits + std::string(static_cast<std::size_t>(zeros), '0'));
    if (!wei)
        return fail(Code::InvalidField, "value must be below 2^256 wei");
    return *wei;
}

} // namespace

Result<ParsedTransaction> transaction_from_reference_json(const json::Value& object) {
    const Members members(object);
    ParsedTransaction out;
    Transaction& t = out.transaction;
    REDOUBT_CHECK(read_common(members, kDialect, out));
    REDOUBT_TRY(t.gas, need_u64(members[Member::Gas], kDialect, "the transaction needs gas",
                                "gas must be an integer below 2^64"));
    REDOUBT_TRY(t.value, read_ether(members));
    if (const auto data = members[Member::Data]) {
        REDOUBT_TRY(t.data, data_bytes(*data, kDialect));
    }
    REDOUBT_CHECK(validate(t));
    return out;
}

} // namespace redoubt::ethereum
