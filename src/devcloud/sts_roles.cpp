// SPDX-License-Identifier: Apache-2.0
#include "devcloud/access.h"
#include "devcloud/jwt.h"
#include "devcloud/session_issue.h"
#include "devcloud/sts_operations.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

// Limits: the STS service model.
constexpr Size kArnSize = {20, 2048};
constexpr Size kSessionNameSize = {2, 64};
constexpr std::string_view kSessionNameMore = "+=,.@-";
constexpr Size kExternalIdSize = {2, 1224};
constexpr std::string_view kExternalIdMore = "+=,.@:/-";
constexpr Size kPolicySize = {1, 2048};
constexpr Size kTokenSize = {4, kMaxJwt};
constexpr std::uint64_t kLeastSeconds = 900, kMostSeconds = 43'200, kDefaultSeconds = 3'600;
constexpr std::uint64_t kChainedSeconds = 3'600; // a role's session that assumes a role
constexpr std::uint64_t kClockSkewSeconds = 300; // of a token's iat and nbf

constexpr std::array<std::string_view, 8> kRefused = {"PolicyArns",       "Tags",      "TransitiveTagKeys",
                                                      "SerialNumber",     "TokenCode", "SourceIdentity",
                                                      "ProvidedContexts", "ProviderId"};

struct RoleName {
    std::string account, name;
};

std::optional<RoleName> split_role_arn(std::string_view arn) {
    constexpr std::string_view kPrefix = "arn:aws:iam::", kMiddle = ":role/";
    if (!arn.starts_with(kPrefix))
        return std::nullopt;
    arn.remove_prefix(kPrefix.size());
    const auto account = arn.substr(0, 12);
    if (!is_account_id(account) || !arn.substr(12).starts_with(kMiddle))
        return std::nullopt;
    return RoleName{std::string(account), std::string(arn.substr(12 + kMiddle.size()))};
}

struct Asked {
    std::string arn, session_name, session_policy;
    std::uint64_t seconds;
};

Reply<Asked> read_common(const Form& form) {
    for (const auto name : kRefused)
        if (form.has(name))
            return refuse_input("devcloud does not support the parameter " + std::string(name) +
                                " and does not ignore it");
    Asked asked;
    REDOUBT_TRY(asked.arn, form.required_text("RoleArn", kArnSize));
    REDOUBT_TRY(asked.session_name,
                form.required_text("RoleSessionName", kSessionNameSize, kSessionNameMore));
    REDOUBT_TRY(const auto seconds, form.integer("DurationSeconds", kLeastSeconds, kMostSeconds));
    asked.seconds = seconds.value_or(kDefaultSeconds);
    REDOUBT_TRY(const auto policy, form.text("Policy", kPolicySize));
    if (policy) {
        REDOUBT_CHECK(Policy::parse(*policy, PolicyKind::Identity));
        asked.session_policy = *policy;
    }
    if (!split_role_arn(asked.arn))
        return refuse_input(asked.arn + " is invalid");
    return asked;
}

