// SPDX-License-Identifier: Apache-2.0
#include "policy/request_fields.h"

#include "base/utf8.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

constexpr std::size_t kBytesPerStep = 64; // of a text or bytes, that cost about as much as a number

class TestJudge final : public Judge {
  public:
    TestJudge(const Test& test, std::size_t& work) noexcept : test_(test), work_(work) {}
    Truth judge(const Atom& atom) noexcept override {
        const std::size_t cost = 1 + atom.bytes.size() / kBytesPerStep;
        work_ -= std::min(work_, cost);
        return work_ == 0 ? Truth::Unreadable : test_.check(atom);
    }

  private:
    const Test& test_;
    std::size_t& work_;
};

class AmountJudge final : public Judge {
  public:
    ethereum::Uint256 value;
    Truth judge(const Atom& atom) noexcept override {
        if (atom.type != ValueType::Uint)
            return Truth::Unreadable;
        value = *atom.number;
        return Truth::True;
    }
};

} // namespace

Truth judge_number(Judge& judge, const ethereum::Uint256& value) {
    Atom atom;
    atom.type = ValueType::Uint;
    atom.number = &value;
    return judge.judge(atom);
}

Truth judge_address(Judge& judge, const ethereum::Address& value) {
    Atom atom;
    atom.type = ValueType::Address;
    atom.address = &value;
    return judge.judge(atom);
}

Truth judge_bytes(Judge& judge, ValueType type, std::string_view value) {
    Atom atom;
    atom.type = type;
    atom.bytes = value;
    return judge.judge(atom);
}

Truth judge_bool(Judge& judge, bool value) {
    Atom atom;
    atom.type = ValueType::Bool;
    atom.boolean = value;
    return judge.judge(atom);
}

Truth RequestFields::check(const Condition& condition, bool deny) {
    if (work_ == 0)
        return Truth::Unreadable;
    TestJudge judge(condition.test, work_);
    return read(condition.field, judge, deny);
}

RequestFields::Amount RequestFields::amount(const Limit::Source& source) {
    if (source.function && (facts_.transaction == nullptr || facts_.transaction->to != source.contract))
        return {};
    AmountJudge judge;
    const Truth read_as = read(source.field, judge, false);
    return {read_as, judge.value};
}

Truth RequestFields::read(const Field& field, Judge& judge, bool deny) {
    switch (field.id) {
    case FieldId::Time: {
        Atom atom;
        atom.type = ValueType::Time;
        atom.time = facts_.now;
        return judge.judge(atom);
    }
    case FieldId::Path:
        return read_path(judge, deny);
    case FieldId::Call:
    case FieldId::Function:
        return read_call(field, judge);
    case FieldId::PrimaryType:
    case FieldId::EncodedType:
    case FieldId::Domain:
    case FieldId::Message:
        return read_typed_data(field, judge);
    case FieldId::AuthorizationChainId:
        return facts_.authorization == nullptr ? Truth::False
                                               : judge_number(judge, facts_.authorization->chain_id);
    case FieldId::AuthorizationAddress:
        return facts_.authorization == nullptr ? Truth::False
                                               : judge_address(judge, facts_.authorization->address);
    case FieldId::AuthorizationNonce:
        return facts_.authorization == nullptr ? Truth::False
                                               : judge_number(judge, facts_.authorization->nonce);
    case FieldId::MessageText:
        if (facts_.message && !text_)
            text_ = is_utf8(as_text(*facts_.message));
        return text_.value_or(false) ? judge_bytes(judge, ValueType::Text, as_text(*facts_.message))
                                     : Truth::False;
    case FieldId::MessageBytes:
        return facts_.message ? judge_bytes(judge, ValueType::Bytes, as_text(*facts_.message)) : Truth::False;
    case FieldId::MessageSize:
        return facts_.message ? judge_number(judge, facts_.message->size()) : Truth::False;
    case FieldId::Validator:
        return facts_.validator == nullptr ? Truth::False : judge_address(judge, *facts_.validator);
    case FieldId::Digest:
        return facts_.digest == nullptr ? Truth::False
                                        : judge_bytes(judge, ValueType::Bytes, as_text(*facts_.digest));
    case FieldId::Recipient:
        return facts_.operation == Operation::Export ? judge_bytes(judge, ValueType::Text, facts_.recipient)
                                                     : Truth::False;
    default:
        return facts_.transaction == nullptr ? Truth::False
                                             : read_transaction(*facts_.transaction, field, judge);
    }
}

// Of the key that signs, or of all keys that are to be derived. Neither: absent.
Truth RequestFields::read_path(Judge& judge, bool any) const {
    const auto of = [&](const crypto::HdPath& path) {
        Atom atom;
        atom.type = ValueType::Path;
        atom.path = &path;
        return judge.judge(atom);
    };
    if (facts_.derived.empty())
        return facts_.path == nullptr ? Truth::False : of(*facts_.path);
    return fold(!any, facts_.derived.size(), [&](std::size_t i) { return of(facts_.derived[i]); });
}

ethereum::TypedDataFields* RequestFields::typed_data() {
    if (!typed_data_ && facts_.typed_data) {
        if (auto opened = ethereum::TypedDataFields::open(*facts_.typed_data))
            typed_data_.emplace(std::move(*opened));
    }
    return typed_data_ ? &*typed_data_ : nullptr;
}

Truth RequestFields::read_typed_data(const Field& field, Judge& judge) {
    const ethereum::TypedDataFields* fields = typed_data();
    if (fields == nullptr) // a document that typed_data_digest accepted always opens
        return facts_.typed_data ? Truth::Unreadable : Truth::False;
    switch (field.id) {
    case FieldId::PrimaryType:
        return judge_bytes(judge, ValueType::Text, fields->primary_type());
    case FieldId::EncodedType:
        return judge_bytes(judge, ValueType::Text, fields->encoded_type());
    case FieldId::Domain:
        return walk_typed_data(*fields, fields->domain(), field.steps, judge);
    default: {
        const auto message = fields->message();
        return message ? walk_typed_data(*fields, *message, field.steps, judge) : Truth::False;
    }
    }
}

const RequestFields::Call& RequestFields::call(std::uint32_t function) {
    if (calls_.empty())
        calls_.resize(document_.functions->list.size());
    Call& out = calls_[function];
    if (out.known)
        return out;
    out.known = true;
    const auto& entry = document_.functions->list[function];
    const ethereum::Transaction* transaction = facts_.transaction;
    if (transaction == nullptr || !transaction->to || transaction->data.size() < entry.selector.size() ||
        !std::equal(entry.selector.begin(), entry.selector.end(), transaction->data.begin()))
        return out;
    auto arguments = ethereum::abi::decode_call(entry.function, transaction->data);
    out.read = arguments ? Truth::True : Truth::Unreadable;
    if (arguments)
        out.arguments = std::move(*arguments);
    return out;
}

Truth RequestFields::read_call(const Field& field, Judge& judge) {
    const Call& called = call(field.function);
    if (called.read != Truth::True)
        return called.read;
    if (field.id == FieldId::Function)
        return judge_bool(judge, true);
    return walk_call(called.arguments[field.steps.front().index], std::span(field.steps).subspan(1), judge);
}

} // namespace redoubt::policy
