// SPDX-License-Identifier: Apache-2.0
#include "devcloud/request.h"

#include "aws/sigv4.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

// AWS's texts for these two are given in botocore's and the SDKs' issue threads.
std::unexpected<ServiceError> unrecognised() {
    return refuse("UnrecognizedClientException", "The security token included in the request is invalid.");
}
std::unexpected<ServiceError> expired() {
    return refuse("ExpiredTokenException", "The security token included in the request is expired");
}

struct Credential {
    Principal principal;
    Secret secret;
};

// A long-lived key: of a root user or a user.
Reply<Credential> long_lived(const Cloud& cloud, const IamAccessKey& key) {
    if (key.user.empty())
        return Credential{root_principal(key.account), key.secret.clone()};
    REDOUBT_TRY(auto user, or_internal(cloud.state.iam.user(key.account, key.user)));
    if (!user)
        return unrecognised();
    Credential found{user_principal(key.account, user->name, user->id), key.secret.clone()};
    found.principal.identity_policies = std::move(user->policies);
    return found;
}

Reply<Credential> temporary(const Cloud& cloud, Session& session, std::string_view token, UnixMs now) {
    if (!equal_constant_time(session.token.view(SecretAccess("compare a presented session token")),
                             as_bytes(token)))
        return unrecognised();
    if (session.expires <= now)
        return expired();
    // Sessions of a first version's database have no account.
    const auto account = session.account.empty() ? cloud.settings.account : session.account;
    REDOUBT_TRY(auto role, or_internal(cloud.state.iam.role(account, session.role)));
    if (!role) // deleted, and its sessions with it
        return unrecognised();
    Credential found{session_principal(account, role->name, role->id, session.session_name),
                     std::move(session.secret_access_key)};
    found.principal.identity_policies = std::move(role->policies);
    found.principal.session_policy = session.policy;
    found.principal.issued = session.created;
    return found;
}

Reply<Credential> look_up_credential(const Cloud& cloud, const std::string& access_key_id,
                                     std::string_view token, UnixMs now) {
    if (access_key_id == cloud.settings.access_key_id && !access_key_id.empty()) {
        if (!token.empty())
            return unrecognised();
        return Credential{root_principal(cloud.settings.account), cloud.settings.secret_access_key.clone()};
    }
    REDOUBT_TRY(const auto key, or_internal(cloud.state.iam.access_key(access_key_id)));
    if (key) {
        if (!token.empty())
            return unrecognised();
        return long_lived(cloud, *key);
    }
    REDOUBT_TRY(auto session, or_internal(cloud.state.sessions.find(access_key_id)));
    if (!session)
        return unrecognised();
    return temporary(cloud, *session, token, now);
}

} // namespace

bool is_region(std::string_view text) {
    // Words of letters, and a number at the end.
    const auto dash = text.rfind('-');
    if (text.size() > 32 || dash == std::string_view::npos || dash + 1 == text.size() ||
        text.find('-') == dash)
        return false;
    const auto words = text.substr(0, dash), number = text.substr(dash + 1);
    return words.front() != '-' && words.back() != '-' && words.find("--") == std::string_view::npos &&
           std::all_of(words.begin(), words.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; }) &&
           std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Reply<Caller> authenticate(const Cloud& cloud, const net::HttpRequest& request, std::string_view service) {
    const auto now = cloud.now();
    Caller caller;
    std::optional<ServiceError> refusal;

    const auto look_up = [&](const std::string& access_key_id,
                             std::string_view session_token) -> std::expected<Secret, aws::SigV4Failure> {
        auto found = look_up_credential(cloud, access_key_id, session_token, now);
        if (!found) {
            refusal = std::move(found.error());
            return std::unexpected(aws::SigV4Failure{refusal->type, refusal->message});
        }
        caller.principal = std::move(found->principal);
        return std::move(found->secret);
    };

    const auto identity = aws::verify_sigv4(request, look_up, now);
    if (!identity) {
        if (refusal)
            return std::unexpected(std::move(*refusal));
        return refuse(identity.error().type, identity.error().message);
    }
    if (!is_region(identity->region))
        return refuse("InvalidSignatureException",
                      "Credential should be scoped to a valid region, not '" + identity->region + "'.");
    if (identity->service != service)
        return refuse("InvalidSignatureException",
                      "Credential should be scoped to correct service: '" + std::string(service) + "'.");
    caller.region = identity->region;
    return caller;
}

} // namespace redoubt::devcloud
