// SPDX-License-Identifier: Apache-2.0
#include "devcloud/request.h"

#include "aws/sigv4.h"

namespace redoubt::devcloud {

namespace {

using aws::SigV4Failure;

// AWS's texts for these two are given in botocore's and the SDKs' issue threads.
SigV4Failure unrecognised() {
    return {"UnrecognizedClientException", "The security token included in the request is invalid."};
}
SigV4Failure expired() {
    return {"ExpiredTokenException", "The security token included in the request is expired"};
}

} // namespace

Reply<Principal> authenticate(const Cloud& cloud, const net::HttpRequest& request, std::string_view service) {
    const auto now = cloud.now();
    Principal principal;
    std::optional<ServiceError> store_failure;

    const auto look_up = [&](const std::string& access_key_id,
                             std::string_view session_token) -> std::expected<Secret, SigV4Failure> {
        if (access_key_id == cloud.settings.access_key_id && !access_key_id.empty()) {
            if (!session_token.empty())
                return std::unexpected(unrecognised());
            principal = root_principal(cloud.settings.account);
            return cloud.settings.secret_access_key.clone();
        }
        auto session = cloud.state.sessions.find(access_key_id);
        if (!session) {
            store_failure = internal_failure(session.error());
            return std::unexpected(SigV4Failure{store_failure->type, store_failure->message});
        }
        if (!*session)
            return std::unexpected(unrecognised());
        auto& found = **session;
        if (!equal_constant_time(found.token.view(SecretAccess("compare a presented session token")),
                                 as_bytes(session_token)))
            return std::unexpected(unrecognised());
        if (found.expires <= now)
            return std::unexpected(expired());
        principal = session_principal(cloud.settings.account, found.role, found.session_name);
        return std::move(found.secret_access_key);
    };

    const auto identity = aws::verify_sigv4(request, look_up, now);
    if (!identity) {
        if (store_failure)
            return std::unexpected(std::move(*store_failure));
        return refuse(identity.error().type, identity.error().message);
    }
    if (identity->region != cloud.settings.region)
        return refuse("InvalidSignatureException",
                      "Credential should be scoped to a valid region, not '" + identity->region + "'.");
    if (identity->service != service)
        return refuse("InvalidSignatureException",
                      "Credential should be scoped to correct service: '" + std::string(service) + "'.");
    return principal;
}

} // namespace redoubt::devcloud
