// SPDX-License-Identifier: Apache-2.0
#include "policy/field.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

using ethereum::abi::Kind;
using ethereum::abi::Type;

constexpr std::size_t kMaxFieldText = 1024; // characters
constexpr std::size_t kMaxSteps = 2 * ethereum::abi::kMaxDepth;

constexpr std::uint32_t kAnyOperation = (1u << kOperations) - 1;
constexpr std::uint32_t kTransactions = operation_bit(Operation::SignTransaction);
constexpr std::uint32_t kTypedData = operation_bit(Operation::SignTypedData);
constexpr std::uint32_t kAuthorizations = operation_bit(Operation::SignAuthorization);
constexpr std::uint32_t kMessages =
    operation_bit(Operation::SignMessage) | operation_bit(Operation::SignData);

struct Known {
    std::string_view name;
    FieldId id;
    ValueType type;
    std::uint16_t size;
    std::uint32_t operations;
};

// Names that end in a dot are beginnings: what follows is parsed below.
constexpr Known kKnown[] = {
    {"time", FieldId::Time, ValueType::Time, 0, kAnyOperation},
    {"path", FieldId::Path, ValueType::Path, 0, kAnyOperation},
    {"transaction.chain_id", FieldId::ChainId, ValueType::Uint, 0, kTransactions},
    {"transaction.type", FieldId::TransactionType, ValueType::Uint, 0, kTransactions},
    {"transaction.to", FieldId::To, ValueType::Address, 0, kTransactions},
    {"transaction.deploys", FieldId::Deploys, ValueType::Bool, 0, kTransactions},
    {"transaction.value", FieldId::Value, ValueType::Uint, 0, kTransactions},
    {"transaction.cost", FieldId::Cost, ValueType::Uint, 0, kTransactions},
    {"transaction.gas", FieldId::Gas, ValueType::Uint, 0, kTransactions},
    {"transaction.nonce", FieldId::Nonce, ValueType::Uint, 0, kTransactions},
    {"transaction.gas_price", FieldId::GasPrice, ValueType::Uint, 0, kTransactions},
    {"transaction.max_fee_per_gas", FieldId::MaxFeePerGas, ValueType::Uint, 0, kTransactions},
    {"transaction.max_priority_fee_per_gas", FieldId::MaxPriorityFeePerGas, ValueType::Uint, 0,
     kTransactions},
    {"transaction.fee_per_gas", FieldId::FeePerGas, ValueType::Uint, 0, kTransactions},
    {"transaction.max_fee_per_blob_gas", FieldId::MaxFeePerBlobGas, ValueType::Uint, 0, kTransactions},
    {"transaction.blobs", FieldId::Blobs, ValueType::Uint, 0, kTransactions},
    {"transaction.data_size", FieldId::DataSize, ValueType::Uint, 0, kTransactions},
    {"transaction.selector", FieldId::Selector, ValueType::Bytes, 4, kTransactions},
    {"transaction.data", FieldId::Data, ValueType::Bytes, 0, kTransactions},
    {"transaction.access_list.length", FieldId::AccessListLength, ValueType::Uint, 0, kTransactions},
    {"transaction.authorizations.length", FieldId::AuthorizationsLength, ValueType::Uint, 0, kTransactions},
    {"call.", FieldId::Call, ValueType::None, 0, kTransactions},
    {"typed_data.primary_type", FieldId::PrimaryType, ValueType::Text, 0, kTypedData},
    {"typed_data.type", FieldId::EncodedType, ValueType::Text, 0, kTypedData},
    {"message.", FieldId::Message, ValueType::ByOperand, 0, kTypedData},
    {"authorization.chain_id", FieldId::AuthorizationChainId, ValueType::Uint, 0, kAuthorizations},
    {"authorization.address", FieldId::AuthorizationAddress, ValueType::Address, 0, kAuthorizations},
    {"authorization.nonce", FieldId::AuthorizationNonce, ValueType::Uint, 0, kAuthorizations},
    {"message_text", FieldId::MessageText, ValueType::Text, 0, kMessages},
    {"message_bytes", FieldId::MessageBytes, ValueType::Bytes, 0, kMessages},
    {"message_size", FieldId::MessageSize, ValueType::Uint, 0, kMessages},
    {"validator", FieldId::Validator, ValueType::Address, 0, operation_bit(Operation::SignMessage)},
    {"digest", FieldId::Digest, ValueType::Bytes, 32, operation_bit(Operation::SignHash)},
    {"recipient", FieldId::Recipient, ValueType::Text, 0, operation_bit(Operation::Export)},
};

