// SPDX-License-Identifier: Apache-2.0
// From a function's argument or a message to the value that a field names.
#include "policy/request_fields.h"

namespace redoubt::policy {

namespace {

using ethereum::TypedDataFields;
using ethereum::Uint256;
using ethereum::abi::Kind;

ethereum::Address address_of(const Uint256& number) noexcept {
    ethereum::Address out;
    const auto word = ethereum::to_big_endian(number);
    std::copy(word.begin() + 12, word.end(), out.begin());
    return out;
}

// Of what the decoders of both have alike.
Truth judge_atom(Judge& judge, Kind kind, const Uint256& number, ByteView bytes) {
    switch (kind) {
    case Kind::Uint:
        return judge_number(judge, number);
    case Kind::Int: {
        Atom atom;
        atom.type = ValueType::Int;
        atom.negative = number.limbs[3] >> 63 != 0;
        atom.number = &number;
        return judge.judge(atom);
    }
    case Kind::Bool:
        return judge_bool(judge, !number.is_zero());
    case Kind::Address:
        return judge_address(judge, address_of(number));
    case Kind::FixedBytes:
    case Kind::Bytes:
    case Kind::Function:
        return judge_bytes(judge, ValueType::Bytes, as_text(bytes));
    case Kind::String:
        return judge_bytes(judge, ValueType::Text, as_text(bytes));
    default:
        return Truth::Unreadable;
    }
}

// Which element a step names. Nothing: there are not so many.
std::optional<std::size_t> index_of(const Step& step, std::size_t count) noexcept {
    if (step.kind == Step::Kind::FromEnd)
        return step.index <= count ? std::optional(count - step.index) : std::nullopt;
    return step.index < count ? std::optional<std::size_t>(step.index) : std::nullopt;
}

} // namespace

Truth walk_call(const ethereum::abi::Value& value, std::span<const Step> steps, Judge& judge) {
    if (steps.empty())
        return judge_atom(judge, value.type->kind, value.number, value.bytes);
    const Step& step = steps.front();
    const auto rest = steps.subspan(1);
    const auto& children = value.children;
    const auto of = [&](std::size_t i) { return walk_call(children[i], rest, judge); };
    switch (step.kind) {
    case Step::Kind::Member: // settled when the document was read
        return of(step.index);
    case Step::Kind::Length: {
        const bool array = value.type->kind == Kind::Array || value.type->kind == Kind::FixedArray;
        return judge_number(judge, array ? children.size() : value.bytes.size());
    }
    case Step::Kind::All:
    case Step::Kind::Any:
        return fold(step.kind == Step::Kind::All, children.size(), of);
    default: {
        const auto index = index_of(step, children.size());
        return index ? of(*index) : Truth::False;
    }
    }
}

Truth walk_typed_data(const TypedDataFields& fields, const TypedDataFields::Place& place,
                      std::span<const Step> steps, Judge& judge) {
    if (steps.empty()) {
        const auto atom = fields.atom(place);
        return atom ? judge_atom(judge, atom->kind, atom->number, atom->bytes) : Truth::Unreadable;
    }
    const Step& step = steps.front();
    const auto rest = steps.subspan(1);
    const auto length = fields.length(place);
    if (step.kind == Step::Kind::Member) {
        if (const auto member = fields.member(place, step.name))
            return walk_typed_data(fields, *member, rest, judge);
        if (step.name != "length" || !rest.empty())
            return Truth::False;
        if (length)
            return judge_number(judge, *length);
        const auto atom = fields.atom(place);
        const bool sized = atom && (atom->kind == Kind::Bytes || atom->kind == Kind::String);
        return sized ? judge_number(judge, atom->bytes.size()) : Truth::False;
    }
    const auto of = [&](std::size_t i) {
        const auto element = fields.element(place, i);
        return element ? walk_typed_data(fields, *element, rest, judge) : Truth::False;
    };
    if (!length) // not an array
        return Truth::False;
    if (step.kind == Step::Kind::All || step.kind == Step::Kind::Any)
        return fold(step.kind == Step::Kind::All, *length, of);
    const auto index = index_of(step, *length);
    return index ? of(*index) : Truth::False;
}

} // namespace redoubt::policy
