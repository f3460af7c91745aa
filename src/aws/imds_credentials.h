// SPDX-License-Identifier: Apache-2.0
// Credentials of an EC2 instance's role from its metadata service, IMDSv2 and never v1 (Amazon EC2 user
// guide, "Use the Instance Metadata Service"). Blocking.
#pragma once

#include "aws/credential_parts.h"

namespace redoubt::aws {

inline constexpr const char* kImdsEndpoint = "http://169.254.169.254";

// One exchange of three requests: token, role name, role credentials. `endpoint` like kImdsEndpoint. Errors:
// Usage (no http URL), AwsUnavailable, AwsRefused.
Result<Credentials> fetch_imds_credentials(const std::string& endpoint, int timeout_ms);

} // namespace redoubt::aws
