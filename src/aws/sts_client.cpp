// SPDX-License-Identifier: Apache-2.0
#include "aws/sts_client.h"

#include "aws/arn.h"
#include "aws/error_type.h"
#include "aws/sigv4.h"
#include "aws/xml.h"

#include <algorithm>

namespace redoubt::aws {

namespace {

constexpr std::size_t kMaxArn = 2048;
constexpr std::size_t kMaxErrorCode = 64;
constexpr std::string_view kFormType = "application/x-www-form-urlencoded; charset=utf-8";

void append_form_encoded(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    constexpr std::string_view kPlain = "-_.~";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            kPlain.find(c) != kPlain.npos) {
            out.push_back(c);
        } else {
            out.push_back('%');
            out.push_back(kHex[byte >> 4]);
            out.push_back(kHex[byte & 15]);
        }
    }
}

Result<net::Url> endpoint_url(const StsEndpoint& endpoint) {
    REDOUBT_TRY(net::Url url, net::parse_url(endpoint.url));
    if (url.tls && endpoint.tls == nullptr)
        return fail(Code::Usage, "an https endpoint needs roots to trust", endpoint.url);
    return url;
}

net::HttpRequest form_request(const net::Url& url, std::string_view body) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = request.path = url.path;
    request.authority = url.authority();
    request.headers.push_back({"content-type", std::string(kFormType)});
    request.body = to_bytes(body);
    return request;
}

// The error's code alone is kept: a message may quote the token's claims.
std::unexpected<Error> sts_error(const net::HttpResponse& response) {
    std::string code;
    if (const auto document = XmlDocument::parse(as_text(response.body)))
        if (const auto text = document->text("ErrorResponse/Error/Code");
            text && text->size() <= kMaxErrorCode && std::ranges::all_of(*text, [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            }))
            code = *text;
    const std::string context = status_context(response) + (code.empty() ? "" : ", " + code);
    switch (aws_error_kind(response, code)) {
    case ErrorKind::Expired:
        return fail(Code::CredentialsExpired, "STS does not take the token: it has expired or is unknown",
                    context);
    case ErrorKind::Denied:
        return fail(Code::AwsRefused, "STS denies it; check the role's trust policy", context);
    case ErrorKind::Throttled:
        return fail(Code::AwsUnavailable, "STS asks for fewer requests", context);
    case ErrorKind::Missing:
    case ErrorKind::Other:
        break;
    }
    if (response.status >= 500 || code == "IDPCommunicationError")
        return fail(Code::AwsUnavailable, "STS has an internal failure", context);
    return fail(Code::AwsRefused, "STS refused the request", context);
}

} // namespace

std::string sts_url(std::string_view region) {
    const auto suffix = partition_suffix(partition_of_region(region));
    return "https://sts." + std::string(region) + "." + suffix.value_or("amazonaws.com");
}

Result<CallerIdentity> read_caller_identity(const net::HttpResponse& response) {
    if (response.status != 200)
        return sts_error(response);
    REDOUBT_TRY(const auto document, XmlDocument::parse(as_text(response.body)));
    const std::string base = "GetCallerIdentityResponse/GetCallerIdentityResult/";
    const auto arn = document.text(base + "Arn");
    const auto account = document.text(base + "Account");
    const auto user_id = document.text(base + "UserId");
    if (!arn || !is_visible(*arn, kMaxArn) || !arn->starts_with("arn:") || !account ||
        account->size() != 12 ||
        !std::ranges::all_of(*account, [](char c) { return c >= '0' && c <= '9'; }) || !user_id ||
        !is_visible(*user_id, 256))
        return fail(Code::AwsRefused, "STS's answer does not say who the caller is");
    return CallerIdentity{std::string(*arn), std::string(*account), std::string(*user_id)};
}

Result<Credentials> read_web_identity_credentials(const net::HttpResponse& response, UnixMs now) {
    if (response.status != 200)
        return sts_error(response);
    const auto document = XmlDocument::parse(as_text(response.body));
    if (!document)
        return fail(Code::AwsRefused, "STS's answer is not the XML that it should be");
    const std::string base = "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/";
    const auto text = [&](const char* name) {
        return document->text(base + name).value_or(std::string_view());
    };
    const auto key_id = text("AccessKeyId"), secret = text("SecretAccessKey"), token = text("SessionToken");
    const auto expires = from_iso8601(text("Expiration"));
    if (!is_visible(key_id, kMaxAccessKeyId) || !is_visible(secret, kMaxSecretAccessKey) ||
        !is_visible(token, kMaxSessionToken) || !expires)
        return fail(Code::AwsRefused, "STS's credentials are not complete");
    if (*expires <= now)
        return fail(Code::AwsRefused, "the credentials given have expired",
                    "Expiration " + to_iso8601(*expires));
    Credentials out;
    out.access_key_id = key_id;
    out.secret_access_key = Secret::copy_of(as_bytes(secret));
    out.session_token = Secret::copy_of(as_bytes(token));
    out.expires = *expires;
    return out;
}

Result<CallerIdentity> get_caller_identity(const StsEndpoint& endpoint, const Credentials& credentials) {
    REDOUBT_TRY(const net::Url url, endpoint_url(endpoint));
    auto request = form_request(url, "Action=GetCallerIdentity&Version=2011-06-15");
    SigV4Options signing;
    signing.region = endpoint.region;
    signing.service = "sts";
    REDOUBT_CHECK(sign_sigv4(request, credentials, signing, system_time_ms()));
    CredentialExchange exchange(url, endpoint.tls, endpoint.timeout_ms);
    REDOUBT_TRY(const auto response, exchange.send(std::move(request)));
    return read_caller_identity(response);
}

Result<Credentials> assume_role_with_web_identity(const StsEndpoint& endpoint, std::string_view role_arn,
                                                  std::string_view session_name, const Secret& token) {
    REDOUBT_TRY(const net::Url url, endpoint_url(endpoint));
    std::string body;
    body.reserve(1024 + 3 * (role_arn.size() + session_name.size() + token.size())); // grows nowhere
    body = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=";
    append_form_encoded(body, role_arn);
    body += "&RoleSessionName=";
    append_form_encoded(body, session_name);
    body += "&WebIdentityToken=";
    append_form_encoded(body, token.text(SecretAccess("send a web identity's token to STS")));
    auto request = form_request(url, body);
    wipe(body);
    CredentialExchange exchange(url, endpoint.tls, endpoint.timeout_ms);
    REDOUBT_TRY(auto response, exchange.send(std::move(request)));
    auto credentials = read_web_identity_credentials(response, system_time_ms());
    wipe(response.body);
    return credentials;
}

} // namespace redoubt::aws
