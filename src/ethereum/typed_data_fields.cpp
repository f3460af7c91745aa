// SPDX-License-Identifier: Apache-2.0
#include "ethereum/typed_data_fields.h"

#include "ethereum/typed_data_values.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace redoubt::ethereum {

namespace {

using namespace typed_data;

// In a Place's type, an index that stands for EIP712Domain, which is not among Types::structs.
constexpr std::uint16_t kDomainIndex = std::numeric_limits<std::uint16_t>::max();
static_assert(kMaxTypes < kDomainIndex);

// encodeType of the primary type. It reaches all others, as read_types has made sure.
std::string encode_primary_type(const Types& types) {
    if (!types.primary)
        return encode_own_type(types.domain);
    std::vector<const StructType*> others;
    for (const StructType& type : types.structs)
        if (&type != &types.structs[*types.primary])
            others.push_back(&type);
    std::sort(others.begin(), others.end(), [](auto* a, auto* b) { return a->name < b->name; });
    std::string out = encode_own_type(types.structs[*types.primary]);
    for (const StructType* type : others)
        out += encode_own_type(*type);
    return out;
}

const FieldType& type_of(const TypedDataFields::Place& at) noexcept {
    return *static_cast<const FieldType*>(at.type);
}

abi::Kind kind_of(Kind kind) noexcept {
    switch (kind) {
    case Kind::Bool:
        return abi::Kind::Bool;
    case Kind::Address:
        return abi::Kind::Address;
    case Kind::String:
        return abi::Kind::String;
    case Kind::Bytes:
        return abi::Kind::Bytes;
    case Kind::FixedBytes:
        return abi::Kind::FixedBytes;
    case Kind::Uint:
        return abi::Kind::Uint;
    case Kind::Int:
        return abi::Kind::Int;
    case Kind::Struct:
        break;
    }
    return abi::Kind::Tuple;
}

} // namespace

struct TypedDataFields::State {
    State(Types read, const json::Value& of_domain)
        : types(std::move(read)), encoded(encode_primary_type(types)), domain(of_domain) {}

    Types types;
    std::string encoded;
    FieldType domain_type{Kind::Struct, kDomainIndex, {}};
    FieldType message_type{Kind::Struct, 0, {}};
    json::Value domain;
    std::optional<json::Value> message;
    // JSON arrays are lists: the elements of those that were looked into, by where the array begins.
    std::unordered_map<const char*, std::vector<json::Value>> arrays;
};

TypedDataFields::TypedDataFields(std::unique_ptr<State> state) : state_(std::move(state)) {}
TypedDataFields::TypedDataFields(TypedDataFields&&) noexcept = default;
TypedDataFields& TypedDataFields::operator=(TypedDataFields&&) noexcept = default;
TypedDataFields::~TypedDataFields() = default;

Result<TypedDataFields> TypedDataFields::open(const json::Value& document) {
    const auto types_member = document.get("types");
    const auto primary = document.get("primaryType");
    const auto domain = document.get("domain");
    const auto message = document.get("message");
    if (!types_member || !primary || !domain)
        return fail(Code::MissingField, "typed data needs types, primaryType, domain and message");
    if (!primary->is_string())
        return fail(Code::InvalidField, "primaryType must be a string");
    REDOUBT_TRY(Types types, read_types(*types_member, primary->text(), *domain));
    auto state = std::make_unique<State>(std::move(types), *domain);
    if (state->types.primary) {
        if (!message)
            return fail(Code::MissingField, "typed data needs types, primaryType, domain and message");
        state->message = *message;
        state->message_type.size = static_cast<std::uint16_t>(*state->types.primary);
    }
    return TypedDataFields(std::move(state));
}

std::string_view TypedDataFields::primary_type() const noexcept {
    const Types& types = state_->types;
    return types.primary ? types.structs[*types.primary].name : kDomainName;
}

const std::string& TypedDataFields::encoded_type() const noexcept {
    return state_->encoded;
}

std::optional<TypedDataFields::Place> TypedDataFields::message() const noexcept {
    if (!state_->message)
        return std::nullopt;
    return Place{*state_->message, &state_->message_type, 0};
}

TypedDataFields::Place TypedDataFields::domain() const noexcept {
    return Place{state_->domain, &state_->domain_type, 0};
}

std::optional<TypedDataFields::Place> TypedDataFields::member(const Place& at,
                                                              std::string_view name) const noexcept {
    const FieldType& type = type_of(at);
    if (at.arrays > 0 || type.kind != Kind::Struct)
        return std::nullopt;
    const Types& types = state_->types;
    const StructType& of = type.size == kDomainIndex ? types.domain : types.structs[type.size];
    const auto index = of.find(name, 0);
    const auto value = index ? at.value.get(name) : std::nullopt;
    if (!value)
        return std::nullopt;
    const FieldType& field = of.fields[*index].type;
    return Place{*value, &field, field.lengths.size()};
}

std::optional<TypedDataFields::Place> TypedDataFields::element(const Place& at,
                                                               std::size_t index) const noexcept {
    const auto count = length(at);
    if (!count || index >= *count)
        return std::nullopt;
    std::vector<json::Value>& elements = state_->arrays[at.value.raw().data()];
    if (elements.empty()) {
        elements.reserve(*count);
        for (const json::Value each : at.value)
            elements.push_back(each);
    }
    return Place{elements[index], at.type, at.arrays - 1};
}

std::optional<std::size_t> TypedDataFields::length(const Place& at) const noexcept {
    if (at.arrays == 0 || !at.value.is_array())
        return std::nullopt;
    return at.value.size();
}

std::optional<TypedDataFields::Atom> TypedDataFields::atom(const Place& at) const {
    const FieldType& type = type_of(at);
    if (at.arrays > 0 || type.kind == Kind::Struct)
        return std::nullopt;
    Atom out;
    out.kind = kind_of(type.kind);
    // Of these two the word is a hash of the whole value.
    if (type.kind == Kind::String) {
        out.bytes = to_bytes(at.value.text());
        return out;
    }
    if (type.kind == Kind::Bytes) {
        out.bytes = from_hex0x(at.value.text()).value_or(Bytes());
        return out;
    }
    const auto word = encode_value(type, at.value);
    if (!word)
        return std::nullopt;
    switch (type.kind) {
    case Kind::FixedBytes:
        out.bytes = to_bytes(ByteView(*word).first(type.size));
        break;
    default:
        out.number = from_big_endian(*word).value_or(Uint256());
    }
    return out;
}

} // namespace redoubt::ethereum