struct KnownMember {
    std::string_view name;
    FieldId id;
    ValueType type;
};
constexpr KnownMember kListed[] = {
    // of transaction.authorizations[…]
    {"chain_id", FieldId::AuthorizationsChainId, ValueType::Uint},
    {"address", FieldId::AuthorizationsAddress, ValueType::Address},
    {"nonce", FieldId::AuthorizationsNonce, ValueType::Uint},
};

struct DomainMember {
    std::string_view name, json;
    ValueType type;
    std::uint16_t size;
};
constexpr DomainMember kDomain[] = {
    {"domain.name", "name", ValueType::Text, 0},
    {"domain.version", "version", ValueType::Text, 0},
    {"domain.chain_id", "chainId", ValueType::Uint, 0},
    {"domain.verifying_contract", "verifyingContract", ValueType::Address, 0},
    {"domain.salt", "salt", ValueType::Bytes, 32},
};

bool is_identifier(std::string_view text) noexcept { // or a position
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '$';
    });
}

std::optional<std::uint32_t> parse_index(std::string_view text) noexcept { // up to six digits
    if (text.empty() || text.size() > 6 || (text[0] == '0' && text.size() > 1))
        return std::nullopt;
    std::uint32_t out = 0;
    for (const char c : text) {
        if (c < '0' || c > '9')
            return std::nullopt;
        out = out * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return out;
}

std::optional<Step> parse_bracket(std::string_view inside) {
    if (inside == "all")
        return Step{Step::Kind::All, 0, {}};
    if (inside == "any")
        return Step{Step::Kind::Any, 0, {}};
    const bool from_end = inside.starts_with('-');
    const auto index = parse_index(from_end ? inside.substr(1) : inside);
    if (!index || (from_end && *index == 0))
        return std::nullopt;
    return Step{from_end ? Step::Kind::FromEnd : Step::Kind::Index, *index, {}};
}

// "orders[0].to": a name, then names after dots and elements in brackets.
std::optional<std::vector<Step>> parse_steps(std::string_view text) {
    std::vector<Step> out;
    bool name_next = true;
    while (name_next || !text.empty()) {
        if (out.size() == kMaxSteps)
            return std::nullopt;
        if (name_next) {
            const std::string_view name = text.substr(0, text.find_first_of(".["));
            if (!is_identifier(name))
                return std::nullopt;
            out.push_back({Step::Kind::Member, 0, std::string(name)});
            text.remove_prefix(name.size());
            name_next = false;
        } else if (text[0] == '.') {
            text.remove_prefix(1);
            name_next = true;
        } else {
            const std::size_t end = text.find(']');
            const auto step =
                end == std::string_view::npos ? std::nullopt : parse_bracket(text.substr(1, end - 1));
            if (text[0] != '[' || !step)
                return std::nullopt;
            out.push_back(*step);
            text.remove_prefix(end + 1);
        }
    }
    return out;
}

// A named one by its name only, an unnamed one by its position: one argument, one spelling.
std::optional<std::uint32_t> find_argument(const std::vector<Type>& types, std::string_view name) {
    for (std::size_t i = 0; i < types.size(); ++i)
        if (types[i].name.empty() ? name == std::to_string(i) : name == types[i].name)
            return static_cast<std::uint32_t>(i);
    return std::nullopt;
}

ValueType type_of(const Type& type) noexcept {
    switch (type.kind) {
    case Kind::Uint:
        return ValueType::Uint;
    case Kind::Int:
        return ValueType::Int;
    case Kind::Bool:
        return ValueType::Bool;
    case Kind::Address:
        return ValueType::Address;
    case Kind::FixedBytes:
    case Kind::Bytes:
    case Kind::Function:
        return ValueType::Bytes;
    case Kind::String:
        return ValueType::Text;
    default:
        return ValueType::None;
    }
}

Status resolve_call(Field& field, const ethereum::abi::Function& function, const std::string& place) {
    const Type* at = nullptr;
    for (Step& step : field.steps) {
        const bool array = at != nullptr && (at->kind == Kind::Array || at->kind == Kind::FixedArray);
        if (step.kind != Step::Kind::Member) {
            if (!array)
                return refuse("policy: brackets stand behind an array only", place);
            if (at->kind == Kind::FixedArray &&
                ((step.kind == Step::Kind::Index && step.index >= at->length) ||
                 (step.kind == Step::Kind::FromEnd && step.index > at->length)))
                return refuse("policy: the array has fewer elements than that", place);
            at = &at->children[0];
            continue;
        }
        if (at != nullptr && step.name == "length" &&
            (array || at->kind == Kind::Bytes || at->kind == Kind::String)) {
            if (&step != &field.steps.back())
                return refuse("policy: nothing follows .length", place);
            step.kind = Step::Kind::Length;
            field.type = ValueType::Uint;
            return {};
        }
        if (at != nullptr && at->kind != Kind::Tuple)
            return refuse("policy: the function has no such argument: use its arguments' names, their "
                          "positions from 0 where they have none, and [all], [any], [0] or [-1] for arrays",
                          place);
        const auto& types = at == nullptr ? function.inputs : at->children;
        const auto index = find_argument(types, step.name);
        if (!index)
            return refuse("policy: the function has no such argument: use its arguments' names, or their "
                          "positions from 0 where they have none",
                          place);
        step.index = *index;
        at = &types[*index];
    }
    field.type = type_of(*at);
    if (field.type == ValueType::None)
        return refuse("policy: this is an array or a tuple: name a value inside it, or its .length", place);
    field.size = at->kind == Kind::FixedBytes ? at->size : at->kind == Kind::Function ? 24 : 0;
    return {};
}

Result<Field> parse_call(std::string_view rest, const NamedFunction& named, const std::string& place) {
    if (named.function == nullptr)
        return refuse("policy: call.… needs `function` beside it, the signature that says what the calldata "
                      "means",
                      place);
    Field out{FieldId::Call, ValueType::None, 0, named.index, {}};
    auto steps = parse_steps(rest);
    if (!steps)
        return refuse("policy: a path is names with dots between them and [0], [-1], [all] or [any] behind "
                      "arrays",
                      place);
    out.steps = std::move(*steps);
    REDOUBT_CHECK(resolve_call(out, *named.function, place));
    return out;
}

// "transaction.authorizations[all].address"
std::optional<Field> parse_listed(std::string_view rest) {
    const std::size_t end = rest.find(']');
    if (!rest.starts_with('[') || end == std::string_view::npos || !rest.substr(end + 1).starts_with('.'))
        return std::nullopt;
    const auto step = parse_bracket(rest.substr(1, end - 1));
    if (!step || step->kind == Step::Kind::FromEnd)
        return std::nullopt;
    for (const KnownMember& member : kListed)
        if (rest.substr(end + 2) == member.name)
            return Field{member.id, member.type, 0, 0, {*step}};
    return std::nullopt;
}

} // namespace

