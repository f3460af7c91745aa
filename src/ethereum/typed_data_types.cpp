// SPDX-License-Identifier: Apache-2.0
#include "ethereum/typed_data_types.h"

#include "crypto/keccak.h"

#include <algorithm>
#include <bitset>

namespace redoubt::ethereum::typed_data {

namespace {

static_assert(kMaxTypes <= 256 && kMaxFields <= 256, "indices are bytes");

constexpr std::size_t kMostLengthDigits = 9; // of n in T[n]; more elements than that fit in no document

// EIP-712, "Definition of domainSeparator": the fields a domain can have, in this order.
struct DomainField {
    std::string_view name;
    std::string_view type_text;
    Kind kind;
    std::uint16_t size;
};
constexpr DomainField kDomainFields[] = {{"name", "string", Kind::String, 0},
                                         {"version", "string", Kind::String, 0},
                                         {"chainId", "uint256", Kind::Uint, 256},
                                         {"verifyingContract", "address", Kind::Address, 0},
                                         {"salt", "bytes32", Kind::FixedBytes, 32}};

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool starts_name(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

Status check_name(std::string_view name) {
    if (name.size() > kMaxName)
        return fail(Code::TooLarge, "a name in types has more than 256 characters");
    if (name.empty() || !starts_name(name[0]) ||
        !std::all_of(name.begin(), name.end(), [](char c) { return starts_name(c) || is_digit(c); }))
        return fail(Code::InvalidField,
                    "a name in types is made of letters, digits, _ and $, and does not start with a digit");
    if (name == "__proto__")
        return fail(Code::AmbiguousField, "__proto__ is no name: JavaScript takes it for something else");
    return {};
}

// Could a reader take this name for one of Solidity's elementary types?
bool looks_atomic(std::string_view name) noexcept {
    if (name == "bool" || name == "address" || name == "string" || name == "byte" || name == "function")
        return true;
    for (const std::string_view prefix : {"uint", "int", "bytes", "ufixed", "fixed"})
        if (name.starts_with(prefix) &&
            std::all_of(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(),
                        [](char c) { return is_digit(c) || c == 'x'; }))
            return true;
    return false;
}

Status check_struct_name(std::string_view name) {
    REDOUBT_CHECK(check_name(name));
    // MetaMask ends a type's name at the first character that is no letter, digit or underscore, and then
    // leaves the type out of encodeType; ethers does not.
    if (name.contains('$'))
        return fail(Code::AmbiguousField, "a type's name must not have a $: clients hash it differently");
    if (looks_atomic(name))
        return fail(Code::AmbiguousField,
                    "a type of `types` must not be named like one of Solidity's own types");
    return {};
}

// Digits without a leading zero, and not zero.
std::optional<std::uint32_t> positive(std::string_view digits, std::size_t most_digits) noexcept {
    if (digits.empty() || digits.size() > most_digits || digits[0] == '0' ||
        !std::all_of(digits.begin(), digits.end(), is_digit))
        return std::nullopt;
    std::uint32_t out = 0;
    for (const char c : digits)
        out = out * 10 + static_cast<std::uint32_t>(c - '0');
    return out;
}

// EIP-712, "Definition of typed structured data": the atomic and dynamic types.
std::optional<FieldType> atomic_type(std::string_view name) {
    if (name == "bool")
        return FieldType{Kind::Bool, 0, {}};
    if (name == "address")
        return FieldType{Kind::Address, 0, {}};
    if (name == "string")
        return FieldType{Kind::String, 0, {}};
    if (name == "bytes")
        return FieldType{Kind::Bytes, 0, {}};
    constexpr struct {
        std::string_view prefix;
        Kind kind;
        std::uint32_t most, step;
    } sized[] = {
        {"uint", Kind::Uint, 256, 8}, {"int", Kind::Int, 256, 8}, {"bytes", Kind::FixedBytes, 32, 1}};
    for (const auto& candidate : sized) {
        if (!name.starts_with(candidate.prefix))
            continue;
        const auto size = positive(name.substr(candidate.prefix.size()), 3);
        if (size && *size <= candidate.most && *size % candidate.step == 0)
            return FieldType{candidate.kind, static_cast<std::uint16_t>(*size), {}};
    }
    return std::nullopt;
}

// The lengths in "[2][][4]", the innermost array's first.
Result<std::vector<std::uint32_t>> array_lengths(std::string_view suffix) {
    std::vector<std::uint32_t> out;
    while (!suffix.empty()) {
        const std::size_t close = suffix.find(']');
        if (suffix[0] != '[' || close == std::string_view::npos)
            return fail(Code::InvalidField, "an array's type ends in [] or [n]");
        const std::string_view digits = suffix.substr(1, close - 1);
        const auto length = positive(digits, kMostLengthDigits);
        if (!digits.empty() && !length)
            return fail(
                Code::InvalidField,
                "n of an array's type T[n] is a positive number of at most 9 digits without leading zeros");
        if (out.size() == kMaxDepth)
            return fail(Code::TooLarge, "the typed data is nested more than 16 deep");
        out.push_back(length.value_or(0));
        suffix.remove_prefix(close + 1);
    }
    return out;
}

Status index_names(StructType& type) {
    type.by_name.resize(type.fields.size());
    for (std::size_t i = 0; i < type.fields.size(); ++i)
        type.by_name[i] = static_cast<std::uint8_t>(i);
    const auto name = [&](std::uint8_t i) { return type.fields[i].name; };
    std::sort(type.by_name.begin(), type.by_name.end(),
              [&](std::uint8_t a, std::uint8_t b) { return name(a) < name(b); });
    const auto same = [&](std::uint8_t a, std::uint8_t b) { return name(a) == name(b); };
    if (std::adjacent_find(type.by_name.begin(), type.by_name.end(), same) != type.by_name.end())
        return fail(Code::AmbiguousField, "a type of `types` names the same field twice");
    return {};
}

// One {"name": …, "type": …} of a type.
Result<Field> read_field(const json::Value& value) {
    if (!value.is_object())
        return fail(Code::InvalidField, "a type of `types` is an array of {name, type}");
    const auto name = value.get("name");
    const auto type = value.get("type");
    if (!name || !type)
        return fail(Code::MissingField, "a field of a type needs name and type");
    if (value.size() != 2)
        return fail(Code::UnknownField, "a field of a type has a name and a type and nothing else");
    if (!name->is_string() || !type->is_string())
        return fail(Code::InvalidField, "name and type of a field are strings");
    return Field{name->text(), type->text(), {}};
}

Result<std::vector<Field>> read_fields(const json::Value& value) {
    if (!value.is_array())
        return fail(Code::InvalidField, "a type of `types` is an array of {name, type}");
    if (value.size() > kMaxFields)
        return fail(Code::TooLarge, "a type of `types` has more than 128 fields");
    std::vector<Field> out;
    out.reserve(value.size());
    for (const json::Value item : value) {
        REDOUBT_TRY(out.emplace_back(), read_field(item));
    }
    return out;
}

// What `types` says of the domain must be what the domain's members say: MetaMask goes by the former, ethers
// by the latter.
Status check_declared_domain(const json::Value& declared, const StructType& domain) {
    REDOUBT_TRY(const std::vector<Field> fields, read_fields(declared));
    const auto same = [](const Field& a, const Field& b) {
        return a.name == b.name && a.type_text == b.type_text;
    };
    if (!std::equal(fields.begin(), fields.end(), domain.fields.begin(), domain.fields.end(), same))
        return fail(
            Code::AmbiguousField,
            "EIP712Domain of `types` must list exactly the domain's members, as string name, string version, "
            "uint256 chainId, address verifyingContract, bytes32 salt, in this order");
    return {};
}

Result<StructType> domain_type(const json::Value& domain) {
    if (!domain.is_object())
        return fail(Code::InvalidField, "domain must be a JSON object");
    StructType out;
    out.name = kDomainName;
    for (const DomainField& known : kDomainFields)
        if (domain.get(known.name))
            out.fields.push_back({known.name, known.type_text, {known.kind, known.size, {}}});
    if (out.fields.size() != domain.size())
        return fail(
            Code::UnknownField,
            "domain has the members name, version, chainId, verifyingContract and salt, and no other");
    REDOUBT_CHECK(index_names(out));
    out.hash = crypto::keccak256(as_bytes(encode_own_type(out)));
    return out;
}

using TypeSet = std::bitset<kMaxTypes>; // of indices in Types::structs

class Reader {
  public:
    explicit Reader(std::vector<StructType>& structs) noexcept : structs_(structs) {}

    // All but EIP712Domain.
    Status read(const json::Value& types) {
        std::vector<json::Value> definitions;
        structs_.reserve(types.size());
        definitions.reserve(types.size());
        for (const json::Value definition : types) {
            if (definition.name() == kDomainName)
                continue;
            REDOUBT_CHECK(check_struct_name(definition.name()));
            structs_.emplace_back().name = definition.name();
            definitions.push_back(definition);
        }
        sort_names();
        reached_.resize(structs_.size());
        for (std::size_t i = 0; i < structs_.size(); ++i) {
            REDOUBT_TRY(structs_[i].fields, read_fields(definitions[i]));
            for (Field& field : structs_[i].fields) {
                REDOUBT_CHECK(check_name(field.name));
                REDOUBT_TRY(field.type, field_type(field.type_text));
                if (field.type.kind == Kind::Struct)
                    reached_[i].set(field.type.size);
            }
            REDOUBT_CHECK(index_names(structs_[i]));
        }
        close_reached();
        return {};
    }

    std::optional<std::size_t> find(std::string_view name) const noexcept {
        const auto at = std::lower_bound(
            sorted_.begin(), sorted_.end(), name,
            [&](std::uint8_t i, std::string_view wanted) { return structs_[i].name < wanted; });
        if (at == sorted_.end() || structs_[*at].name != name)
            return std::nullopt;
        return *at;
    }

    bool reaches_all_others(std::size_t type) const noexcept {
        TypeSet reached = reached_[type];
        return reached.set(type).count() == structs_.size();
    }

    // encodeType: the type's own definition, then those of all types that it reaches, sorted by name.
    Status hash_all() {
        std::vector<std::string> own;
        own.reserve(structs_.size());
        for (const StructType& type : structs_)
            own.push_back(encode_own_type(type));
        std::size_t total = 0;
        std::string text;
        for (std::size_t i = 0; i < structs_.size(); ++i) {
            text = own[i];
            for (const std::uint8_t other : sorted_) {
                if (other == i || !reached_[i].test(other))
                    continue;
                text += own[other];
                if (total + text.size() > kMaxEncodedTypes)
                    break;
            }
            total += text.size();
            if (total > kMaxEncodedTypes)
                return fail(Code::TooLarge, "encodeType of all types has more than 1 MiB");
            structs_[i].hash = crypto::keccak256(as_bytes(text));
        }
        return {};
    }

  private:
    void sort_names() {
        sorted_.resize(structs_.size());
        for (std::size_t i = 0; i < structs_.size(); ++i)
            sorted_[i] = static_cast<std::uint8_t>(i);
        std::sort(sorted_.begin(), sorted_.end(),
                  [&](std::uint8_t a, std::uint8_t b) { return structs_[a].name < structs_[b].name; });
    }

    Result<FieldType> field_type(std::string_view text) const {
        if (text.size() > kMaxName)
            return fail(Code::TooLarge, "a type in types has more than 256 characters");
        const std::string_view base = text.substr(0, text.find('['));
        REDOUBT_TRY(std::vector<std::uint32_t> lengths, array_lengths(text.substr(base.size())));
        if (base == "uint" || base == "int")
            return fail(Code::AmbiguousField,
                        "uint and int are hashed differently by different clients; write uint256 or int256");
        if (base == kDomainName)
            return fail(Code::AmbiguousField, "EIP712Domain is the domain's type and no field's");
        auto out = atomic_type(base);
        if (!out) {
            const auto found = find(base);
            if (!found)
                return fail(Code::InvalidField,
                            "a field's type is neither an elementary type of EIP-712 nor one of `types`");
            out = FieldType{Kind::Struct, static_cast<std::uint16_t>(*found), {}};
        }
        out->lengths = std::move(lengths);
        return std::move(*out);
    }

    // From the types that a type's fields have to all that it reaches (Warshall's algorithm).
    void close_reached() noexcept {
        for (std::size_t through = 0; through < reached_.size(); ++through)
            for (TypeSet& from : reached_)
                if (from.test(through))
                    from |= reached_[through];
    }

    std::vector<StructType>& structs_;
    std::vector<std::uint8_t> sorted_; // indices of structs_ by name
    std::vector<TypeSet> reached_;     // of each type; itself only where it is recursive
};

} // namespace

std::string encode_own_type(const StructType& type) {
    std::string out(type.name);
    out += '(';
    for (const Field& field : type.fields) {
        if (out.back() != '(')
            out += ',';
        ((out += field.type_text) += ' ') += field.name;
    }
    out += ')';
    return out;
}

std::optional<std::size_t> StructType::find(std::string_view field_name, std::size_t likely) const noexcept {
    if (likely < fields.size() && fields[likely].name == field_name)
        return likely;
    const auto at =
        std::lower_bound(by_name.begin(), by_name.end(), field_name,
                         [&](std::uint8_t i, std::string_view wanted) { return fields[i].name < wanted; });
    if (at == by_name.end() || fields[*at].name != field_name)
        return std::nullopt;
    return *at;
}

Result<Types> read_types(const json::Value& types, std::string_view primary, const json::Value& domain) {
    if (!types.is_object())
        return fail(Code::InvalidField, "types must be a JSON object");
    if (types.size() > kMaxTypes)
        return fail(Code::TooLarge, "`types` has more than 128 types");
    Types out;
    REDOUBT_TRY(out.domain, domain_type(domain));
    const auto declared = types.get(kDomainName);
    if (declared) {
        REDOUBT_CHECK(check_declared_domain(*declared, out.domain));
    }
    Reader reader(out.structs);
    REDOUBT_CHECK(reader.read(types));
    out.primary = reader.find(primary);
    if (!out.primary && (primary != kDomainName || !declared))
        return fail(Code::InvalidField, "primaryType is not one of `types`");
    // ethers refuses others, MetaMask ignores them.
    if (out.primary ? !reader.reaches_all_others(*out.primary) : !out.structs.empty())
        return fail(Code::AmbiguousField, "`types` has a type that primaryType does not use; remove it");
    REDOUBT_CHECK(reader.hash_all());
    return out;
}

} // namespace redoubt::ethereum::typed_data
