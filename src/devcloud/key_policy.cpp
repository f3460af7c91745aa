// SPDX-License-Identifier: Apache-2.0
#include "devcloud/key_policy.h"

#include "devcloud/pattern.h"

#include <algorithm>
#include <set>

namespace redoubt::devcloud {

namespace {

bool is_account(std::string_view text) {
    return text.size() == 12 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The account of "arn:PARTITION:SERVICE::ACCOUNT:rest", and the rest.
struct PrincipalArn {
    std::string_view service, account, name;
};
std::optional<PrincipalArn> split_principal_arn(std::string_view arn) {
    std::string_view parts[5];
    for (auto& part : parts) {
        const auto colon = arn.find(':');
        if (colon == std::string_view::npos)
            return std::nullopt;
        part = arn.substr(0, colon);
        arn.remove_prefix(colon + 1);
    }
    if (parts[0] != "arn" || !parts[1].starts_with("aws") || !parts[3].empty() || !is_account(parts[4]))
        return std::nullopt;
    return PrincipalArn{parts[2], parts[4], arn};
}

bool valid_principal(std::string_view text) {
    if (text == "*" || is_account(text))
        return true;
    // IAM allows no wildcard inside a principal's ARN.
    if (text.find_first_of("*?") != std::string_view::npos)
        return false;
    const auto arn = split_principal_arn(text);
    if (!arn)
        return false;
    const auto named = [&](std::string_view prefix) {
        return arn->name.starts_with(prefix) && arn->name.size() > prefix.size();
    };
    if (arn->service == "iam")
        return arn->name == "root" || named("role/") || named("user/");
    return arn->service == "sts" && (named("assumed-role/") || named("federated-user/"));
}

Reply<void> check_members(const json::Value& object, std::initializer_list<std::string_view> allowed,
                          std::string_view where) {
    for (const auto member : object)
        if (std::find(allowed.begin(), allowed.end(), member.name()) == allowed.end())
            return malformed_policy(std::string(where) + " has an element that devcloud does not evaluate: " +
                                    std::string(member.name()));
    return {};
}

Reply<std::vector<std::string>> read_principals(const json::Value& value) {
    if (value.is_string()) {
        if (value.text() != "*")
            return malformed_policy("Principal must be \"*\" or an object.");
        return std::vector<std::string>{"*"};
    }
    if (!value.is_object() || value.size() == 0)
        return malformed_policy("Principal must be \"*\" or an object.");
    std::vector<std::string> principals;
    for (const auto member : value) {
        REDOUBT_TRY(auto named, policy_strings(member, "Principal"));
        if (member.name() == "AWS") {
            for (auto& text : named) {
                if (!valid_principal(text))
                    return malformed_policy(
                        "Policy contains a statement with one or more invalid principals: " + text);
                principals.push_back(std::move(text));
            }
        } else if (member.name() != "Service" && member.name() != "Federated") {
            return malformed_policy("Unknown kind of principal: " + std::string(member.name()));
        }
    }
    return principals;
}

} // namespace

Reply<KeyPolicy::Statement> KeyPolicy::parse_statement(const json::Value& value, std::size_t number) {
    if (!value.is_object())
        return malformed_policy("A statement must be an object.");
    REDOUBT_CHECK(
        check_members(value, {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "Condition"},
                      "A statement"));
    Statement statement;
    statement.label = "#" + std::to_string(number);
    if (const auto sid = value.get("Sid")) {
        if (!sid->is_string())
            return malformed_policy("Sid must be a string.");
        if (!sid->text().empty())
            statement.label = sid->text();
    }

    const auto effect = value.get("Effect");
    if (!effect || (effect->text() != "Allow" && effect->text() != "Deny"))
        return malformed_policy("Effect must be Allow or Deny.");
    statement.allow = effect->text() == "Allow";

    const auto principal = value.get("Principal");
    if (!principal)
        return malformed_policy("A key policy's statement must have a Principal.");
    REDOUBT_TRY(statement.principals, read_principals(*principal));

    const auto action = value.get("Action"), not_action = value.get("NotAction");
    if (action.has_value() == not_action.has_value())
        return malformed_policy("A statement must have either Action or NotAction.");
    statement.not_actions = not_action.has_value();
    REDOUBT_TRY(statement.actions, policy_strings(action ? *action : *not_action, "Action"));
    for (const auto& text : statement.actions) {
        const auto colon = text.find(':');
        if (text != "*" && (colon == std::string::npos || colon == 0 || colon + 1 == text.size()))
            return malformed_policy("Invalid action: " + text);
    }

    const auto resource = value.get("Resource");
    if (!resource)
        return malformed_policy("A statement must have a Resource; \"*\" is the key itself.");
    REDOUBT_TRY(statement.resources, policy_strings(*resource, "Resource"));
    for (const auto& text : statement.resources)
        if (text != "*" && !text.starts_with("arn:"))
            return malformed_policy("Invalid resource: " + text);

    if (const auto conditions = value.get("Condition")) {
        REDOUBT_TRY(statement.conditions, parse_conditions(*conditions));
    }
    return statement;
}

Reply<KeyPolicy> KeyPolicy::parse(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text);
    if (!root || !root->is_object())
        return malformed_policy("The policy is not a JSON object, or a name stands in it twice.");
    REDOUBT_CHECK(check_members(*root, {"Version", "Id", "Statement"}, "The policy"));
    if (const auto version = root->get("Version");
        version && version->text() != "2012-10-17" && version->text() != "2008-10-17")
        return malformed_policy("Version must be 2012-10-17 or 2008-10-17.");
    if (const auto id = root->get("Id"); id && !id->is_string())
        return malformed_policy("Id must be a string.");
    const auto statements = root->get("Statement");
    if (!statements || (!statements->is_object() && (!statements->is_array() || statements->size() == 0)))
        return malformed_policy("The policy must have a Statement.");

