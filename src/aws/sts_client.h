// SPDX-License-Identifier: Apache-2.0
// AWS STS from the host, query protocol 2011-06-15: who am I, and credentials for a web identity's token.
// Blocking.
#pragma once

#include "aws/credential_parts.h"

namespace redoubt::aws {

struct StsEndpoint {
    std::string url; // "https://sts.us-east-1.amazonaws.com", or devcloud's
    std::string region = "us-east-1";
    const net::TlsContext* tls = nullptr; // needed for https
    int timeout_ms = 5'000;               // a call
};

// "https://sts.<region>.<suffix of the region's partition>"
std::string sts_url(std::string_view region);

struct CallerIdentity {
    std::string arn, account, user_id;
};
// Errors: CredentialsExpired, AwsRefused (context: status and STS's error code), AwsUnavailable, Usage.
Result<CallerIdentity> get_caller_identity(const StsEndpoint& endpoint, const Credentials& credentials);

// Unsigned: the token is the proof. Errors as above; also AwsRefused where the credentials given have
// expired.
Result<Credentials> assume_role_with_web_identity(const StsEndpoint& endpoint, std::string_view role_arn,
                                                  std::string_view session_name, const Secret& token);

// Separated for tests and fuzzing.
Result<CallerIdentity> read_caller_identity(const net::HttpResponse& response);
Result<Credentials> read_web_identity_credentials(const net::HttpResponse& response, UnixMs now);

} // namespace redoubt::aws
