// SPDX-License-Identifier: Apache-2.0
#include "devcloud/policy.h"

#include "devcloud/pattern.h"
#include "devcloud/policy_variables.h"

#include <algorithm>
#include <set>

namespace redoubt::devcloud {

namespace {

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
    if (parts[0] != "arn" || !parts[1].starts_with("aws") || !parts[3].empty() || !is_account_id(parts[4]))
        return std::nullopt;
    return PrincipalArn{parts[2], parts[4], arn};
}

bool valid_aws_principal(std::string_view text) {
    if (is_account_id(text))
        return true;
    // IAM allows no wildcard inside a principal's ARN.
    if (text.find_first_of("*?$") != std::string_view::npos)
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

// One of NAME and NotNAME, or neither.
struct Element {
    std::optional<json::Value> value;
    bool negated;
};
Reply<Element> one_of(const json::Value& statement, std::string_view name) {
    const auto positive = statement.get(name);
    const auto negative = statement.get("Not" + std::string(name));
    if (positive && negative)
        return malformed_policy("A statement has both " + std::string(name) + " and Not" + std::string(name));
    return Element{positive ? positive : negative, negative.has_value()};
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view text,
                 bool (*match)(std::string_view, std::string_view) noexcept) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const auto& pattern) { return match(pattern, text); });
}

} // namespace

Reply<std::vector<Policy::PrincipalName>> Policy::parse_principals(const json::Value& value) {
    using Type = PrincipalName::Type;
    if (value.is_string()) {
        if (value.text() != "*")
            return malformed_policy("Principal must be \"*\" or an object.");
        return std::vector<PrincipalName>{{Type::Everybody, "*"}};
    }
    if (!value.is_object() || value.size() == 0)
        return malformed_policy("Principal must be \"*\" or an object.");
    std::vector<PrincipalName> principals;
    for (const auto member : value) {
        Type type;
        if (member.name() == "AWS")
            type = Type::Aws;
        else if (member.name() == "Service")
            type = Type::Service;
        else if (member.name() == "Federated")
            type = Type::Federated;
        else
            return malformed_policy("Unknown kind of principal: " + std::string(member.name()));
        REDOUBT_TRY(auto named, policy_strings(member, "Principal"));
        for (auto& text : named) {
            if (type == Type::Aws && text != "*" && !valid_aws_principal(text))
                return malformed_policy("Policy contains a statement with one or more invalid principals: " +
                                        text);
            principals.push_back({type, std::move(text)});
        }
    }
    return principals;
}