Reply<void> check_duration(const Asked& asked, const IamRole& role) {
    if (asked.seconds > static_cast<std::uint64_t>(role.max_session_seconds))
        return refuse_input(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
    return {};
}

Reply<std::string> hand_out(StsCall& sts, const Asked& asked, const IamRole& role, const std::string& more) {
    SessionWanted wanted;
    wanted.account = role.account;
    wanted.role = role.name;
    wanted.session_name = asked.session_name;
    wanted.life_ms = static_cast<UnixMs>(asked.seconds) * 1000;
    wanted.session_policy = asked.session_policy;
    wanted.sts = true;
    REDOUBT_TRY(const auto session, or_internal(issue_session(sts.cloud, wanted, sts.call.now)));
    const auto principal = session_principal(role.account, role.name, role.id, asked.session_name);
    std::string out =
        "<AssumedRoleUser>" + xml_element("AssumedRoleId", principal.user_id) +
        xml_element("Arn", principal.arn) + "</AssumedRoleUser><Credentials>" +
        xml_element("AccessKeyId", session.access_key_id) +
        xml_element("SecretAccessKey", session.secret_access_key.text(SecretAccess("STS hands it out"))) +
        xml_element("SessionToken", session.token.text(SecretAccess("STS hands it out"))) +
        xml_element("Expiration", to_iso8601(session.expires)) + "</Credentials>" + more;
    if (!asked.session_policy.empty()) // per cent of the limit
        out += xml_element(
            "PackedPolicySize",
            std::to_string((asked.session_policy.size() * 100 + kPolicySize.max - 1) / kPolicySize.max));
    return out;
}

std::unexpected<ServiceError> not_authorised_for_role(const StsCall& sts, const std::string& arn) {
    return refuse("AccessDeniedException",
                  "User: " + sts.call.principal.arn +
                      " is not authorized to perform: sts:AssumeRole on resource: " + arn);
}

// The provider's name in ARNs and condition keys: its issuer without "https://".
std::string provider_name(const std::string& issuer) {
    return issuer.substr(std::string_view("https://").size());
}

// The token, verified, and the provider that vouches for it.
struct WebIdentity {
    JwtClaims claims;
    OidcProvider provider;
    std::string audience;
};

Reply<WebIdentity> verify_web_identity(StsCall& sts, const std::string& account, std::string_view text) {
    const auto invalid = [](std::string message) {
        return refuse("InvalidIdentityToken", std::move(message));
    };
    auto token = parse_jwt(text);
    if (!token)
        return invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an "
                       "Access Token)");
    auto& claims = token->claims;
    REDOUBT_TRY(auto provider, or_internal(sts.cloud.state.oidc.find(account, claims.issuer)));
    if (!provider)
        return invalid("No OpenIDConnect provider found in your account for " + claims.issuer);

    json::Document document;
    const auto jwks = document.parse(provider->jwks);
    const auto keys = jwks ? parse_jwks(*jwks) : fail(Code::Internal, "a stored JWKS cannot be read");
    if (!keys)
        return std::unexpected(internal_failure(keys.error()));
    switch (verify_jwt(*token, *keys)) {
    case JwtVerdict::Good:
        break;
    case JwtVerdict::NoKey:
        return invalid("Couldn't retrieve verification key from your identity provider, please reference "
                       "AssumeRoleWithWebIdentity documentation for requirements");
    case JwtVerdict::BadSignature:
        return invalid("The ID Token's signature is invalid");
    }

    const auto now = static_cast<std::uint64_t>(sts.call.now / 1000);
    const auto rejected = [](std::string message) {
        auto error = refuse("IDPRejectedClaim", std::move(message));
        error.error().status = 403;
        return error;
    };
    if (!claims.complete)
        return rejected("The token needs the claims iss, sub, aud, exp and iat");
    if (claims.expires <= now)
        return refuse("ExpiredWebIdentityToken", "Token expired: current date/time " + std::to_string(now) +
                                                     " must be before the expiration date/time " +
                                                     std::to_string(claims.expires));
    if (claims.issued > now + kClockSkewSeconds || claims.not_before > now + kClockSkewSeconds)
        return rejected("The token is not valid yet");
    WebIdentity out;
    // OpenID Connect Core, section 2: with azp, that is whom the token was made for.
    const auto accepted = document.parse(provider->audiences);
    const auto registered = [&](std::string_view audience) {
        if (!accepted)
            return false;
        for (const auto value : *accepted)
            if (value.text() == audience)
                return true;
        return false;
    };
    const auto found = std::find_if(claims.audiences.begin(), claims.audiences.end(), registered);
    if (!claims.authorised_party.empty() && registered(claims.authorised_party))
        out.audience = claims.authorised_party;
    else if (claims.authorised_party.empty() && found != claims.audiences.end())
        out.audience = *found;
    else
        return invalid("Incorrect token audience");
    out.claims = std::move(claims);
    out.provider = std::move(*provider);
    return out;
}

} // namespace

