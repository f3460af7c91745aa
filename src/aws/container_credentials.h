// SPDX-License-Identifier: Apache-2.0
// Credentials from a container's endpoint: ECS task roles, EKS Pod Identity (AWS SDKs and Tools Reference,
// "Container credential provider"). Blocking.
//
// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is a path on http://169.254.170.2;
// AWS_CONTAINER_CREDENTIALS_FULL_URI a URL: https, or http to this machine, 169.254.170.2 (ECS),
// 169.254.170.23 or [fd00:ec2::23] (EKS). The request's Authorization is the content of
// AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, read anew each time, or else AWS_CONTAINER_AUTHORIZATION_TOKEN.
#pragma once

#include "aws/credential_parts.h"

namespace redoubt::aws {

inline constexpr const char* kContainerEndpoint = "http://169.254.170.2";

struct ContainerOptions {
    EnvironmentLookup environment = process_environment;
    std::string endpoint = kContainerEndpoint; // what a relative URI is relative to
    // Roots for an https endpoint. Error: the chain's to give.
    std::function<Result<const net::TlsContext*>()> tls{};
    int timeout_ms = 2'000; // a try
    int tries = 3;          // where there is no answer, or a status of 5xx
    int pause_ms = 200;     // between tries
};

// Errors: CredentialsMissing (not configured), Usage (host or token not allowed), Io (token file),
// AwsUnavailable, AwsRefused.
Result<Credentials> fetch_container_credentials(const ContainerOptions& options);

} // namespace redoubt::aws
