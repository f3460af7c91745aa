// SPDX-License-Identifier: Apache-2.0
// JSON ABIs in, decoded calls out.
#include "ethereum/abi_draft.h"

#include <algorithm>

namespace redoubt::ethereum::abi {

namespace {

Result<std::string_view> text_member(const json::Value& object, std::string_view name) {
    const auto member = object.get(name);
    if (!member || !member->is_string())
        return fail(Code::InvalidField,
                    "an entry of a JSON ABI is an object with type, name and what else its type needs");
    return member->text();
}

Result<std::vector<Draft>> read_list(Drafter& drafter, const json::Value& object, std::string_view name,
                                     std::size_t depth);

Result<Draft> read_type(Drafter& drafter, const json::Value& parameter, std::size_t depth) {
    REDOUBT_TRY(const std::string_view type, text_member(parameter, "type"));
    const std::size_t bracket = std::min(type.find('['), type.size());
    const std::string_view base = type.substr(0, bracket);
    Draft out;
    if (base == "tuple") {
        if (depth == kMaxDepth)
            return fail(Code::InvalidField, "tuples and arrays nest at most 16 deep");
        REDOUBT_TRY(auto components, read_list(drafter, parameter, "components", depth + 1));
        REDOUBT_TRY(out, drafter.tuple(std::move(components)));
    } else {
        if (parameter.get("components"))
            return fail(Code::InvalidField, "only a tuple has components");
        REDOUBT_TRY(out, drafter.elementary(base));
    }
    for (std::string_view rest = type.substr(bracket); !rest.empty();) {
        const std::size_t end = rest.find(']');
        if (rest[0] != '[' || end == std::string_view::npos)
            return fail(Code::InvalidField, "an array is [] or [LENGTH] after the type of its elements");
        const std::string_view length = rest.substr(1, end - 1);
        REDOUBT_CHECK(drafter.wrap(out, length.empty() ? std::nullopt : std::optional(length)));
        rest.remove_prefix(end + 1);
    }
    return out;
}

// The member `name` of a function or parameter: an array of parameters, with `depth` tuples around them.
Result<std::vector<Draft>> read_list(Drafter& drafter, const json::Value& object, std::string_view name,
                                     std::size_t depth) {
    const auto list = object.get(name);
    if (!list || !list->is_array())
        return fail(
            Code::InvalidField,
            "a function's inputs and a tuple's components are an array of objects with type and name");
    std::vector<Draft> out;
    for (const json::Value parameter : *list) {
        REDOUBT_TRY(auto draft, read_type(drafter, parameter, depth));
        // Getters of mappings have arguments without name: "" or no member at all.
        if (const auto given = parameter.get("name")) {
            if (!given->is_string() || (!given->text().empty() && !is_identifier(given->text())))
                return fail(Code::InvalidField,
                            "an argument's name is an identifier of at most 256 characters, or empty");
            draft.type.name = given->text();
        }
        out.push_back(std::move(draft));
    }
    return out;
}

void write_value(json::Writer& writer, const Value& value);

void write_components(json::Writer& writer, const std::vector<Value>& values) {
    writer.begin_array();
    for (const auto& value : values) {
        writer.begin_object().member("name", value.type->name).member("type", canonical(*value.type));
        writer.key("value");
        write_value(writer, value);
        writer.end_object();
    }
    writer.end_array();
}

void write_value(json::Writer& writer, const Value& value) {
    switch (value.type->kind) {
    case Kind::Uint:
        writer.string(to_decimal(value.number));
        return;
    case Kind::Int:
        if (value.number.limbs[3] >> 63 != 0)
            writer.string("-" + to_decimal(negated(value.number)));
        else
            writer.string(to_decimal(value.number));
        return;
    case Kind::Bool:
        writer.boolean(!value.number.is_zero());
        return;
    case Kind::Address: {
        const auto word = to_big_endian(value.number);
        Address address;
        std::copy(word.end() - 20, word.end(), address.begin());
        writer.string(to_checksum(address));
        return;
    }
    case Kind::FixedBytes:
    case Kind::Bytes:
    case Kind::Function:
        writer.string(to_hex0x(value.bytes));
        return;
    case Kind::String:
        writer.string(as_text(value.bytes));
        return;
    case Kind::Array:
    case Kind::FixedArray:
        writer.begin_array();
        for (const auto& child : value.children)
            write_value(writer, child);
        writer.end_array();
        return;
    case Kind::Tuple:
        write_components(writer, value.children);
        return;
    }
}

} // namespace

Result<Function> parse_function(const json::Value& entry) {
    REDOUBT_TRY(const std::string_view type, text_member(entry, "type"));
    if (type != "function")
        return fail(Code::InvalidField, "the entry of the JSON ABI is no function");
    REDOUBT_TRY(const std::string_view name, text_member(entry, "name"));
    if (!is_identifier(name))
        return fail(Code::InvalidField, "a function's name is an identifier of at most 256 characters");
    Drafter drafter;
    REDOUBT_TRY(auto inputs, read_list(drafter, entry, "inputs", 0));
    Function out;
    out.name = name;
    REDOUBT_TRY(out.inputs, Drafter::list(std::move(inputs)));
    return out;
}

namespace {

// Nested ones counted.
std::size_t types_in(const std::vector<Type>& types) noexcept {
    std::size_t out = types.size();
    for (const Type& type : types)
        out += types_in(type.children);
    return out;
}

} // namespace

Result<std::vector<Function>> parse_abi(const json::Value& array) {
    if (!array.is_array())
        return fail(Code::InvalidField, "a JSON ABI is an array of objects");
    std::vector<Function> out;
    std::vector<ByteArray<4>> selectors;
    std::size_t types = 0;
    for (const json::Value entry : array) {
        REDOUBT_TRY(const std::string_view type, text_member(entry, "type"));
        if (type != "function")
            continue;
        if (out.size() == kMaxFunctions)
            return fail(Code::TooLarge, "a JSON ABI has at most 1024 functions");
        REDOUBT_TRY(auto function, parse_function(entry));
        types += types_in(function.inputs);
        if (types > kMaxAbiTypes)
            return fail(Code::TooLarge, "the functions of a JSON ABI have at most 8192 types in all");
        selectors.push_back(function.selector());
        out.push_back(std::move(function));
    }
    std::sort(selectors.begin(), selectors.end());
    if (std::adjacent_find(selectors.begin(), selectors.end()) != selectors.end())
        return fail(Code::AmbiguousField, "two functions of the JSON ABI have one selector");
    return out;
}

void write_call_json(json::Writer& writer, const Function& function, const std::vector<Value>& values) {
    writer.begin_object().member("function", function.signature()).member("name", function.name);
    writer.member("selector", to_hex0x(function.selector())).key("arguments");
    write_components(writer, values);
    writer.end_object();
}

} // namespace redoubt::ethereum::abi