    KeyPolicy policy;
    if (statements->is_object()) {
        REDOUBT_TRY(auto statement, parse_statement(*statements, 1));
        policy.statements_.push_back(std::move(statement));
    } else {
        for (const auto element : *statements) {
            REDOUBT_TRY(auto statement, parse_statement(element, policy.statements_.size() + 1));
            policy.statements_.push_back(std::move(statement));
        }
    }
    std::set<std::string_view> labels;
    for (const auto& statement : policy.statements_)
        if (!labels.insert(statement.label).second)
            return malformed_policy("Two statements have the Sid " + statement.label);
    return policy;
}

KeyPolicy::Match KeyPolicy::match_principal(const Statement& statement, const Principal& principal) {
    auto best = Match::None;
    for (const std::string_view wanted : statement.principals) {
        if (wanted == "*" || wanted == principal.arn ||
            (!principal.role_arn.empty() && wanted == principal.role_arn))
            return Match::Named;
        const auto arn = split_principal_arn(wanted);
        if (wanted == principal.account ||
            (arn && arn->service == "iam" && arn->name == "root" && arn->account == principal.account))
            best = Match::Account;
    }
    return best;
}

Decision KeyPolicy::decide(const PolicyQuestion& question) const {
    std::string allowed_by;
    std::string missed;
    const auto miss = [&](const std::string& text) { missed += (missed.empty() ? "" : "; ") + text; };

    for (const auto& statement : statements_) {
        const auto principal = match_principal(statement, question.principal);
        const bool action =
            std::any_of(statement.actions.begin(), statement.actions.end(), [&](const auto& pattern) {
                return matches_pattern_ignoring_case(pattern, question.action);
            }) != statement.not_actions;
        const bool resource =
            std::any_of(statement.resources.begin(), statement.resources.end(),
                        [&](const auto& pattern) { return matches_pattern(pattern, question.resource); });
        if (principal == Match::None || !action || !resource)
            continue;

        std::string unmet, met;
        for (const auto& condition : statement.conditions) {
            auto& list = condition_holds(condition, question.values) ? met : unmet;
            list += (list.empty() ? "" : ", and ") + explain_condition(condition, question.values);
        }
        if (!statement.allow) {
            if (unmet.empty())
                return {Decision::Verdict::DeniedExplicitly,
                        "statement " + statement.label + " denies" + (met.empty() ? "" : ": " + met)};
            continue;
        }
        if (!unmet.empty())
            miss("statement " + statement.label + " would allow, but " + unmet);
        else if (principal == Match::Account && !iam_allows(question.principal, question.action))
            miss("statement " + statement.label + " leaves it to IAM, which does not allow " +
                 question.principal.arn + " this action");
        else if (allowed_by.empty())
            allowed_by = statement.label;
    }
    if (!allowed_by.empty())
        return {Decision::Verdict::Allowed, "statement " + allowed_by + " allows"};
    if (missed.empty())
        missed = "no Allow statement of the key policy names this principal and action";
    return {Decision::Verdict::NotAllowed, std::move(missed)};
}

std::string default_key_policy(const std::string& account) {
    return R"({
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::)" +
           account + R"(:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
})";
}

} // namespace redoubt::devcloud