Reply<Policy::Statement> Policy::parse_statement(const json::Value& value, std::size_t number,
                                                 PolicyKind kind, bool variables) {
    if (!value.is_object())
        return malformed_policy("A statement must be an object.");
    REDOUBT_CHECK(check_members(value,
                                {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction",
                                 "Resource", "NotResource", "Condition"},
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
    if (!effect || !effect->is_string() || (effect->text() != "Allow" && effect->text() != "Deny"))
        return malformed_policy("Effect must be Allow or Deny.");
    statement.allow = effect->text() == "Allow";

    REDOUBT_TRY(const auto principal, one_of(value, "Principal"));
    if (principal.value.has_value() == (kind == PolicyKind::Identity))
        return malformed_policy(principal.value ? "An identity policy's statement has no Principal."
                                                : "A resource policy's statement must have a Principal.");
    if (principal.value) {
        statement.not_principals = principal.negated;
        if (principal.negated && statement.allow)
            return malformed_policy("NotPrincipal can be used with Deny only.");
        REDOUBT_TRY(statement.principals, parse_principals(*principal.value));
    }

    REDOUBT_TRY(const auto action, one_of(value, "Action"));
    if (!action.value)
        return malformed_policy("A statement must have Action or NotAction.");
    statement.not_actions = action.negated;
    REDOUBT_TRY(statement.actions, policy_strings(*action.value, "Action"));
    for (const auto& text : statement.actions) {
        const auto colon = text.find(':');
        if (text.find('$') != std::string::npos ||
            (text != "*" && (colon == std::string::npos || colon == 0 || colon + 1 == text.size())))
            return malformed_policy("Invalid action: " + text);
    }

    REDOUBT_TRY(const auto resource, one_of(value, "Resource"));
    if (resource.value.has_value() == (kind == PolicyKind::Trust))
        return malformed_policy(resource.value ? "A trust policy's statement has no Resource."
                                               : "A statement must have a Resource.");
    if (resource.value) {
        statement.not_resources = resource.negated;
        REDOUBT_TRY(statement.resources, policy_strings(*resource.value, "Resource"));
        for (const auto& text : statement.resources) {
            if (text != "*" && !text.starts_with("arn:"))
                return malformed_policy("Invalid resource: " + text);
            if (variables)
                REDOUBT_CHECK(check_variables(text));
        }
    }

    if (const auto conditions = value.get("Condition")) {
        REDOUBT_TRY(statement.conditions, parse_conditions(*conditions, variables));
    }
    return statement;
}

Reply<Policy> Policy::parse(std::string_view text, PolicyKind kind) {
    json::Document document;
    const auto root = document.parse(text);
    if (!root || !root->is_object())
        return malformed_policy("The policy is not a JSON object, or a name stands in it twice.");
    REDOUBT_CHECK(check_members(*root, {"Version", "Id", "Statement"}, "The policy"));
    const auto version = root->get("Version");
    if (version &&
        (!version->is_string() || (version->text() != "2012-10-17" && version->text() != "2008-10-17")))
        return malformed_policy("Version must be 2012-10-17 or 2008-10-17.");
    if (const auto id = root->get("Id"); id && !id->is_string())
        return malformed_policy("Id must be a string.");
    const auto statements = root->get("Statement");
    if (!statements || (!statements->is_object() && (!statements->is_array() || statements->size() == 0)))
        return malformed_policy("The policy must have a Statement.");

    Policy policy;
    policy.kind_ = kind;
    // The older version, which is also the default, takes "${" literally.
    policy.variables_ = version && version->text() == "2012-10-17";
    const auto add = [&](const json::Value& value) -> Reply<void> {
        REDOUBT_TRY(auto statement,
                    parse_statement(value, policy.statements_.size() + 1, kind, policy.variables_));
        policy.statements_.push_back(std::move(statement));
        return {};
    };
    if (statements->is_object()) {
        REDOUBT_CHECK(add(*statements));
    } else {
        for (const auto element : *statements)
            REDOUBT_CHECK(add(element));
    }
    std::set<std::string_view> labels;
    for (const auto& statement : policy.statements_)
        if (!labels.insert(statement.label).second)
            return malformed_policy("Two statements have the Sid " + statement.label);
    return policy;
}

Policy::Match Policy::match_principal(const Statement& statement, const Principal& principal) {
    using Type = PrincipalName::Type;
    const bool federated = principal.kind == Principal::Kind::Federated;
    bool everybody = false, own = false, role = false, account = false;
    for (const auto& wanted : statement.principals) {
        if (wanted.type == Type::Everybody || (wanted.type == Type::Aws && wanted.text == "*" && !federated))
            everybody = true;
        else if (wanted.type == Type::Federated)
            own |= federated && wanted.text == principal.arn;
        else if (wanted.type == Type::Aws && !federated) {
            const auto arn = split_principal_arn(wanted.text);
            own |= principal.kind != Principal::Kind::Root && wanted.text == principal.arn;
            role |= !principal.role_arn.empty() && wanted.text == principal.role_arn;
            account |=
                wanted.text == principal.account ||
                (arn && arn->service == "iam" && arn->name == "root" && arn->account == principal.account);
        }
    }
    if (!statement.not_principals) {
        if (everybody || own || role)
            return Match::Named;
        return account ? Match::Account : Match::None;
    }
    // A session is its account, its role and itself: NotPrincipal spares it only where it names all three,
    // and a user or the root user likewise (IAM user guide, "NotPrincipal with Deny").
    bool spared = everybody;
    switch (principal.kind) {
    case Principal::Kind::Root:
        spared |= account;
        break;
    case Principal::Kind::User:
        spared |= account && own;
        break;
    case Principal::Kind::AssumedRole:
        spared |= account && role && own;
        break;
    case Principal::Kind::Federated:
        spared |= own;
        break;
    }
    return spared ? Match::None : Match::Named;
}

bool Policy::matches(const Statement& statement, const PolicyQuestion& question) const {
    if (any_matches(statement.actions, question.action, matches_pattern_ignoring_case) ==
        statement.not_actions)
        return false;
    if (kind_ == PolicyKind::Trust)
        return true;
    const bool resource =
        std::any_of(statement.resources.begin(), statement.resources.end(), [&](const std::string& text) {
            const auto pattern = variables_ ? expand_variables(text, question.values) : text;
            return pattern && matches_pattern(*pattern, question.resource);
        });
    return resource != statement.not_resources;
}

PolicyFinding Policy::find(const PolicyQuestion& question) const {
    PolicyFinding finding;
    for (const auto& statement : statements_) {
        const auto principal =
            kind_ == PolicyKind::Identity ? Match::Named : match_principal(statement, question.principal);
        if (principal == Match::None || !matches(statement, question))
            continue;
        std::string unmet, met;
        for (const auto& condition : statement.conditions) {
            auto& list = condition_holds(condition, question.values) ? met : unmet;
            list += (list.empty() ? "" : ", and ") + explain_condition(condition, question.values);
        }
        if (!unmet.empty()) {
            if (statement.allow)
                finding.missed += (finding.missed.empty() ? "" : "; ") + ("statement " + statement.label) +
                                  " would allow, but " + unmet;
        } else if (!statement.allow) {
            if (finding.denied.empty())
                finding.denied = "statement " + statement.label + " denies" + (met.empty() ? "" : ": " + met);
        } else {
            auto& slot = principal == Match::Account ? finding.account : finding.named;
            if (slot.empty())
                slot = "statement " + statement.label;
        }
    }
    return finding;
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
