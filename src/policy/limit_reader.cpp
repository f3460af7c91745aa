// SPDX-License-Identifier: Apache-2.0
#include "policy/rule_reader.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

constexpr std::uint64_t kMaxCount = 9'007'199'254'740'991; // 2^53 - 1

class LimitReader {
  public:
    LimitReader(const RuleOfLimits* of, Context& context, std::string place)
        : of_(of), context_(context), place_(std::move(place)) {}

    Result<Limit> read(const json::Value& value) {
        if (of_ != nullptr) {
            REDOUBT_CHECK(only_members(
                value, {"name", "window_seconds", "count", "amount", "amount_of", "per"}, place_));
        } else {
            REDOUBT_CHECK(only_members(
                value,
                {"name", "window_seconds", "count", "amount", "amount_of", "per", "function", "contract"},
                place_));
        }
        REDOUBT_TRY(limit_.name, read_id(value, "name", place_));
        limit_.rule = of_ == nullptr ? std::string() : of_->rule.name;
        const auto window = value.get("window_seconds");
        if (!window)
            return refuse("policy: a limit needs window_seconds", place_);
        REDOUBT_TRY(const std::uint64_t seconds,
                    read_count(*window, kMaxWindow,
                               "policy: window_seconds is an integer from 1 to 31622400 (366 days)",
                               at("window_seconds")));
        limit_.window_seconds = static_cast<std::uint32_t>(seconds);
        REDOUBT_CHECK(read_per(value.get("per")));
        const auto count = value.get("count"), amount = value.get("amount"),
                   amount_of = value.get("amount_of");
        if (count.has_value() == amount.has_value() || amount.has_value() != amount_of.has_value())
            return refuse("policy: a limit has either count, or amount and amount_of", place_);
        if (count) {
            if (value.get("function") || value.get("contract"))
                return refuse("policy: function and contract belong to limits of an amount", place_);
            REDOUBT_TRY(
                limit_.most_count,
                read_count(*count, kMaxCount, "policy: count is an integer from 1 to 2^53 - 1", at("count")));
            return std::move(limit_);
        }
        limit_.most_amount = amount->is_string() ? ethereum::from_decimal(amount->text()) : std::nullopt;
        if (!limit_.most_amount || limit_.most_amount->is_zero())
            return refuse("policy: amount is a decimal string, from \"1\" to 2^256 - 1", at("amount"));
        REDOUBT_CHECK(read_source(value, *amount_of));
        return std::move(limit_);
    }

  private:
    std::string at(std::string_view member) const { return member_place(place_, member); }

    Status read_per(const std::optional<json::Value>& value) {
        const bool in_rule = of_ != nullptr;
        limit_.per = in_rule ? Limit::Per::Rule : Limit::Per::Key;
        if (!value)
            return {};
        const std::string_view text = value->is_string() ? value->text() : std::string_view();
        if (text == "principal")
            limit_.per = Limit::Per::Principal;
        else if (text != (in_rule ? "rule" : "key"))
            return refuse("policy: per is \"principal\" or, as without it, \"rule\" in a rule's limits and "
                          "\"key\" in the document's",
                          at("per"));
        return {};
    }

    Status read_source(const json::Value& value, const json::Value& amount_of) {
        auto source = std::make_shared<Limit::Source>();
        const auto function = value.get("function"), contract = value.get("contract");
        NamedFunction named = of_ == nullptr ? NamedFunction{} : of_->function;
        ethereum::abi::Function parsed;
        if (function.has_value() != contract.has_value())
            return refuse("policy: function and contract stand together: the limit counts the calls of that "
                          "function to that contract",
                          place_);
        if (function) {
            auto read =
                ethereum::abi::parse_function(function->is_string() ? function->text() : std::string_view());
            if (!read)
                return refuse("policy: function is a signature of Solidity, \"transfer(address to, uint256 "
                              "amount)\"",
                              at("function"));
            parsed = std::move(*read);
            named = {&parsed, context_.functions.add(parsed)};
            source->function = named.index;
            REDOUBT_TRY(source->contract, read_address(*contract, at("contract")));
        }
        source->name = amount_of.is_string() ? amount_of.text() : std::string_view();
        REDOUBT_TRY(source->field, parse_field(source->name, named, at("amount_of")));
        REDOUBT_CHECK(check_amount(source->field, function.has_value()));
        limit_.amount_of = std::move(source);
        return {};
    }

    Status check_amount(const Field& field, bool of_function) const {
        const bool call = field.id == FieldId::Call;
        if (!call && field.id != FieldId::Value && field.id != FieldId::Cost && field.id != FieldId::Message)
            return refuse(
                "policy: amount_of is transaction.value, transaction.cost, or an unsigned integer of "
                "call.… or message.…",
                at("amount_of"));
        if ((call && field.type != ValueType::Uint) || field.has_quantifier())
            return refuse("policy: amount_of is one unsigned integer: no other type, no [all] or [any]",
                          at("amount_of"));
        if (of_function && !call)
            return refuse("policy: a limit with a function counts one of its arguments: amount_of is call.…",
                          at("amount_of"));
        if (of_ != nullptr && (operations_of(field.id) & of_->rule.operations) == 0)
            return refuse("policy: none of the rule's operations has this field: name another one",
                          at("amount_of"));
        return {};
    }

    const RuleOfLimits* of_;
    Context& context_;
    std::string place_;
    Limit limit_;
};

} // namespace

Result<std::vector<Limit>> read_limits(const json::Value& list, const RuleOfLimits* of, Context& context,
                                       const std::string& place) {
    REDOUBT_CHECK(check_list(list, kMaxCounters, "policy: limits are a list of 1 to 32, or left out", place));
    std::vector<Limit> out;
    for (const auto entry : list) {
        const std::string here = entry_place(place, out.size());
        REDOUBT_TRY(Limit limit, LimitReader(of, context, here).read(entry));
        if (std::any_of(out.begin(), out.end(), [&](const Limit& other) { return other.name == limit.name; }))
            return refuse("policy: another limit beside it has this name: names are distinct",
                          member_place(here, "name"));
        out.push_back(std::move(limit));
    }
    return out;
}

} // namespace redoubt::policy
