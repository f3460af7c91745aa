// SPDX-License-Identifier: Apache-2.0
// The Condition block of a policy statement: operators, and the values of a request they are asked about.
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
    enum class Operator {
        StringEquals,
        StringEqualsIgnoreCase,
        StringLike,
        StringNotEquals,
        StringNotEqualsIgnoreCase,
        StringNotLike,
        Bool,
        Null,
    };
    Operator op;
    bool if_exists; // …IfExists: also true where the request has no such key
    std::string op_name, key, lower_key;
    std::vector<std::string> wanted; // one of them
};

// Refuses unknown operators, values that are not strings (or booleans), and policy variables.
// Error: MalformedPolicyDocumentException.
Reply<std::vector<Condition>> parse_conditions(const json::Value& block);

// IAM's rules for a key that the request lacks: the positive operators are false, the negated ones true.
bool condition_holds(const Condition& condition, const ConditionValues& values);

// "kms:RecipientAttestation:PCR16 is abc…, StringEqualsIgnoreCase wants def…": for developers. PCRs and
// encryption contexts are no secrets.
std::string explain_condition(const Condition& condition, const ConditionValues& values);

std::unexpected<ServiceError> malformed_policy(std::string message);
// A string or an array of strings, at least one. Error: MalformedPolicyDocumentException.
Reply<std::vector<std::string>> policy_strings(const json::Value& value, std::string_view element);

} // namespace redoubt::devcloud
