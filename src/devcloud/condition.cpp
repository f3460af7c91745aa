// SPDX-License-Identifier: Apache-2.0
#include "devcloud/condition.h"

#include "devcloud/pattern.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

using Operator = Condition::Operator;

constexpr std::array<std::pair<std::string_view, Operator>, 8> kOperators = {{
    {"StringEquals", Operator::StringEquals},
    {"StringEqualsIgnoreCase", Operator::StringEqualsIgnoreCase},
    {"StringLike", Operator::StringLike},
    {"StringNotEquals", Operator::StringNotEquals},
    {"StringNotEqualsIgnoreCase", Operator::StringNotEqualsIgnoreCase},
    {"StringNotLike", Operator::StringNotLike},
    {"Bool", Operator::Bool},
    {"Null", Operator::Null},
}};

constexpr std::string_view kIfExists = "IfExists";

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

Reply<std::vector<std::string>> read_wanted(const json::Value& value, std::string_view op) {
    // JSON's true and false stand for "true" and "false", as IAM accepts them.
    if (value.is_bool())
        return std::vector<std::string>{value.boolean() ? "true" : "false"};
    return policy_strings(value, op);
}

bool single_match(Operator op, std::string_view wanted, std::string_view actual) {
    switch (op) {
    case Operator::StringEquals:
    case Operator::StringNotEquals:
        return wanted == actual;
    case Operator::StringEqualsIgnoreCase:
    case Operator::StringNotEqualsIgnoreCase:
    case Operator::Bool:
        return equal_ignoring_case(wanted, actual);
    case Operator::StringLike:
    case Operator::StringNotLike:
        return matches_pattern(wanted, actual);
    case Operator::Null:
        return false;
    }
    return false;
}

bool negated(Operator op) {
    return op == Operator::StringNotEquals || op == Operator::StringNotEqualsIgnoreCase ||
           op == Operator::StringNotLike;
}

} // namespace

std::unexpected<ServiceError> malformed_policy(std::string message) {
    return refuse("MalformedPolicyDocumentException", std::move(message));
}

Reply<std::vector<std::string>> policy_strings(const json::Value& value, std::string_view element) {
    std::vector<std::string> out;
    if (value.is_string())
        out.emplace_back(value.text());
    else if (value.is_array())
        for (const auto entry : value) {
            if (!entry.is_string())
                return malformed_policy(std::string(element) + " must hold strings.");
            out.emplace_back(entry.text());
        }
    if (out.empty())
        return malformed_policy(std::string(element) + " must be a string or a non-empty array of strings.");
    for (const auto& text : out)
        // AWS would put a request's value in their place; taking them literally would change what a policy
        // says.
        if (text.find("${") != std::string::npos)
            return malformed_policy("Policy variables are not supported by devcloud: " + text);
    return out;
}

void ConditionValues::add(std::string_view key, std::string value) {
    values_[lower(key)].push_back(std::move(value));
}

const std::vector<std::string>* ConditionValues::find(std::string_view lower_key) const {
    const auto found = values_.find(lower_key);
    return found == values_.end() ? nullptr : &found->second;
}

Reply<std::vector<Condition>> parse_conditions(const json::Value& block) {
    if (!block.is_object())
        return malformed_policy("Condition must be an object.");
    std::vector<Condition> conditions;
    for (const auto entry : block) {
        std::string_view name = entry.name();
        const bool if_exists = name.ends_with(kIfExists);
        if (if_exists)
            name.remove_suffix(kIfExists.size());
        const auto known = std::find_if(kOperators.begin(), kOperators.end(),
                                        [&](const auto& candidate) { return candidate.first == name; });
        if (known == kOperators.end() || (if_exists && known->second == Operator::Null))
            return malformed_policy("Unknown condition operator: " + std::string(entry.name()));
        if (!entry.is_object() || entry.size() == 0)
            return malformed_policy("A condition operator must hold an object of condition keys.");
        for (const auto member : entry) {
            // "service:name"; a key without a service would never be in a request.
            if (member.name().find(':') == std::string_view::npos)
                return malformed_policy("Invalid condition key: " + std::string(member.name()));
            Condition condition{
                known->second,        if_exists, std::string(entry.name()), std::string(member.name()),
                lower(member.name()), {}};
            REDOUBT_TRY(condition.wanted, read_wanted(member, entry.name()));
            if (condition.op == Operator::Bool || condition.op == Operator::Null)
                for (const auto& text : condition.wanted)
                    if (!equal_ignoring_case(text, "true") && !equal_ignoring_case(text, "false"))
                        return malformed_policy(std::string(entry.name()) + " takes true or false.");
            conditions.push_back(std::move(condition));
        }
    }
    return conditions;
}

bool condition_holds(const Condition& condition, const ConditionValues& values) {
    const auto* actual = values.find(condition.lower_key);
    if (condition.op == Operator::Null) {
        const std::string_view missing = actual == nullptr ? "true" : "false";
        return std::any_of(condition.wanted.begin(), condition.wanted.end(),
                           [&](const auto& wanted) { return equal_ignoring_case(wanted, missing); });
    }
    if (actual == nullptr)
        return condition.if_exists || negated(condition.op);
    const bool matched = std::any_of(actual->begin(), actual->end(), [&](const auto& value) {
        return std::any_of(condition.wanted.begin(), condition.wanted.end(),
                           [&](const auto& wanted) { return single_match(condition.op, wanted, value); });
    });
    return matched != negated(condition.op);
}

std::string explain_condition(const Condition& condition, const ConditionValues& values) {
    const auto join = [](const std::vector<std::string>& texts) {
        std::string out;
        for (const auto& text : texts) {
            if (!out.empty())
                out += " or ";
            out += text;
        }
        return out;
    };
    const auto* actual = values.find(condition.lower_key);
    return condition.key + (actual == nullptr ? " is not in the request" : " is " + join(*actual)) + ", " +
           condition.op_name + " wants " + join(condition.wanted);
}

} // namespace redoubt::devcloud
