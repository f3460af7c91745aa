// SPDX-License-Identifier: Apache-2.0
#include "aws/web_identity_credentials.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace redoubt::aws {

namespace {

// STS API Reference, AssumeRoleWithWebIdentity: RoleArn 20 … 2048, RoleSessionName 2 … 64 of [\w+=,.@-],
// WebIdentityToken 4 … 20,000.
constexpr std::size_t kMinRoleArn = 20, kMaxRoleArn = 2048;
constexpr std::size_t kMinSessionName = 2, kMaxSessionName = 64;
constexpr std::size_t kMinToken = 4, kMaxToken = 20'000;

bool is_session_name(std::string_view text) noexcept {
    constexpr std::string_view kMarks = "_+=,.@-";
    return text.size() >= kMinSessionName && text.size() <= kMaxSessionName &&
           std::ranges::all_of(text, [&](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      kMarks.find(c) != kMarks.npos;
           });
}

Result<Secret> read_token(const std::string& path) {
    REDOUBT_TRY(const Secret content, read_secret_file(path, kMaxToken + 2));
    auto text = content.text(SecretAccess("find the end of a web identity's token"));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
        text.remove_suffix(1);
    if (text.size() < kMinToken || !is_visible(text, kMaxToken))
        return fail(Code::Io, "the web identity token file does not hold a token", path);
    return Secret::copy_of(as_bytes(text));
}

} // namespace

Result<Credentials> fetch_web_identity_credentials(const WebIdentityOptions& options) {
    const std::string file(options.environment("AWS_WEB_IDENTITY_TOKEN_FILE"));
    const std::string role(options.environment("AWS_ROLE_ARN"));
    std::string session(options.environment("AWS_ROLE_SESSION_NAME"));
    if (file.empty())
        return fail(Code::CredentialsMissing, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    if (role.empty())
        return fail(Code::Usage, "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not");
    if (role.size() < kMinRoleArn || !is_visible(role, kMaxRoleArn) || !role.starts_with("arn:"))
        return fail(Code::Usage, "AWS_ROLE_ARN is not a role's ARN");
    if (session.empty())
        session = "redoubt-" + std::to_string(system_time_ms());
    if (!is_session_name(session))
        return fail(Code::Usage, "AWS_ROLE_SESSION_NAME is not 2 to 64 letters, digits and _+=,.@-");

    StsEndpoint endpoint;
    endpoint.url = options.sts_url.empty() ? sts_url(options.region) : options.sts_url;
    endpoint.region = options.region;
    endpoint.timeout_ms = options.timeout_ms;
    if (endpoint.url.starts_with("https:")) {
        if (!options.tls)
            return fail(Code::Usage, "an https endpoint needs roots to trust", endpoint.url);
        REDOUBT_TRY(endpoint.tls, options.tls());
    }
    for (int attempt = 1;; ++attempt) {
        REDOUBT_TRY(const Secret token, read_token(file));
        auto credentials = assume_role_with_web_identity(endpoint, role, session, token);
        if (credentials || credentials.error().code != Code::AwsUnavailable || attempt >= options.tries)
            return credentials;
        std::this_thread::sleep_for(std::chrono::milliseconds(options.pause_ms));
    }
}

} // namespace redoubt::aws
