// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_reader.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

constexpr std::uint32_t kAllOperations = (1u << kOperations) - 1;

std::optional<std::uint32_t> parse_operation(std::string_view name) noexcept {
    for (std::size_t i = 0; i < kOperations; ++i)
        if (name == operation_name(static_cast<Operation>(i)))
            return std::uint32_t{1} << i;
    return std::nullopt;
}

class RuleReader {
  public:
    RuleReader(Context& context, std::string place) : context_(context), place_(std::move(place)) {}

    Result<Rule> read(const json::Value& value) {
        REDOUBT_CHECK(only_members(
            value, {"name", "effect", "principals", "operations", "conditions", "function", "limits"},
            place_));
        REDOUBT_TRY(rule_.name, read_id(value, "name", place_));
        const auto effect = value.get("effect");
        const std::string_view text = effect && effect->is_string() ? effect->text() : std::string_view();
        if (text != "allow" && text != "deny")
            return refuse("policy: a rule's effect is \"allow\" or \"deny\"", at("effect"));
        rule_.allow = text == "allow";
        const auto principals = value.get("principals"), operations = value.get("operations");
        if (!principals || !operations)
            return refuse("policy: a rule needs principals and operations, unless it is the one rule "
                          "{\"effect\":\"allow\",\"name\":\"open\"}",
                          place_);
        REDOUBT_CHECK(read_principals(*principals));
        REDOUBT_CHECK(read_operations(*operations));
        if (const auto function = value.get("function")) {
            REDOUBT_CHECK(read_function(*function));
        }
        if (const auto conditions = value.get("conditions")) {
            REDOUBT_CHECK(read_conditions(*conditions));
        }
        if (const auto limits = value.get("limits")) {
            if (!rule_.allow)
                return refuse("policy: only allow rules have limits", at("limits"));
            // What is no signature is done once by its challenge, and not counted.
            constexpr std::uint32_t kSignatures =
                (1u << (static_cast<unsigned>(Operation::SignData) + 1)) - 1;
            if ((rule_.operations & ~kSignatures) != 0)
                return refuse(
                    "policy: a rule with limits allows signatures alone: leave its other operations "
                    "to a rule without",
                    at("limits"));
            const RuleOfLimits of{rule_, named_};
            REDOUBT_TRY(rule_.limits, read_limits(*limits, &of, context_, at("limits")));
        }
        return std::move(rule_);
    }

  private:
    std::string at(std::string_view member) const { return member_place(place_, member); }

    Status read_principals(const json::Value& list) {
        const std::string place = at("principals");
        REDOUBT_CHECK(check_list(list, kMaxPrincipals + 1,
                                 "policy: a rule's principals are a list of 1 to 65: ids of principals, "
                                 "\"host\", \"host:NAME\" or \"anyone\"",
                                 place));
        std::vector<std::string_view> names;
        for (const auto entry : list) {
            const std::string here = entry_place(place, names.size());
            const std::string_view name = entry.is_string() ? entry.text() : std::string_view();
            if (std::find(names.begin(), names.end(), name) != names.end())
                return refuse("policy: the rule names a principal twice: once is enough", here);
            names.push_back(name);
            const auto known = std::find_if(context_.principals.begin(), context_.principals.end(),
                                            [&](const Principal& principal) { return principal.id == name; });
            if (name == "anyone")
                rule_.anyone = true;
            else if (name == "host")
                rule_.any_host = true;
            else if (name.starts_with("host:") && valid_id(name.substr(5)))
                rule_.hosts.emplace_back(name.substr(5));
            else if (known != context_.principals.end())
                rule_.principals |= std::uint64_t{1} << (known - context_.principals.begin());
            else
                return refuse("policy: a rule's principal is an id of the document's principals, \"host\", "
                              "\"host:NAME\" or \"anyone\"",
                              here);
        }
        return {};
    }

    Status read_operations(const json::Value& list) {
        const std::string place = at("operations");
        REDOUBT_CHECK(check_list(list, kOperations,
                                 "policy: a rule's operations are a list of 1 to 14 names, or [\"any\"]",
                                 place));
        const auto is_any = [](const json::Value& value) {
            return value.is_string() && value.text() == "any";
        };
        if (list.size() == 1 && is_any(*list.begin())) {
            rule_.operations = kAllOperations;
            return {};
        }
        std::size_t i = 0;
        for (const auto entry : list) {
            const std::string here = entry_place(place, i++);
            const auto bit = entry.is_string() ? parse_operation(entry.text()) : std::nullopt;
            if (!bit)
                return refuse("policy: there is no such operation: docs/policy.md lists them; \"any\" stands "
                              "alone",
                              here);
            if ((rule_.operations & *bit) != 0)
                return refuse("policy: the rule names an operation twice: once is enough", here);
            rule_.operations |= *bit;
        }
        return {};
    }

    // Becomes the first condition: the calldata is that function's.
    Status read_function(const json::Value& value) {
        const std::string place = at("function");
        if (rule_.operations != operation_bit(Operation::SignTransaction))
            return refuse("policy: the operations of a rule with a function are [\"sign-transaction\"]",
                          place);
        auto function = ethereum::abi::parse_function(value.is_string() ? value.text() : std::string_view());
        if (!function)
            return refuse("policy: function is a signature of Solidity, \"transfer(address to, uint256 "
                          "amount)\"",
                          place);
        function_ = std::move(*function);
        named_ = {&function_, context_.functions.add(function_)};
        auto condition = std::make_shared<Condition>();
        condition->name = "function";
        condition->field = {FieldId::Function, ValueType::Bool, 0, named_.index, {}};
        condition->test.type = ValueType::Bool;
        condition->test.boolean = true;
        rule_.conditions.push_back(std::move(condition));
        return {};
    }

    Status read_conditions(const json::Value& object) {
        const std::string place = at("conditions");
        if (!object.is_object() || object.size() == 0 || object.size() > kMaxConditions)
            return refuse("policy: a rule's conditions are an object of 1 to 32 fields, or left out", place);
        for (const auto member : object) {
            const std::string here = member_place(place, member.name());
            REDOUBT_TRY(Field field, parse_field(member.name(), named_, here));
            if ((operations_of(field.id) & rule_.operations) == 0)
                return refuse("policy: none of the rule's operations has this field: take the condition out, "
                              "or name the operation",
                              here);
            REDOUBT_TRY(Test test, parse_test(member, field, context_.books, here));
            rule_.conditions.push_back(std::make_shared<const Condition>(
                Condition{std::string(member.name()), std::move(field), std::move(test)}));
        }
        return {};
    }

    Context& context_;
    std::string place_;
    Rule rule_;
    ethereum::abi::Function function_;
    NamedFunction named_;
};

} // namespace

Result<std::vector<Rule>> read_rules(const json::Value& list, Context& context) {
    REDOUBT_CHECK(check_list(list, kMaxRules, "policy: rules must be a list of 1 to 256 rules", "rules"));
    std::vector<Rule> out;
    for (const auto entry : list) {
        const std::string place = entry_place("rules", out.size());
        REDOUBT_TRY(Rule rule, RuleReader(context, place).read(entry));
        if (std::any_of(out.begin(), out.end(), [&](const Rule& other) { return other.name == rule.name; }))
            return refuse("policy: another rule has this name: names are distinct",
                          member_place(place, "name"));
        out.push_back(std::move(rule));
    }
    return out;
}

} // namespace redoubt::policy
