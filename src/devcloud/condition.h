// SPDX-License-Identifier: Apache-2.0
// The Condition block of a policy statement: operators, and the values of a request they are asked about (IAM
// user guide, "IAM JSON policy elements: Condition operators", "Multivalued context keys").
//
// Refused when put: BinaryEquals, IpAddress and NotIpAddress (devcloud sees loopback addresses only), Null
// with IfExists or a set operator, and operators that IAM does not have.
#pragma once

#include "base/json.h"
#include "devcloud/service_error.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace redoubt::devcloud {

// What a request says, by condition key. Keys are compared without regard to case (IAM user guide, "Condition
// key names are not case-sensitive"), so they are stored in lower case.
class ConditionValues {
  public:
    void add(std::string_view key, std::string value);
    const std::vector<std::string>* find(std::string_view lower_key) const;

  private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

struct Condition {
    enum class Compare {
        Equal,           // StringEquals
        EqualIgnoreCase, // StringEqualsIgnoreCase, Bool
        Like,            // StringLike
        Arn,             // ArnEquals, ArnLike: the same
        NumberEqual,
        NumberLess,
        NumberLessOrEqual,
        NumberGreater,
        NumberGreaterOrEqual,
        DateEqual,
        DateLess,
        DateLessOrEqual,
        DateGreater,
        DateGreaterOrEqual,
        Bool,
        Null,
    };
    enum class Set { None, ForAnyValue, ForAllValues };

    Compare compare;
    bool negated = false;   // …Not…
    bool if_exists = false; // …IfExists: also true where the request has no such key
    Set set = Set::None;
    bool variables = false; // "${…}" in the wanted values is a variable
    std::string op_name, key, lower_key;
    std::vector<std::string> wanted; // one of them
};

// `variables`: the policy's version has policy variables. Error: MalformedPolicyDocumentException.
Reply<std::vector<Condition>> parse_conditions(const json::Value& block, bool variables);

// IAM's rules for a key that the request lacks: the positive operators and ForAnyValue are false, the negated
// ones and ForAllValues true.
bool condition_holds(const Condition& condition, const ConditionValues& values);

// "kms:RecipientAttestation:PCR16 is abc…, StringEqualsIgnoreCase wants def…": for developers. PCRs and
// encryption contexts are no secrets.
std::string explain_condition(const Condition& condition, const ConditionValues& values);

std::unexpected<ServiceError> malformed_policy(std::string message);
// A string or an array of strings, at least one. Error: MalformedPolicyDocumentException.
Reply<std::vector<std::string>> policy_strings(const json::Value& value, std::string_view element);

std::string lower_case(std::string_view text); // ASCII

} // namespace redoubt::devcloud
