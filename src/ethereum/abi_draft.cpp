// SPDX-License-Identifier: Apache-2.0
#include "ethereum/abi_draft.h"

#include <algorithm>

namespace redoubt::ethereum::abi {

namespace {

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

// A decimal number without leading zeros, at most `most`.
std::optional<std::uint32_t> number(std::string_view digits, std::uint32_t most) noexcept {
    if (digits.empty() || digits.size() > 7 || (digits.size() > 1 && digits[0] == '0'))
        return std::nullopt;
    std::uint32_t out = 0;
    for (const char c : digits) {
        if (!is_digit(c))
            return std::nullopt;
        out = out * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return out <= most ? std::optional(out) : std::nullopt;
}

struct Elementary {
    Kind kind;
    std::uint16_t size;
};

std::optional<Elementary> sized(Kind kind, std::string_view digits) noexcept {
    const bool bytes = kind == Kind::FixedBytes;
    const auto size = number(digits, bytes ? 32 : 256);
    if (!size || *size == 0 || (!bytes && *size % 8 != 0))
        return std::nullopt;
    return Elementary{kind, static_cast<std::uint16_t>(*size)};
}

std::optional<Elementary> elementary_of(std::string_view name) noexcept {
    struct Named {
        std::string_view name;
        Elementary type;
    };
    static constexpr Named kNamed[] = {
        {"address", {Kind::Address, 0}}, {"bool", {Kind::Bool, 0}},         {"bytes", {Kind::Bytes, 0}},
        {"string", {Kind::String, 0}},   {"uint", {Kind::Uint, 256}},       {"int", {Kind::Int, 256}},
        {"byte", {Kind::FixedBytes, 1}}, {"function", {Kind::Function, 0}},
    };
    for (const auto& known : kNamed)
        if (known.name == name)
            return known.type;
    if (name.starts_with("uint"))
        return sized(Kind::Uint, name.substr(4));
    if (name.starts_with("int"))
        return sized(Kind::Int, name.substr(3));
    if (name.starts_with("bytes"))
        return sized(Kind::FixedBytes, name.substr(5));
    return std::nullopt;
}

} // namespace

bool is_name_part(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$';
}

bool is_identifier(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxName && !is_digit(text[0]) &&
           std::all_of(text.begin(), text.end(), is_name_part);
}

bool is_elementary(std::string_view name) noexcept {
    return elementary_of(name).has_value();
}

Status Drafter::one_more() {
    if (left_ == 0)
        return fail(Code::InvalidField, "a function's arguments have at most 256 types, nested ones counted");
    --left_;
    return {};
}

Result<Draft> Drafter::elementary(std::string_view name) {
    const auto found = elementary_of(name);
    if (!found && (name.starts_with("fixed") || name.starts_with("ufixed")))
        return fail(Code::InvalidField, "the ABI types fixed and ufixed are not supported");
    if (!found)
        return fail(Code::InvalidField, "a function's arguments have types of the contract ABI, such as "
                                        "uint256, address, bytes32, string, (address,uint256)[]; structs, "
                                        "enums and contracts by name are not");
    REDOUBT_CHECK(one_more());
    Draft out;
    out.type.kind = found->kind;
    out.type.size = found->size;
    return out;
}

Result<Draft> Drafter::tuple(std::vector<Draft> components) {
    Draft out;
    for (const auto& component : components)
        out.depth = std::max(out.depth, component.depth);
    if (++out.depth > kMaxDepth)
        return fail(Code::InvalidField, "tuples and arrays nest at most 16 deep");
    REDOUBT_CHECK(one_more());
    out.type.kind = Kind::Tuple;
    REDOUBT_TRY(out.type.children, list(std::move(components)));
    return out;
}

Status Drafter::wrap(Draft& draft, std::optional<std::string_view> length) {
    if (++draft.depth > kMaxDepth)
        return fail(Code::InvalidField, "tuples and arrays nest at most 16 deep");
    REDOUBT_CHECK(one_more());
    Type out;
    out.kind = length ? Kind::FixedArray : Kind::Array;
    if (length) {
        const auto elements = number(*length, kMaxLength);
        if (!elements)
            return fail(Code::InvalidField, "an array's length is a decimal number up to 1048576");
        out.length = *elements;
    }
    out.children.push_back(std::move(draft.type));
    draft.type = std::move(out);
    return {};
}

Result<std::vector<Type>> Drafter::list(std::vector<Draft> drafts) {
    std::vector<Type> out;
    out.reserve(drafts.size());
    for (auto& draft : drafts) {
        const std::string& name = draft.type.name;
        // At most kMaxTypes of them.
        if (!name.empty() &&
            std::any_of(out.begin(), out.end(), [&](const Type& t) { return t.name == name; }))
            return fail(Code::InvalidField, "two arguments, or two components of a tuple, have one name");
        out.push_back(std::move(draft.type));
    }
    return out;
}

} // namespace redoubt::ethereum::abi
