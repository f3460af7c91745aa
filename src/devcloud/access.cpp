// SPDX-License-Identifier: Apache-2.0
#include "devcloud/access.h"

namespace redoubt::devcloud {

namespace {

using Verdict = Access::Verdict;

struct Side {
    bool allows = false;
    std::string denied, by, missed;
};

// Of the caller's own account: root may do everything there.
Reply<Side> identity_side(const PolicyQuestion& question) {
    Side side;
    if (question.principal.kind == Principal::Kind::Root) {
        side.allows = true;
        side.by = "the root user may do everything that its account may";
        return side;
    }
    for (const auto& named : question.principal.identity_policies) {
        REDOUBT_TRY(const auto policy, Policy::parse(named.text, PolicyKind::Identity));
        auto finding = policy.find(question);
        const std::string where = " of the identity policy " + named.name;
        if (!finding.denied.empty() && side.denied.empty())
            side.denied = "the identity policy " + named.name + ": " + finding.denied;
        if (!finding.named.empty() && !side.allows) {
            side.allows = true;
            side.by = finding.named + where;
        }
        if (!finding.missed.empty())
            side.missed += (side.missed.empty() ? "" : "; ") + ("the identity policy " + named.name) + ": " +
                           finding.missed;
    }
    return side;
}

Reply<PolicyFinding> resource_side(const PolicyQuestion& question, const Resource& resource) {
    if (resource.policy.empty())
        return PolicyFinding{};
    REDOUBT_TRY(const auto policy, Policy::parse(resource.policy, resource.policy_kind));
    return policy.find(question);
}

std::string_view because(Verdict verdict) {
    switch (verdict) {
    case Verdict::DeniedByResource:
        return "with an explicit deny in a resource-based policy";
    case Verdict::DeniedByIdentity:
        return "with an explicit deny in an identity-based policy";
    case Verdict::DeniedBySession:
        return "with an explicit deny in a session policy";
    case Verdict::NotAllowedByResource:
        return "because no resource-based policy allows the ";
    case Verdict::NotAllowedBySession:
        return "because no session policy allows the ";
    case Verdict::NotAllowedByIdentity:
    case Verdict::Allowed:
        break;
    }
    return "because no identity-based policy allows the ";
}

Access not_allowed(const Principal& principal, const Resource& resource, const PolicyFinding& finding,
                   const Side& identity, bool resource_says_yes) {
    std::string detail = finding.missed;
    const auto add = [&](const std::string& text) {
        if (!text.empty())
            detail += (detail.empty() ? "" : "; ") + text;
    };
    const bool cross = principal.account != resource.account;
    if (!finding.account.empty() || (cross && resource_says_yes))
        add((finding.account.empty() ? finding.named : finding.account) +
            " leaves it to IAM, which does not allow " + principal.arn + " this action");
    add(identity.missed);
    if (detail.empty())
        detail = resource.rule == ResourceRule::Identity
                     ? "no identity policy of " + principal.arn + " allows this action"
                     : "no Allow statement of the resource's policy names this principal and action";
    const bool by_identity = resource.rule == ResourceRule::Identity ||
                             (!cross && resource.rule == ResourceRule::Independent) ||
                             !finding.account.empty() || (cross && resource_says_yes);
    return {by_identity ? Verdict::NotAllowedByIdentity : Verdict::NotAllowedByResource, std::move(detail)};
}

} // namespace

Reply<Access> decide_access(const Principal& principal, std::string_view action, const Resource& resource,
                            const ConditionValues& values) {
    const PolicyQuestion question{principal, action, resource.arn, values};
    REDOUBT_TRY(const auto finding, resource_side(question, resource));
    REDOUBT_TRY(auto identity, identity_side(question));
    if (!finding.denied.empty())
        return Access{Verdict::DeniedByResource, finding.denied};
    if (!identity.denied.empty())
        return Access{Verdict::DeniedByIdentity, identity.denied};
    if (!principal.session_policy.empty()) {
        REDOUBT_TRY(const auto policy, Policy::parse(principal.session_policy, PolicyKind::Identity));
        const auto session = policy.find(question);
        if (!session.denied.empty())
            return Access{Verdict::DeniedBySession, "the session's policy: " + session.denied};
        if (session.named.empty())
            return Access{Verdict::NotAllowedBySession,
                          "the session's policy does not allow this action" +
                              (session.missed.empty() ? "" : ": " + session.missed)};
    }

    const bool named = !finding.named.empty() || (!resource.grant.empty() && !resource.grant_to_account);
    const bool account = !finding.account.empty() || (!resource.grant.empty() && resource.grant_to_account);
    bool allowed = false;
    if (resource.rule == ResourceRule::Identity)
        allowed = identity.allows;
    else if (principal.account != resource.account)
        allowed =
            principal.kind == Principal::Kind::Federated ? named : (named || account) && identity.allows;
    else if (resource.rule == ResourceRule::Delegating)
        allowed = named || (account && identity.allows);
    else
        allowed = named || identity.allows;
    if (!allowed)
        return not_allowed(principal, resource, finding, identity, named || account);

    std::string by = !finding.named.empty()     ? finding.named
                     : !resource.grant.empty()  ? "grant " + std::string(resource.grant)
                     : !finding.account.empty() ? finding.account + ", and " + identity.by
                                                : identity.by;
    return Access{Verdict::Allowed, by + " allows"};
}

Reply<void> require_access(const Principal& principal, std::string_view action, const Resource& resource,
                           const ConditionValues& values) {
    REDOUBT_TRY(auto access, decide_access(principal, action, resource, values));
    if (access.allowed())
        return {};
    std::string reason(because(access.verdict));
    if (reason.ends_with(' '))
        reason += std::string(action) + " action";
    ServiceError error;
    error.type = "AccessDeniedException";
    error.message = "User: " + principal.arn + " is not authorized to perform: " + std::string(action) +
                    (resource.arn == "*" ? "" : " on resource: " + std::string(resource.arn)) + " " + reason;
    error.capital_message = true;
    error.detail = std::move(access.detail);
    return std::unexpected(std::move(error));
}

void add_caller_values(const Call& call, ConditionValues& values) {
    const auto& principal = call.principal;
    if (!principal.account.empty())
        values.add("aws:PrincipalAccount", principal.account);
    if (principal.kind != Principal::Kind::Federated) {
        values.add("aws:PrincipalArn", principal.role_arn.empty() ? principal.arn : principal.role_arn);
        values.add("aws:userid", principal.user_id);
        values.add("aws:PrincipalType", principal.kind == Principal::Kind::Root   ? "Account"
                                        : principal.kind == Principal::Kind::User ? "User"
                                                                                  : "AssumedRole");
    }
    if (principal.kind == Principal::Kind::User)
        values.add("aws:username", principal.name);
    if (principal.issued != 0)
        values.add("aws:TokenIssueTime", to_iso8601(principal.issued));
    values.add("aws:SecureTransport", call.tls ? "true" : "false");
    values.add("aws:CurrentTime", to_iso8601(call.now));
    values.add("aws:EpochTime", std::to_string(call.now / 1000));
    values.add("aws:RequestedRegion", call.region);
}

} // namespace redoubt::devcloud
