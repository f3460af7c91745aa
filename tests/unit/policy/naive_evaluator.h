// SPDX-License-Identifier: Apache-2.0
// A plain reading of a policy's JSON against a request whose values are texts: slow, short, and with nothing
// in common with the evaluator but the JSON reader. Knows what policy_property_test.cpp makes, and no more.
#pragma once

#include "base/clock.h"
#include "base/json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace redoubt::policy::test {

// A value of a request, of which everything is kept as text: numbers in decimal, bytes as 0x-hex.
struct Node {
    enum class Kind { Uint, Int, Bool, Address, Bytes, Text, List, Tuple } kind = Kind::Uint;
    std::string text;
    std::vector<Node> children;
    std::vector<std::string> names; // of a tuple's children
};
using Kind = Node::Kind;

struct Request {
    std::string operation, asker; // "key:a…", "host:NAME" or ""
    UnixMs now = 0;
    std::map<std::string, std::optional<Node>> fields; // of those of the operation; nothing: absent
    std::optional<Node> arguments;                     // of the call
    bool other_function = false, not_strict = false;
};

enum class Value { False, Unreadable, True };

inline int compare(const std::string& a, const std::string& b) { // decimal numbers
    const bool minus_a = a[0] == '-', minus_b = b[0] == '-';
    if (minus_a != minus_b)
        return minus_a ? -1 : 1;
    const int sign = minus_a ? -1 : 1;
    if (a.size() != b.size())
        return a.size() < b.size() ? -sign : sign;
    return a == b ? 0 : (a < b ? -sign : sign);
}

inline std::string lower(std::string text) {
    for (char& c : text)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return text;
}

inline bool equal(const Node& value, const json::Value& operand, const json::Value& policy) {
    const std::string text =
        operand.is_bool() ? (operand.boolean() ? "true" : "false") : std::string(operand.text());
    if (value.kind == Kind::Address && text.starts_with('@')) {
        const auto books = policy.get("addresses");
        const auto book = books->get(text.substr(1));
        for (const auto entry : *book)
            if (lower(std::string(entry.text())) == value.text)
                return true;
        return false;
    }
    return (value.kind == Kind::Address ? lower(text) : text) == value.text;
}

inline bool number_like(const std::string& text) {
    const std::string digits = text.starts_with('-') ? text.substr(1) : text;
    return !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos &&
           (digits == "0" ? digits == text : digits[0] != '0');
}

// message.…: what the operand can be compared with.
inline bool fits(const Node& value, std::string_view name, const json::Value& operand) {
    const bool number = value.kind == Kind::Uint || value.kind == Kind::Int;
    if (name == "at_least" || name == "at_most")
        return number;
    if (name == "starts_with")
        return value.kind == Kind::Text;
    if (operand.is_bool())
        return value.kind == Kind::Bool;
    if (operand.is_array())
        return fits(value, "is", *operand.begin());
    const std::string text(operand.text());
    if (operand.is_number() || number_like(text))
        return number;
    if (text.starts_with('@') || (text.starts_with("0x") && text.size() == 42))
        return value.kind == Kind::Address;
    return value.kind == (text.starts_with("0x") ? Kind::Bytes : Kind::Text);
}

inline Value holds(const Node& value, const json::Value& test, const json::Value& policy, bool by_operand) {
    if (value.kind == Kind::List || value.kind == Kind::Tuple)
        return Value::Unreadable;
    bool all = true;
    for (const auto operand : test) {
        const std::string_view name = operand.name();
        if (by_operand && !fits(value, name, operand))
            return Value::Unreadable;
        bool among = false;
        if (operand.is_array())
            for (const auto entry : operand)
                among = among || equal(value, entry, policy);
        if (name == "is")
            all = all && equal(value, operand, policy);
        else if (name == "in")
            all = all && among;
        else if (name == "not_in")
            all = all && !among;
        else if (name == "at_least")
            all = all && compare(value.text, std::string(operand.text())) >= 0;
        else if (name == "at_most")
            all = all && compare(value.text, std::string(operand.text())) <= 0;
        else if (name == "starts_with")
            all = all && value.text.starts_with(operand.text());
        else
            ADD_FAILURE() << name;
    }
    return all ? Value::True : Value::False;
}

