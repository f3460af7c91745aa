// SPDX-License-Identifier: Apache-2.0
// The fields of one request, read when a condition asks for them: calldata is decoded at most once for each
// function of the document, typed data opened at most once. Internal to evaluator.cpp.
#pragma once

#include "ethereum/typed_data_fields.h"
#include "policy/condition.h"
#include "policy/evaluator.h"
#include "policy/rule_reader.h"

namespace redoubt::policy {

// What a value is put to. With [all] or [any] there may be many, or none.
class Judge {
  public:
    virtual Truth judge(const Atom& atom) noexcept = 0;

  protected:
    ~Judge() = default;
};

class RequestFields {
  public:
    RequestFields(const Document& document, const Facts& facts) noexcept
        : document_(document), facts_(facts) {}

    // False: absent, too. `deny`: of a deny rule, which one of the paths of a derivation is enough for.
    Truth check(const Condition& condition, bool deny);

    struct Amount {
        Truth read = Truth::False; // False: absent
        ethereum::Uint256 value;
    };
    Amount amount(const Limit::Source& source);

  private:
    struct Call {                  // of one function
        Truth read = Truth::False; // False: the calldata is not this function's
        bool known = false;
        std::vector<ethereum::abi::Value> arguments;
    };
    const Call& call(std::uint32_t function);
    ethereum::TypedDataFields* typed_data(); // nullptr: none

    Truth read(const Field& field, Judge& judge, bool deny);
    Truth read_path(Judge& judge, bool any) const;
    Truth read_typed_data(const Field& field, Judge& judge);
    Truth read_call(const Field& field, Judge& judge);

    const Document& document_;
    const Facts& facts_;
    std::vector<Call> calls_; // by index in Document::Functions
    std::optional<ethereum::TypedDataFields> typed_data_;
    std::size_t work_ = kMaxWork; // that may yet be done
    std::optional<bool> text_;    // whether the message is UTF-8
};

// Parts of read(), by where the value is.
Truth read_transaction(const ethereum::Transaction& transaction, const Field& field, Judge& judge);
// From a value along the steps, those of arrays included. Absent: False.
Truth walk_call(const ethereum::abi::Value& value, std::span<const Step> steps, Judge& judge);
Truth walk_typed_data(const ethereum::TypedDataFields& fields, const ethereum::TypedDataFields::Place& place,
                      std::span<const Step> steps, Judge& judge);

Truth judge_number(Judge& judge, const ethereum::Uint256& value);
Truth judge_address(Judge& judge, const ethereum::Address& value);
Truth judge_bytes(Judge& judge, ValueType type, std::string_view value);
Truth judge_bool(Judge& judge, bool value);

// [all]: false if one is, else unreadable if one is; true of none. [any]: true if one is, else unreadable if
// one is; false of none.
template<class Of>
Truth fold(bool all, std::size_t count, Of of) {
    const Truth decides = all ? Truth::False : Truth::True;
    Truth out = all ? Truth::True : Truth::False;
    for (std::size_t i = 0; i < count && out != decides; ++i)
        if (const Truth truth = of(i); truth == decides || truth == Truth::Unreadable)
            out = truth;
    return out;
}

} // namespace redoubt::policy
