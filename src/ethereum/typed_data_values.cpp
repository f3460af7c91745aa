// SPDX-License-Identifier: Apache-2.0
#include "ethereum/typed_data_values.h"

#include "crypto/keccak.h"
#include "ethereum/address.h"
#include "ethereum/uint256.h"

#include <algorithm>
#include <bit>

namespace redoubt::ethereum::typed_data {

namespace {

unsigned bit_width(const Uint256& value) noexcept {
    for (std::size_t i = value.limbs.size(); i-- > 0;)
        if (value.limbs[i] != 0)
            return static_cast<unsigned>(64 * i) + static_cast<unsigned>(std::bit_width(value.limbs[i]));
    return 0;
}

// 1 to 64 hexadecimal digits. Leading zeros are taken: many applications write whole words.
std::optional<Uint256> from_hex_digits(std::string_view digits) noexcept {
    constexpr std::size_t kMostDigits = 64;
    if (digits.empty() || digits.size() > kMostDigits)
        return std::nullopt;
    char padded[kMostDigits];
    std::fill_n(padded, kMostDigits, '0');
    std::copy(digits.begin(), digits.end(), padded + kMostDigits - digits.size());
    Hash32 word;
    if (!from_hex_exact({padded, kMostDigits}, word))
        return std::nullopt;
    return from_big_endian(word);
}

Result<Hash32> encode_integer(const FieldType& type, const json::Value& value) {
    constexpr FixedText kMalformed = "an integer is a JSON integer, a string of decimal digits, or 0x and up "
                                     "to 64 hexadecimal digits without a "
                                     "sign";
    constexpr FixedText kOutOfRange = "an integer is out of its type's range";
    if (!value.is_number() && !value.is_string())
        return fail(Code::InvalidField, kMalformed);
    std::string_view digits = value.text();
    const bool hexadecimal = value.is_string() && digits.starts_with("0x");
    const bool negative = digits.starts_with('-');
    if (negative)
        digits.remove_prefix(1);
    const auto magnitude = hexadecimal ? from_hex_digits(digits.substr(2)) : from_decimal(digits);
    if (!magnitude || (negative && magnitude->is_zero()))
        return fail(Code::InvalidField, kMalformed);
    if (type.kind == Kind::Uint) {
        if (negative || bit_width(*magnitude) > type.size)
            return fail(Code::InvalidField, kOutOfRange);
        return to_big_endian(*magnitude);
    }
    // −2^(n−1) ≤ value < 2^(n−1): all bits from the sign bit up are alike.
    const Uint256 word = negative ? negated(*magnitude) : *magnitude;
    Uint256 above_sign = word;
    if (negative)
        for (auto& limb : above_sign.limbs)
            limb = ~limb;
    if (bit_width(*magnitude) > type.size || bit_width(above_sign) >= type.size)
        return fail(Code::InvalidField, kOutOfRange);
    return to_big_endian(word);
}

Result<Hash32> encode_address(const json::Value& value) {
    REDOUBT_TRY(const Address address, parse_address(value.text()));
    Hash32 out{};
    std::copy(address.begin(), address.end(), out.end() - static_cast<std::ptrdiff_t>(address.size()));
    return out;
}

// Left-aligned, unlike integers.
Result<Hash32> encode_fixed_bytes(std::size_t size, std::string_view text) {
    Hash32 out{};
    if (!text.starts_with("0x") || !from_hex_exact(text.substr(2), std::span(out).first(size)))
        return fail(Code::InvalidField, "a value of type bytesN is 0x and exactly 2N hexadecimal digits");
    return out;
}

} // namespace

Result<Hash32> encode_value(const FieldType& type, const json::Value& value) {
    if (value.is_null())
        return fail(Code::InvalidField, "only a struct's value may be null");
    switch (type.kind) {
    case Kind::Bool: {
        if (!value.is_bool())
            return fail(Code::InvalidField, "a value of type bool is true or false");
        Hash32 out{};
        out.back() = value.boolean() ? 1 : 0;
        return out;
    }
    case Kind::Uint:
    case Kind::Int:
        return encode_integer(type, value);
    case Kind::Address:
        if (!value.is_string())
            return fail(Code::InvalidField, "an address is a string");
        return encode_address(value);
    case Kind::String:
        if (!value.is_string())
            return fail(Code::InvalidField, "a value of type string is a JSON string");
        return crypto::keccak256(as_bytes(value.text()));
    case Kind::Bytes: {
        const auto bytes = value.is_string() ? from_hex0x(value.text()) : std::nullopt;
        if (!bytes)
            return fail(Code::InvalidField,
                        "a value of type bytes is 0x and an even number of hexadecimal digits");
        return crypto::keccak256(*bytes);
    }
    case Kind::FixedBytes:
        return encode_fixed_bytes(type.size, value.is_string() ? value.text() : std::string_view());
    case Kind::Struct:
        break;
    }
    return fail(Code::Internal, "a struct is no elementary value");
}

} // namespace redoubt::ethereum::typed_data