inline Value walk(const Node& value, std::string path, const json::Value& test, const json::Value& policy,
                  bool by_operand) {
    if (path.empty())
        return holds(value, test, policy, by_operand);
    const bool bracket = path[0] == '[';
    if (!bracket && path[0] == '.')
        path.erase(0, 1);
    const std::size_t end = bracket ? path.find(']') + 1 : std::min(path.find_first_of(".["), path.size());
    const std::string step = path.substr(0, end), rest = path.substr(end);
    if (bracket) {
        if (value.kind != Kind::List)
            return Value::False;
        const bool all = step == "[all]";
        if (all || step == "[any]") {
            std::size_t yes = 0, no = 0;
            for (const Node& child : value.children) {
                const Value is = walk(child, rest, test, policy, by_operand);
                yes += is == Value::True;
                no += is == Value::False;
            }
            const std::size_t count = value.children.size();
            if (all)
                return no > 0 ? Value::False : yes == count ? Value::True : Value::Unreadable;
            return yes > 0 ? Value::True : no == count ? Value::False : Value::Unreadable;
        }
        const long wanted = std::stol(step.substr(1)), size = static_cast<long>(value.children.size());
        const long index = wanted < 0 ? size + wanted : wanted;
        if (index < 0 || index >= size)
            return Value::False;
        return walk(value.children[static_cast<std::size_t>(index)], rest, test, policy, by_operand);
    }
    if (value.kind == Kind::Tuple) {
        for (std::size_t i = 0; i < value.names.size(); ++i)
            if (value.names[i] == step)
                return walk(value.children[i], rest, test, policy, by_operand);
        return Value::False;
    }
    if (step != "length" || !rest.empty())
        return Value::False;
    if (value.kind == Kind::List)
        return holds({Kind::Uint, std::to_string(value.children.size()), {}, {}}, test, policy, by_operand);
    if (value.kind == Kind::Text || value.kind == Kind::Bytes)
        return holds(
            {Kind::Uint,
             std::to_string(value.kind == Kind::Text ? value.text.size() : value.text.size() / 2 - 1),
             {},
             {}},
            test, policy, by_operand);
    return Value::False;
}

inline Value condition_value(const json::Value& condition, const Request& request,
                             const json::Value& policy) {
    const std::string field(condition.name());
    if (field == "time") {
        const auto from = condition.get("from"), before = condition.get("before");
        const auto now = static_cast<std::uint64_t>(request.now);
        return (!from || now >= *from->u64()) && (!before || now < *before->u64()) ? Value::True
                                                                                   : Value::False;
    }
    if (field.starts_with("call."))
        return request.not_strict ? Value::Unreadable
                                  : walk(*request.arguments, field.substr(4), condition, policy, false);
    if (field.starts_with("message.")) {
        const auto message = request.fields.find("message");
        return message == request.fields.end()
                   ? Value::False
                   : walk(*message->second, field.substr(7), condition, policy, true);
    }
    const auto found = request.fields.find(field);
    if (found == request.fields.end() || !found->second)
        return Value::False;
    return holds(*found->second, condition, policy, false);
}

inline bool applies(const json::Value& rule, const Request& request, const json::Value& policy) {
    bool asked = false, meant = false;
    const auto operations = rule.get("operations"), principals = rule.get("principals"),
               known = policy.get("principals");
    for (const auto name : *operations)
        asked = asked || name.text() == "any" || name.text() == request.operation;
    for (const auto entry : *principals) {
        const std::string name(entry.text());
        const bool by_key = request.asker.starts_with("key:");
        if (name == "anyone")
            meant = true;
        else if (name == "host")
            meant = meant || request.asker.starts_with("host:");
        else if (name.starts_with("host:"))
            meant = meant || request.asker == name;
        else if (by_key)
            for (const auto principal : *known)
                meant = meant || (principal.get("id")->text() == name &&
                                  principal.get("public_key")->text() == request.asker.substr(4));
    }
    if (!asked || !meant)
        return false;
    const bool allow = rule.get("effect")->text() == "allow";
    std::vector<Value> values;
    if (rule.get("function")) {
        if (!request.arguments || request.other_function)
            return false;
        values.push_back(request.not_strict ? Value::Unreadable : Value::True);
    }
    if (const auto conditions = rule.get("conditions"))
        for (const auto condition : *conditions)
            values.push_back(condition_value(condition, request, policy));
    return std::all_of(values.begin(), values.end(), [&](Value value) {
        return value == Value::True || (!allow && value == Value::Unreadable);
    });
}

struct Answer {
    std::string denied_by;
    std::vector<std::string> candidates;
    bool operator==(const Answer&) const = default;
};

inline Answer naive(const json::Value& policy, const Request& request) {
    Answer out;
    const auto rules = policy.get("rules");
    for (const auto rule : *rules)
        if (rule.get("effect")->text() == "deny" && applies(rule, request, policy)) {
            out.denied_by = rule.get("name")->text();
            return out;
        }
    for (const auto rule : *rules)
        if (rule.get("effect")->text() == "allow" && applies(rule, request, policy))
            out.candidates.emplace_back(rule.get("name")->text());
    return out;
}

} // namespace redoubt::policy::test