Reply<std::string> assume_role(StsCall& sts) {
    const auto& principal = sts.call.principal;
    REDOUBT_TRY(const auto asked, read_common(sts.form));
    REDOUBT_TRY(const auto external_id, sts.form.text("ExternalId", kExternalIdSize, kExternalIdMore));
    if (principal.kind == Principal::Kind::Root)
        return refuse("AccessDeniedException", "Roles may not be assumed by root accounts.");
    const auto name = *split_role_arn(asked.arn);
    REDOUBT_TRY(const auto role, or_internal(sts.cloud.state.iam.role(name.account, name.name)));
    if (!role) // told as a denial, so that nobody learns which roles there are
        return not_authorised_for_role(sts, asked.arn);

    ConditionValues values;
    add_caller_values(sts.call, values);
    values.add("sts:RoleSessionName", asked.session_name);
    if (external_id)
        values.add("sts:ExternalId", *external_id);
    const Resource resource{asked.arn, role->account, ResourceRule::Delegating, PolicyKind::Trust,
                            role->trust_policy};
    REDOUBT_TRY(auto access, decide_access(principal, "sts:AssumeRole", resource, values));
    if (!access.allowed()) {
        auto denied = not_authorised_for_role(sts, asked.arn);
        denied.error().detail = std::move(access.detail);
        return denied;
    }
    if (principal.kind == Principal::Kind::AssumedRole && asked.seconds > kChainedSeconds)
        return refuse_input("The requested DurationSeconds exceeds the 1 hour session limit for roles "
                            "assumed by role chaining");
    REDOUBT_CHECK(check_duration(asked, *role));
    return hand_out(sts, asked, *role, "");
}

Reply<std::string> assume_role_with_web_identity(StsCall& sts) {
    REDOUBT_TRY(const auto asked, read_common(sts.form));
    REDOUBT_TRY(const auto token, sts.form.required_text("WebIdentityToken", kTokenSize));
    const auto name = *split_role_arn(asked.arn);
    REDOUBT_TRY(const auto identity, verify_web_identity(sts, name.account, token));

    const auto provider = provider_name(identity.provider.issuer);
    const auto principal = federated_principal("arn:aws:iam::" + name.account + ":oidc-provider/" + provider,
                                               identity.claims.subject);
    const auto denied = [](std::string detail) {
        auto error =
            refuse("AccessDeniedException", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
        error.error().detail = std::move(detail);
        return error;
    };
    REDOUBT_TRY(const auto role, or_internal(sts.cloud.state.iam.role(name.account, name.name)));
    if (!role)
        return denied("");
    ConditionValues values;
    const Call as_federated{sts.call.request,    principal,    sts.call.operation, sts.call.region,
                            sts.call.request_id, sts.call.now, sts.call.tls};
    add_caller_values(as_federated, values);
    values.add("sts:RoleSessionName", asked.session_name);
    values.add("aws:FederatedProvider", principal.arn);
    values.add(provider + ":aud", identity.audience);
    values.add(provider + ":sub", identity.claims.subject);
    const Resource resource{asked.arn, role->account, ResourceRule::Delegating, PolicyKind::Trust,
                            role->trust_policy};
    REDOUBT_TRY(auto access, decide_access(principal, "sts:AssumeRoleWithWebIdentity", resource, values));
    if (!access.allowed())
        return denied(std::move(access.detail));
    REDOUBT_CHECK(check_duration(asked, *role));
    return hand_out(sts, asked, *role,
                    xml_element("SubjectFromWebIdentityToken", identity.claims.subject) +
                        xml_element("Audience", identity.audience) +
                        xml_element("Provider", identity.provider.issuer));
}

} // namespace redoubt::devcloud
