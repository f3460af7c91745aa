// SPDX-License-Identifier: Apache-2.0
// Where the gateway gets AWS credentials: IMDSv2 (never v1). Host side only. The chain grows in a later
// stage. Blocking calls; CredentialSource caches and is not thread-safe.
#pragma once

#include "aws/credentials.h"
#include "net/http_client.h"

namespace redoubt::aws {

// One IMDSv2 exchange: token, role name, role credentials. `endpoint` like "http://169.254.169.254".
// Errors: AwsUnavailable (cannot reach), AwsRefused (says no; context has status and body).
Result<Credentials> fetch_imds_credentials(const std::string& endpoint, int timeout_ms);
// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. Error: CredentialsMissing.
Result<Credentials> credentials_from_environment();

} // namespace redoubt::aws
