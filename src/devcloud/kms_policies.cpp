// SPDX-License-Identifier: Apache-2.0
// PutKeyPolicy, GetKeyPolicy, ListKeyPolicies. A key has one policy, and its name is "default".
#include "devcloud/kms_operations.h"

namespace redoubt::devcloud {

namespace {

constexpr Size kPolicySize = {1, 131'072};

Reply<void> check_policy_name(const Input& input) {
    REDOUBT_TRY(const auto name, input.string("PolicyName", {1, 128}));
    if (name && *name != "default")
        return refuse("NotFoundException", "No such policy exists");
    return {};
}

} // namespace

Reply<std::string> put_key_policy(KmsCall& kms) {
    REDOUBT_TRY(const auto policy, kms.input.required_string("Policy", kPolicySize));
    REDOUBT_TRY(const bool bypass, kms.input.boolean("BypassPolicyLockoutSafetyCheck"));
    REDOUBT_CHECK(check_policy_name(kms.input));
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(auto key, find_key(kms, key_id, Named::KeyOnly));
    KeyQuestion question;
    question.values.add("kms:BypassPolicyLockoutSafetyCheck", bypass ? "true" : "false");
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    REDOUBT_CHECK(check_new_policy(kms, policy, key.arn, bypass));
    key.policy = policy;
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.update(key)));
    return "";
}

Reply<std::string> get_key_policy(KmsCall& kms) {
    REDOUBT_CHECK(check_policy_name(kms.input));
    REDOUBT_TRY(const auto key, authorised_key(kms));
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("Policy", key.policy)
        .member("PolicyName", "default")
        .end_object();
    return body;
}

Reply<std::string> list_key_policies(KmsCall& kms) {
    REDOUBT_TRY(const auto page, read_page(kms, 100));
    REDOUBT_TRY(const auto key, authorised_key(kms));
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("PolicyNames").begin_array();
    if (page.after == 0)
        writer.string("default");
    writer.end_array().member("Truncated", false).end_object();
    return body;
}

} // namespace redoubt::devcloud
