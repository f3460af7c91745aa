// SPDX-License-Identifier: Apache-2.0
#include "aws/environment_credentials.h"

namespace redoubt::aws {

Result<Credentials> credentials_from_environment(const EnvironmentLookup& environment, UnixMs now) {
    const auto key_id = environment("AWS_ACCESS_KEY_ID");
    const auto secret = environment("AWS_SECRET_ACCESS_KEY");
    const auto token = environment("AWS_SESSION_TOKEN");
    const auto expiration = environment("AWS_CREDENTIAL_EXPIRATION");
    if (key_id.empty() && secret.empty())
        return fail(Code::CredentialsMissing, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
    if (key_id.empty())
        return fail(Code::Usage, "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not");
    if (secret.empty())
        return fail(Code::Usage, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
    if (!is_visible(key_id, kMaxAccessKeyId) || !is_visible(secret, kMaxSecretAccessKey) ||
        (!token.empty() && !is_visible(token, kMaxSessionToken)))
        return fail(Code::Usage,
                    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds a space, a control "
                    "character or too much");
    Credentials out;
    if (!expiration.empty()) {
        const auto expires = from_iso8601(expiration);
        if (!expires)
            return fail(Code::Usage, "AWS_CREDENTIAL_EXPIRATION is not like 2026-01-31T12:00:00Z");
        if (*expires <= now)
            return fail(Code::AwsRefused, "the environment's credentials have expired",
                        "AWS_CREDENTIAL_EXPIRATION " + to_iso8601(*expires));
        out.expires = *expires;
    }
    out.access_key_id = key_id;
    out.secret_access_key = Secret::copy_of(as_bytes(secret));
    out.session_token = Secret::copy_of(as_bytes(token));
    return out;
}

} // namespace redoubt::aws
