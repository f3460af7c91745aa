// SPDX-License-Identifier: Apache-2.0
#include "devcloud/kms.h"

#include "devcloud/kms_operations.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

constexpr std::array<std::pair<std::string_view, KmsOperation>, 8> kOperations = {{
    {"CreateKey", create_key},
    {"Decrypt", decrypt},
    {"DescribeKey", describe_key},
    {"Encrypt", encrypt},
    {"GenerateDataKey", generate_data_key},
    {"GetKeyPolicy", get_key_policy},
    {"ListKeys", list_keys},
    {"PutKeyPolicy", put_key_policy},
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
