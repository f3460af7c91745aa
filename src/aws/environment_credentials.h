// SPDX-License-Identifier: Apache-2.0
// AWS credentials from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, and
// AWS_CREDENTIAL_EXPIRATION (ISO 8601) where something set it.
#pragma once

#include "aws/credential_parts.h"

namespace redoubt::aws {

// Errors: CredentialsMissing (neither key id nor secret is set), Usage (incomplete or malformed), AwsRefused
// (expired).
Result<Credentials> credentials_from_environment(const EnvironmentLookup& environment = process_environment,
                                                 UnixMs now = system_time_ms());

} // namespace redoubt::aws
