// SPDX-License-Identifier: Apache-2.0
// Credentials for a web identity's token, as EKS gives service accounts (IRSA): AWS_ROLE_ARN,
// AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_SESSION_NAME. Blocking.
#pragma once

#include "aws/sts_client.h"

namespace redoubt::aws {

struct WebIdentityOptions {
    EnvironmentLookup environment = process_environment;
    std::string sts_url; // empty: AWS's of the region
    std::string region = "us-east-1";
    std::function<Result<const net::TlsContext*>()> tls{}; // for an https endpoint
    int timeout_ms = 5'000;                                // a try
    int tries = 3;                                         // where STS is unavailable
    int pause_ms = 200;                                    // between tries
};

// The token file is read anew each time: the cluster renews it. Errors: CredentialsMissing (not configured),
// Usage, Io (token file), AwsUnavailable, AwsRefused, CredentialsExpired (the token).
Result<Credentials> fetch_web_identity_credentials(const WebIdentityOptions& options);

} // namespace redoubt::aws
