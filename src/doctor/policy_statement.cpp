// SPDX-License-Identifier: Apache-2.0
#include "doctor/policy_statement.h"

#include <algorithm>

namespace redoubt::doctor {

namespace {

// AWS KMS Developer Guide, "Resource quotas": a key policy has at most 32 KiB.
constexpr json::Limits kPolicyLimits{.bytes = 64 * 1024, .depth = 16, .values = 8192};

std::unexpected<Error> no_policy() {
    return fail(Code::BadJson, "the key policy is not a policy document");
}

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// A string, or an array of strings.
Result<std::vector<std::string>> strings(const json::Value& value) {
    std::vector<std::string> out;
    if (value.is_string()) {
        out.emplace_back(value.text());
        return out;
    }
    if (!value.is_array())
        return no_policy();
    for (const auto element : value) {
        if (!element.is_string() && !element.is_bool() && !element.is_number())
            return no_policy();
        out.emplace_back(element.is_bool() ? element.raw() : element.text());
    }
    return out;
}

Status read_conditions(const json::Value& block, std::vector<PolicyCondition>& out) {
    if (!block.is_object())
        return no_policy();
    for (const auto op : block) {
        if (!op.is_object())
            return no_policy();
        for (const auto key : op) {
            PolicyCondition condition;
            condition.op = lower_case(op.name());
            condition.key = lower_case(key.name());
            if (key.is_bool() || key.is_number()) {
                condition.values.emplace_back(key.raw());
            } else {
                REDOUBT_TRY(condition.values, strings(key));
            }
            out.push_back(std::move(condition));
        }
    }
    return {};
}

Result<PolicyStatement> read_statement(const json::Value& value, std::size_t number) {
    if (!value.is_object())
        return no_policy();
    PolicyStatement out;
    out.name = "number " + std::to_string(number);
    if (const auto sid = value.get("Sid"); sid && sid->is_string() && !sid->text().empty())
        out.name = std::string(sid->text());
    const auto effect = value.get("Effect");
    if (!effect || (effect->text() != "Allow" && effect->text() != "Deny"))
        return no_policy();
    out.allow = effect->text() == "Allow";
    if (const auto action = value.get("Action")) {
        REDOUBT_TRY(out.actions, strings(*action));
    }
    if (const auto action = value.get("NotAction")) {
        REDOUBT_TRY(out.not_actions, strings(*action));
    }
    if (const auto principal = value.get("Principal")) {
        if (principal->is_string()) {
            out.principals.emplace_back(principal->text());
        } else if (principal->is_object()) {
            for (const auto kind : *principal) {
                REDOUBT_TRY(auto named, strings(kind));
                auto& into = kind.name() == "AWS" ? out.principals : out.others;
                into.insert(into.end(), named.begin(), named.end());
            }
        }
    }
    if (const auto resource = value.get("Resource")) {
        REDOUBT_TRY(out.resources, strings(*resource));
    }
    out.not_principals = value.get("NotPrincipal").has_value();
    out.not_resources = value.get("NotResource").has_value();
    if (const auto condition = value.get("Condition"))
        REDOUBT_CHECK(read_conditions(*condition, out.conditions));
    return out;
}

// The account and the name behind an identity: "arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION".
struct Identity {
    std::string_view account, kind, name;
};
Identity identity_of(std::string_view arn) noexcept {
    Identity out;
    for (int part = 0; part < 4; ++part) {
        const auto colon = arn.find(':');
        if (colon == arn.npos)
            return {};
        arn.remove_prefix(colon + 1);
    }
    const auto colon = arn.find(':');
    if (colon == arn.npos)
        return {};
    out.account = arn.substr(0, colon);
    arn.remove_prefix(colon + 1);
    const auto slash = arn.find('/');
    out.kind = arn.substr(0, slash);
    if (slash == arn.npos)
        return out;
    auto rest = arn.substr(slash + 1);
    if (out.kind == "assumed-role") {
        out.kind = "role";
        rest = rest.substr(0, rest.find('/')); // without the session; STS leaves the path out
    } else if (const auto path = rest.rfind('/'); path != rest.npos) {
        rest.remove_prefix(path + 1);
    }
    out.name = rest;
    return out;
}

} // namespace

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
    // The classic two-pointer walk: linear but for the last star.
    std::size_t p = 0, t = 0, star = pattern.npos, mark = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || lower(pattern[p]) == lower(text[t]))) {
            ++p;
            ++t;
        } else if (star != pattern.npos) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*')
        ++p;
    return p == pattern.size();
}

bool PolicyStatement::covers(std::string_view action) const {
    const auto matched = [&](const std::string& pattern) { return matches_pattern(pattern, action); };
    if (!not_actions.empty())
        return std::ranges::none_of(not_actions, matched);
    return std::ranges::any_of(actions, matched);
}

bool PolicyStatement::for_everybody() const {
    return std::ranges::find(principals, "*") != principals.end();
}

bool PolicyStatement::for_caller(std::string_view caller) const {
    if (for_everybody())
        return true;
    const auto who = identity_of(caller);
    return std::ranges::any_of(principals, [&](const std::string& principal) {
        if (principal == caller || principal == who.account)
            return true;
        const auto named = identity_of(principal);
        if (named.account.empty() || named.account != who.account)
            return false;
        // The account's root stands for all its identities, as far as IAM lets them.
        return named.kind == "root" || (named.kind == who.kind && named.name == who.name);
    });
}

Result<std::vector<PolicyStatement>> read_policy(std::string_view policy) {
    json::Document document;
    const auto root = document.parse(policy, kPolicyLimits);
    const auto list = root ? root->get("Statement") : std::nullopt;
    if (!list)
        return no_policy();
    std::vector<PolicyStatement> out;
    if (list->is_object()) {
        REDOUBT_TRY(auto statement, read_statement(*list, 1));
        out.push_back(std::move(statement));
        return out;
    }
    if (!list->is_array())
        return no_policy();
    for (const auto value : *list) {
        REDOUBT_TRY(auto statement, read_statement(value, out.size() + 1));
        out.push_back(std::move(statement));
    }
    return out;
}

bool PolicyCondition::about_attestation() const {
    return key.starts_with("kms:recipientattestation:");
}

bool PolicyCondition::needs_key() const {
    std::string_view name = op;
    if (name.starts_with("foranyvalue:"))
        name.remove_prefix(12);
    return name == "stringequals" || name == "stringequalsignorecase" || name == "stringlike";
}

} // namespace redoubt::doctor
