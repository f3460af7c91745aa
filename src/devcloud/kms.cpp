// SPDX-License-Identifier: Apache-2.0
#include "devcloud/kms.h"

#include "devcloud/kms_operations.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

constexpr std::array<std::pair<std::string_view, KmsOperation>, 36> kOperations = {{
    {"CancelKeyDeletion", cancel_key_deletion},
    {"CreateAlias", create_alias},
    {"CreateGrant", create_grant},
    {"CreateKey", create_key},
    {"Decrypt", decrypt},
    {"DeleteAlias", delete_alias},
    {"DescribeKey", describe_key},
    {"DisableKey", disable_key},
    {"DisableKeyRotation", disable_key_rotation},
    {"EnableKey", enable_key},
    {"EnableKeyRotation", enable_key_rotation},
    {"Encrypt", encrypt},
    {"GenerateDataKey", generate_data_key},
    {"GenerateDataKeyPair", generate_data_key_pair},
    {"GenerateDataKeyPairWithoutPlaintext", generate_data_key_pair_without_plaintext},
    {"GenerateDataKeyWithoutPlaintext", generate_data_key_without_plaintext},
    {"GenerateRandom", generate_random},
    {"GetKeyPolicy", get_key_policy},
    {"GetKeyRotationStatus", get_key_rotation_status},
    {"ListAliases", list_aliases},
    {"ListGrants", list_grants},
    {"ListKeyPolicies", list_key_policies},
    {"ListKeyRotations", list_key_rotations},
    {"ListKeys", list_keys},
    {"ListResourceTags", list_resource_tags},
    {"ListRetirableGrants", list_retirable_grants},
    {"PutKeyPolicy", put_key_policy},
    {"ReEncrypt", re_encrypt},
    {"RetireGrant", retire_grant},
    {"RevokeGrant", revoke_grant},
    {"RotateKeyOnDemand", rotate_key_on_demand},
    {"ScheduleKeyDeletion", schedule_key_deletion},
    {"TagResource", tag_resource},
    {"UntagResource", untag_resource},
    {"UpdateAlias", update_alias},
    {"UpdateKeyDescription", update_key_description},
}};

Reply<std::string> run(Cloud& cloud, const Call& call, Event& event) {
    const auto found = std::find_if(kOperations.begin(), kOperations.end(),
                                    [&](const auto& entry) { return entry.first == call.operation; });
    if (found == kOperations.end())
        return refuse("UnknownOperationException", "devcloud has no such operation");
    json::Document document;
    const auto body = as_text(call.request.body);
    const auto root = document.parse(body.empty() ? "{}" : body);
    if (!root || !root->is_object())
        return refuse("SerializationException", "The body is not a JSON object.");
    const Input input(*root);
    REDOUBT_CHECK(do_what_is_due(cloud, call.now));
    KmsCall kms{cloud, call, input, event};
    return found->second(kms);
}

} // namespace

net::HttpResponse serve_kms(Cloud& cloud, const Call& call) {
    Event event;
    event.time = call.now;
    event.name = call.operation;
    event.request_id = call.request_id;
    event.principal = call.principal.arn;
    auto reply = run(cloud, call, event);
    if (!reply)
        event.error_code = reply.error().type;
    cloud.events.append(event);
    return reply ? json_reply(std::move(*reply)) : json_error(reply.error());
}

} // namespace redoubt::devcloud
