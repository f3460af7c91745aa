// SPDX-License-Identifier: Apache-2.0
#include "devcloud/condition.h"

#include "base/clock.h"
#include "devcloud/pattern.h"
#include "devcloud/policy_variables.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace redoubt::devcloud {

namespace {

using Compare = Condition::Compare;

struct OperatorName {
    std::string_view name;
    Compare compare;
    bool negated = false;
};
constexpr std::array<OperatorName, 24> kOperators = {{
    {"StringEquals", Compare::Equal},
    {"StringNotEquals", Compare::Equal, true},
    {"StringEqualsIgnoreCase", Compare::EqualIgnoreCase},
    {"StringNotEqualsIgnoreCase", Compare::EqualIgnoreCase, true},
    {"StringLike", Compare::Like},
    {"StringNotLike", Compare::Like, true},
    {"ArnEquals", Compare::Arn},
    {"ArnLike", Compare::Arn},
    {"ArnNotEquals", Compare::Arn, true},
    {"ArnNotLike", Compare::Arn, true},
    {"NumericEquals", Compare::NumberEqual},
    {"NumericNotEquals", Compare::NumberEqual, true},
    {"NumericLessThan", Compare::NumberLess},
    {"NumericLessThanEquals", Compare::NumberLessOrEqual},
    {"NumericGreaterThan", Compare::NumberGreater},
    {"NumericGreaterThanEquals", Compare::NumberGreaterOrEqual},
    {"DateEquals", Compare::DateEqual},
    {"DateNotEquals", Compare::DateEqual, true},
    {"DateLessThan", Compare::DateLess},
    {"DateLessThanEquals", Compare::DateLessOrEqual},
    {"DateGreaterThan", Compare::DateGreater},
    {"DateGreaterThanEquals", Compare::DateGreaterOrEqual},
    {"Bool", Compare::Bool},
    {"Null", Compare::Null},
}};

constexpr std::string_view kIfExists = "IfExists";
constexpr std::string_view kForAnyValue = "ForAnyValue:";
constexpr std::string_view kForAllValues = "ForAllValues:";

bool is_number(Compare compare) {
    return compare >= Compare::NumberEqual && compare <= Compare::NumberGreaterOrEqual;
}
bool is_date(Compare compare) {
    return compare >= Compare::DateEqual && compare <= Compare::DateGreaterOrEqual;
}

std::optional<double> read_number(std::string_view text) {
    double value = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || rest != text.data() + text.size() || !std::isfinite(value))
        return std::nullopt;
    return value;
}

// "2026-01-02T03:04:05Z", "2026-01-02", or seconds since 1970. In seconds.
std::optional<double> read_date(std::string_view text) {
    const auto date = text.size() == 10 && text[4] == '-' ? from_iso8601(std::string(text) + "T00:00:00Z")
                                                          : from_iso8601(text);
    if (date)
        return static_cast<double>(*date) / 1000;
    return read_number(text);
}

