// SPDX-License-Identifier: Apache-2.0
#include "devcloud/secrets_manager.h"

#include "devcloud/secrets_operations.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

constexpr std::array<std::pair<std::string_view, SecretsOperation>, 17> kOperations = {{
    {"CreateSecret", create_secret},
    {"DeleteResourcePolicy", delete_resource_policy},
    {"DeleteSecret", delete_secret},
    {"DescribeSecret", describe_secret},
    {"GetRandomPassword", get_random_password},
    {"GetResourcePolicy", get_resource_policy},
    {"GetSecretValue", get_secret_value},
    {"ListSecretVersionIds", list_secret_version_ids},
    {"ListSecrets", list_secrets},
    {"PutResourcePolicy", put_resource_policy},
    {"PutSecretValue", put_secret_value},
    {"RestoreSecret", restore_secret},
    {"TagResource", tag_resource},
    {"UntagResource", untag_resource},
    {"UpdateSecret", update_secret},
    {"UpdateSecretVersionStage", update_secret_version_stage},
    {"ValidateResourcePolicy", validate_resource_policy},
}};

Reply<std::string> run(Cloud& cloud, const Call& call) {
    const auto found = std::find_if(kOperations.begin(), kOperations.end(),
                                    [&](const auto& entry) { return entry.first == call.operation; });
    if (found == kOperations.end())
        return refuse("UnknownOperationException", "devcloud has no such operation");
    json::Document document;
    const auto body = as_text(call.request.body);
    const auto root = document.parse(body.empty() ? "{}" : body);
    if (!root || !root->is_object())
        return refuse("SerializationException", "The body is not a JSON object.");
    REDOUBT_CHECK(or_internal(cloud.state.secrets.purge(call.now)));
    const Input input(*root);
    SecretsCall secrets{cloud, call, input};
    return found->second(secrets);
}

} // namespace

net::HttpResponse serve_secrets_manager(Cloud& cloud, const Call& call) {
    auto reply = run(cloud, call);
    if (reply)
        return json_reply(std::move(*reply));
    // The service model's exceptions spell their member "Message".
    reply.error().capital_message = true;
    return json_error(reply.error());
}

} // namespace redoubt::devcloud