bool Field::has_quantifier() const noexcept {
    return std::any_of(steps.begin(), steps.end(), [](const Step& step) {
        return step.kind == Step::Kind::All || step.kind == Step::Kind::Any;
    });
}

std::uint32_t operations_of(FieldId id) noexcept {
    for (const Known& known : kKnown)
        if (known.id == id)
            return known.operations;
    return id == FieldId::Domain ? kTypedData : kTransactions;
}

Result<Field> parse_field(std::string_view name, const NamedFunction& function, const std::string& place) {
    constexpr std::string_view kAuthorizationList = "transaction.authorizations";
    if (name.size() > kMaxFieldText)
        return refuse("policy: a field's name has at most 1024 characters", place);
    if (name.starts_with("call."))
        return parse_call(name.substr(5), function, place);
    if (name.starts_with("message.")) {
        auto steps = parse_steps(name.substr(8));
        if (!steps)
            return refuse("policy: a path is names with dots between them and [0], [-1], [all] or [any] "
                          "behind arrays",
                          place);
        return Field{FieldId::Message, ValueType::ByOperand, 0, 0, std::move(*steps)};
    }
    for (const DomainMember& member : kDomain)
        if (name == member.name)
            return Field{FieldId::Domain,
                         member.type,
                         member.size,
                         0,
                         {{Step::Kind::Member, 0, std::string(member.json)}}};
    for (const Known& known : kKnown)
        if (name == known.name)
            return Field{known.id, known.type, known.size, 0, {}};
    if (name.starts_with(kAuthorizationList))
        if (auto field = parse_listed(name.substr(kAuthorizationList.size())))
            return *field;
    return refuse("policy: there is no such field: docs/policy.md lists them", place);
}

} // namespace redoubt::policy