// Six parts; the last one holds every further colon.
std::optional<std::array<std::string_view, 6>> split_arn(std::string_view text) {
    std::array<std::string_view, 6> parts;
    for (std::size_t i = 0; i < 5; ++i) {
        const auto colon = text.find(':');
        if (colon == std::string_view::npos)
            return std::nullopt;
        parts[i] = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    parts[5] = text;
    return parts;
}

// "Each of the six colon-delimited components of the ARN is checked separately."
bool matches_arn(std::string_view pattern, std::string_view text) {
    const auto actual = split_arn(text);
    if (!actual || (*actual)[0] != "arn")
        return false;
    if (pattern == "*")
        return true;
    const auto wanted = split_arn(pattern);
    if (!wanted)
        return false;
    for (std::size_t i = 0; i < 6; ++i)
        if (!matches_pattern((*wanted)[i], (*actual)[i]))
            return false;
    return true;
}

bool compare_ordered(Compare compare, double actual, double wanted) {
    switch (compare) {
    case Compare::NumberEqual:
    case Compare::DateEqual:
        return actual >= wanted && actual <= wanted;
    case Compare::NumberLess:
    case Compare::DateLess:
        return actual < wanted;
    case Compare::NumberLessOrEqual:
    case Compare::DateLessOrEqual:
        return actual <= wanted;
    case Compare::NumberGreater:
    case Compare::DateGreater:
        return actual > wanted;
    case Compare::NumberGreaterOrEqual:
    case Compare::DateGreaterOrEqual:
        return actual >= wanted;
    default:
        return false;
    }
}

bool single_match(Compare compare, const std::string& wanted, std::string_view actual) {
    switch (compare) {
    case Compare::Equal:
        return literal_text(wanted) == actual;
    case Compare::EqualIgnoreCase:
    case Compare::Bool:
        return equal_ignoring_case(literal_text(wanted), actual);
    case Compare::Like:
        return matches_pattern(wanted, actual);
    case Compare::Arn:
        return matches_arn(wanted, actual);
    case Compare::Null:
        return false;
    default:
        break;
    }
    const auto read = is_date(compare) ? read_date : read_number;
    const auto left = read(actual), right = read(wanted);
    return left && right && compare_ordered(compare, *left, *right);
}

// A string, a boolean, for numbers and dates a number; or an array of those.
Reply<std::vector<std::string>> read_wanted(const json::Value& value, Compare compare, std::string_view op) {
    std::vector<std::string> out;
    const auto add = [&](const json::Value& element) {
        if (element.is_string())
            out.emplace_back(element.text());
        else if (element.is_bool())
            out.emplace_back(element.boolean() ? "true" : "false");
        else if (element.is_number() && (is_number(compare) || is_date(compare)))
            out.emplace_back(element.text());
        else
            return false;
        return true;
    };
    bool good = true;
    if (value.is_array())
        for (const auto element : value)
            good = good && add(element);
    else
        good = add(value);
    if (!good || out.empty())
        return malformed_policy(std::string(op) + " has a value that devcloud cannot compare.");
    return out;
}

Reply<void> check_wanted(const Condition& condition) {
    for (const auto& text : condition.wanted) {
        const auto bad = [&](std::string_view wants) {
            return malformed_policy(condition.op_name + " takes " + std::string(wants) + ", not " + text);
        };
        if (text.find_first_of("\x01\x02") != std::string::npos)
            return bad("printable text");
        if ((condition.compare == Compare::Bool || condition.compare == Compare::Null) &&
            !equal_ignoring_case(text, "true") && !equal_ignoring_case(text, "false"))
            return bad("true or false");
        if (is_number(condition.compare) && !read_number(text))
            return bad("a number");
        if (is_date(condition.compare) && !read_date(text))
            return bad("a date");
        if (condition.compare == Compare::Arn && text != "*" && !split_arn(text))
            return bad("an ARN");
        if (condition.variables)
            REDOUBT_CHECK(check_variables(text));
    }
    return {};
}

Reply<Condition> parse_operator(std::string_view full_name) {
    Condition condition{};
    condition.op_name = full_name;
    auto name = full_name;
    if (name.starts_with(kForAnyValue)) {
        condition.set = Condition::Set::ForAnyValue;
        name.remove_prefix(kForAnyValue.size());
    } else if (name.starts_with(kForAllValues)) {
        condition.set = Condition::Set::ForAllValues;
        name.remove_prefix(kForAllValues.size());
    }
    if (name.ends_with(kIfExists)) {
        condition.if_exists = true;
        name.remove_suffix(kIfExists.size());
    }
    const auto known = std::find_if(kOperators.begin(), kOperators.end(),
                                    [&](const auto& candidate) { return candidate.name == name; });
    if (known == kOperators.end() ||
        (known->compare == Compare::Null && (condition.if_exists || condition.set != Condition::Set::None)))
        return malformed_policy("Unknown condition operator: " + std::string(full_name));
    condition.compare = known->compare;
    condition.negated = known->negated;
    return condition;
}

} // namespace

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

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
        if (std::any_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; }))
            return malformed_policy(std::string(element) + " must hold printable text.");
    return out;
}

void ConditionValues::add(std::string_view key, std::string value) {
    values_[lower_case(key)].push_back(std::move(value));
}

const std::vector<std::string>* ConditionValues::find(std::string_view lower_key) const {
    const auto found = values_.find(lower_key);
    return found == values_.end() ? nullptr : &found->second;
}

Reply<std::vector<Condition>> parse_conditions(const json::Value& block, bool variables) {
    if (!block.is_object())
        return malformed_policy("Condition must be an object.");
    std::vector<Condition> conditions;
    for (const auto entry : block) {
        REDOUBT_TRY(const auto operation, parse_operator(entry.name()));
        if (!entry.is_object() || entry.size() == 0)
            return malformed_policy("A condition operator must hold an object of condition keys.");
        for (const auto member : entry) {
            // "service:name"; a key without a service would never be in a request.
            if (member.name().find(':') == std::string_view::npos)
                return malformed_policy("Invalid condition key: " + std::string(member.name()));
            Condition condition = operation;
            condition.variables = variables;
            condition.key = member.name();
            condition.lower_key = lower_case(member.name());
            REDOUBT_TRY(condition.wanted, read_wanted(member, condition.compare, entry.name()));
            REDOUBT_CHECK(check_wanted(condition));
            conditions.push_back(std::move(condition));
        }
    }
    return conditions;
}

bool condition_holds(const Condition& condition, const ConditionValues& values) {
    const auto* actual = values.find(condition.lower_key);
    if (condition.compare == Compare::Null) {
        const std::string_view missing = actual == nullptr ? "true" : "false";
        return std::any_of(condition.wanted.begin(), condition.wanted.end(),
                           [&](const auto& wanted) { return equal_ignoring_case(wanted, missing); });
    }
    if (actual == nullptr) {
        if (condition.if_exists || condition.set == Condition::Set::ForAllValues)
            return true;
        return condition.negated && condition.set != Condition::Set::ForAnyValue;
    }

    std::vector<std::string> wanted;
    for (const auto& text : condition.wanted) {
        auto expanded = condition.variables ? expand_variables(text, values) : text;
        if (expanded)
            wanted.push_back(std::move(*expanded));
    }
    const auto one_matches = [&](const std::string& value) {
        return std::any_of(wanted.begin(), wanted.end(),
                           [&](const auto& text) { return single_match(condition.compare, text, value); });
    };
    const auto satisfied = [&](const std::string& value) { return one_matches(value) != condition.negated; };
    switch (condition.set) {
    case Condition::Set::ForAnyValue:
        return std::any_of(actual->begin(), actual->end(), satisfied);
    case Condition::Set::ForAllValues:
        return std::all_of(actual->begin(), actual->end(), satisfied);
    case Condition::Set::None:
        break;
    }
    return std::any_of(actual->begin(), actual->end(), one_matches) != condition.negated;
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
