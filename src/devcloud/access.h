// SPDX-License-Identifier: Apache-2.0
// Whether a call may be made, by every policy that has a say: identity policies, a session's policy, the
// resource's policy, a key's grants (IAM user guide, "Policy evaluation logic"; AWS KMS developer guide,
// "Troubleshooting key access").
//
//   An explicit Deny in any of them decides first. Then, in one account:
//     Identity     the identity policies allow it
//     Delegating   the resource's policy names the caller (or everybody), or a grant does; or it names the
//                  account and the identity policies allow it
//     Independent  the resource's policy names the caller, or the identity policies allow it
//   Across accounts both sides must allow it: the resource's policy (the caller or its account) or a grant,
//   and the caller's identity policies. A session with a policy of its own may only do what that allows too
//   (AWS makes an exception where a resource policy names the session's ARN itself; devcloud does not).
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/policy.h"

namespace redoubt::devcloud {

enum class ResourceRule {
    Identity,    // operations on no resource with a policy (ListKeys)
    Delegating,  // KMS keys; roles (sts:AssumeRole)
    Independent, // secrets
};

struct Resource {
    std::string_view arn;     // "*": none
    std::string_view account; // the resource's
    ResourceRule rule;
    PolicyKind policy_kind = PolicyKind::Key;
    std::string_view policy{};     // empty: none
    std::string_view grant{};      // id of a grant that allows the call; empty: none
    bool grant_to_account = false; // the grant's grantee is the caller's account, not the caller
};

struct Access {
    enum class Verdict {
        Allowed,
        DeniedByResource,
        DeniedByIdentity,
        DeniedBySession,
        NotAllowedByResource,
        NotAllowedByIdentity,
        NotAllowedBySession,
    } verdict;
    // Which statement decided, and for a refusal which condition (PCR) did not match: for developers.
    std::string detail;
    bool allowed() const { return verdict == Verdict::Allowed; }
};

// Error: only for stored policies that do not parse.
Reply<Access> decide_access(const Principal& principal, std::string_view action, const Resource& resource,
                            const ConditionValues& values);

// As decide_access, and AWS's words for a refusal: AccessDeniedException, "User: ARN is not authorized to
// perform: ACTION on resource: ARN because …", with the detail.
Reply<void> require_access(const Principal& principal, std::string_view action, const Resource& resource,
                           const ConditionValues& values);

// The condition keys that every service has: aws:PrincipalArn, aws:PrincipalAccount, aws:PrincipalType,
// aws:userid, aws:username, aws:SecureTransport, aws:CurrentTime, aws:EpochTime, aws:TokenIssueTime,
// aws:RequestedRegion.
void add_caller_values(const Call& call, ConditionValues& values);

} // namespace redoubt::devcloud
