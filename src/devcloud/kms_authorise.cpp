// SPDX-License-Identifier: Apache-2.0
// Whether a KMS call is allowed: the key's policy, grants, identity policies, with KMS's condition keys.
#include "devcloud/kms_operations.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

constexpr std::size_t kMaxTokens = 10;     // service model, GrantTokenList
constexpr std::size_t kMaxGrants = 50'000; // AWS KMS developer guide, "Quotas": grants per key
constexpr std::size_t kMaxAliases = 50;    // aliases per key

std::string action_of(const KmsCall& kms, std::string_view action) {
    return action.empty() ? "kms:" + std::string(kms.call.operation) : std::string(action);
}

void add_key_values(const KeyRecord& key, ConditionValues& values) {
    values.add("aws:ResourceAccount", key.account);
    values.add("kms:KeySpec", "SYMMETRIC_DEFAULT");
    values.add("kms:KeyUsage", "ENCRYPT_DECRYPT");
    values.add("kms:KeyOrigin", "AWS_KMS");
    values.add("kms:MultiRegion", "false");
}

// Tags and aliases of the key, and the alias that the request names it by.
Reply<void> add_named_values(const KmsCall& kms, const KeyRecord& key, ConditionValues& values) {
    REDOUBT_TRY(const auto tags, or_internal(kms.cloud.state.keys.tags(key.id)));
    for (const auto& [name, value] : tags)
        values.add("aws:ResourceTag/" + name, value);
    REDOUBT_TRY(const auto aliases,
                or_internal(kms.cloud.state.aliases.list(key.account, key.region, key.id, {0, kMaxAliases})));
    for (const auto& alias : aliases)
        values.add("kms:ResourceAliases", alias.name);
    const auto key_id = kms.input.member("KeyId");
    if (key_id && key_id->is_string()) {
        const auto at = key_id->text().find("alias/");
        if (at == 0 || (at != std::string_view::npos && key_id->text().starts_with("arn:")))
            values.add("kms:RequestAlias", std::string(key_id->text().substr(at)));
    }
    return {};
}

Reply<void> check_grant_tokens(const KmsCall& kms) {
    REDOUBT_TRY(const auto tokens, kms.input.strings("GrantTokens", {0, kMaxTokens}));
    for (const auto& token : tokens) {
        REDOUBT_TRY(const auto grant, or_internal(kms.cloud.state.grants.find_by_token(token)));
        if (!grant)
            return refuse("InvalidGrantTokenException", "The grant token is not valid.");
    }
    return {};
}

bool constraint_met(const Grant& grant, const EncryptionContext* context) {
    // Constraints are about cryptographic operations; DescribeKey and CreateGrant have no context.
    if (grant.constraint.empty() || context == nullptr)
        return true;
    if (grant.constraint == "EncryptionContextEquals")
        return grant.context == *context;
    return std::all_of(grant.context.begin(), grant.context.end(), [&](const auto& pair) {
        const auto found = context->find(pair.first);
        return found != context->end() && found->second == pair.second;
    });
}

bool is_grantee(const Principal& principal, std::string_view grantee) {
    return grantee == principal.arn || (!principal.role_arn.empty() && grantee == principal.role_arn) ||
           grantee == "arn:aws:iam::" + principal.account + ":root";
}

} // namespace

Reply<std::optional<Grant>> find_grant(const KmsCall& kms, const KeyRecord& key,
                                       const KeyQuestion& question) {
    const auto operation = action_of(kms, question.action).substr(4); // without "kms:"
    REDOUBT_TRY(const auto grants, or_internal(kms.cloud.state.grants.of_key(key.id, {0, kMaxGrants})));
    const Grant* of_account = nullptr; // counts only with an identity policy: another one may do more
    for (const auto& grant : grants) {
        if (!is_grantee(kms.call.principal, grant.grantee) ||
            std::find(grant.operations.begin(), grant.operations.end(), operation) ==
                grant.operations.end() ||
            !constraint_met(grant, question.context) || (question.grant_fits && !question.grant_fits(grant)))
            continue;
        if (!grant.grantee.ends_with(":root"))
            return grant;
        of_account = &grant;
    }
    if (of_account == nullptr)
        return std::nullopt;
    return *of_account;
}

Reply<void> authorise(KmsCall& kms, const KeyRecord& key, KeyQuestion question) {
    const auto& principal = kms.call.principal;
    const auto action = action_of(kms, question.action);
    auto& values = question.values;
    add_caller_values(kms.call, values);
    values.add("kms:CallerAccount", principal.account);
    add_key_values(key, values);
    REDOUBT_CHECK(add_named_values(kms, key, values));
    if (question.context != nullptr)
        for (const auto& [name, value] : *question.context) {
            values.add("kms:EncryptionContext:" + name, value);
            values.add("kms:EncryptionContextKeys", name);
        }
    if (question.recipient != nullptr)
        add_attestation_values(*question.recipient, values);

    Resource resource{key.arn, key.account, ResourceRule::Delegating, PolicyKind::Key, key.policy};
    std::optional<Grant> grant;
    if (question.grantable) {
        REDOUBT_CHECK(check_grant_tokens(kms));
        REDOUBT_TRY(grant, find_grant(kms, key, question));
        if (grant) {
            resource.grant = grant->id;
            resource.grant_to_account = grant->grantee.ends_with(":root");
        }
    }
    if (!question.other_accounts && principal.account != key.account) {
        // AWS KMS developer guide, "Cross-account use: No".
        ServiceError error;
        error.type = "AccessDeniedException";
        error.message = "User: " + principal.arn + " is not authorized to perform: " + action +
                        " on resource: " + key.arn;
        error.capital_message = true;
        error.detail = "no principal of another account may use this operation";
        return std::unexpected(std::move(error));
    }
    return require_access(principal, action, resource, values);
}

Reply<void> authorise_by_iam(const KmsCall& kms, std::string_view action, std::string_view resource,
                             ConditionValues values) {
    const auto& principal = kms.call.principal;
    add_caller_values(kms.call, values);
    values.add("kms:CallerAccount", principal.account);
    return require_access(principal, action_of(kms, action),
                          {resource, principal.account, ResourceRule::Identity}, values);
}

Reply<void> check_new_policy(const KmsCall& kms, std::string_view policy, std::string_view key_arn,
                             bool bypass) {
    REDOUBT_TRY(const auto parsed, Policy::parse(policy, PolicyKind::Key));
    if (bypass)
        return {};
    ConditionValues values;
    add_caller_values(kms.call, values);
    values.add("kms:CallerAccount", kms.call.principal.account);
    // The key policy alone is looked at: where it leaves the key to the account, somebody there can.
    const auto finding = parsed.find({kms.call.principal, "kms:PutKeyPolicy", key_arn, values});
    if (!finding.denied.empty() || (finding.named.empty() && finding.account.empty()))
        return malformed_policy(
            "The new key policy will not allow you to update the key policy in the future.");
    return {};
}

} // namespace redoubt::devcloud
