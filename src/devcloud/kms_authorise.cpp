// SPDX-License-Identifier: Apache-2.0
#include "devcloud/key_policy.h"
#include "devcloud/kms_operations.h"

namespace redoubt::devcloud {

namespace {

std::unexpected<ServiceError> access_denied(const KmsCall& kms, const std::string& resource,
                                            const std::string& because, std::string detail) {
    const std::string action = "kms:" + std::string(kms.call.operation);
    ServiceError error;
    error.type = "AccessDeniedException";
    error.message = "User: " + kms.call.principal.arn + " is not authorized to perform: " + action +
                    (resource.empty() ? "" : " on resource: " + resource) + " " + because;
    error.capital_message = true;
    error.detail = std::move(detail);
    return std::unexpected(std::move(error));
}

void add_caller_values(const KmsCall& kms, ConditionValues& values) {
    const auto& principal = kms.call.principal;
    values.add("aws:PrincipalAccount", principal.account);
    values.add("aws:PrincipalArn", principal.role_arn.empty() ? principal.arn : principal.role_arn);
    values.add("aws:SecureTransport", kms.call.tls ? "true" : "false");
    values.add("kms:CallerAccount", principal.account);
}

} // namespace

Reply<KeyRecord> find_key(KmsCall& kms, std::string_view key_id) {
    const auto& settings = kms.cloud.settings;
    const std::string prefix = "arn:aws:kms:" + settings.region + ":" + settings.account + ":";
    std::string_view id = key_id;
    if (id.starts_with("arn:")) {
        if (!id.starts_with(prefix))
            return refuse("NotFoundException", "Key '" + std::string(key_id) + "' does not exist");
        id.remove_prefix(prefix.size());
    }
    if (id.starts_with("alias/"))
        return refuse("NotFoundException", "Alias " + prefix + std::string(id) + " is not found.");
    if (key_id.starts_with("arn:")) {
        if (!id.starts_with("key/"))
            return refuse("NotFoundException", "Invalid keyId '" + std::string(key_id) + "'");
        id.remove_prefix(4);
    }
    REDOUBT_TRY(auto found, or_internal(kms.cloud.state.keys.find(id)));
    if (!found)
        return refuse("NotFoundException", "Key '" + prefix + "key/" + std::string(id) + "' does not exist");
    kms.event.key_arn = found->arn;
    return std::move(*found);
}

Reply<void> authorise(KmsCall& kms, const KeyRecord& key, const EncryptionContext& context,
                      const std::optional<Recipient>& recipient) {
    const std::string action = "kms:" + std::string(kms.call.operation);
    ConditionValues values;
    add_caller_values(kms, values);
    for (const auto& [name, value] : context)
        values.add("kms:EncryptionContext:" + name, value);
    if (recipient)
        add_attestation_values(*recipient, values);

    const auto policy = KeyPolicy::parse(key.policy);
    if (!policy)
        return std::unexpected(policy.error());
    auto decision = policy->decide({kms.call.principal, action, key.arn, values});
    switch (decision.verdict) {
    case Decision::Verdict::Allowed:
        return {};
    case Decision::Verdict::DeniedExplicitly:
        return access_denied(kms, key.arn, "with an explicit deny in a resource-based policy",
                             std::move(decision.detail));
    case Decision::Verdict::NotAllowed:
        break;
    }
    return access_denied(kms, key.arn, "because no resource-based policy allows the " + action + " action",
                         std::move(decision.detail));
}

Reply<void> authorise_by_iam(const KmsCall& kms) {
    const std::string action = "kms:" + std::string(kms.call.operation);
    if (iam_allows(kms.call.principal, action))
        return {};
    return access_denied(kms, "", "because no identity-based policy allows the " + action + " action",
                         "IAM does not allow " + kms.call.principal.arn + " this action");
}

Reply<void> check_new_policy(const KmsCall& kms, std::string_view policy, std::string_view key_arn,
                             bool bypass) {
    REDOUBT_TRY(const auto parsed, KeyPolicy::parse(policy));
    if (bypass)
        return {};
    ConditionValues values;
    add_caller_values(kms, values);
    if (parsed.decide({kms.call.principal, "kms:PutKeyPolicy", key_arn, values}).verdict !=
        Decision::Verdict::Allowed)
        return malformed_policy(
            "The new key policy will not allow you to update the key policy in the future.");
    return {};
}

Reply<void> check_enabled(const KeyRecord& key) {
    if (!key.enabled)
        return refuse("DisabledException", key.arn + " is disabled.");
    return {};
}

} // namespace redoubt::devcloud
