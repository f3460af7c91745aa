// SPDX-License-Identifier: Apache-2.0
// Secrets Manager (2017-10-17): CreateSecret, GetSecretValue, PutSecretValue, UpdateSecret, DescribeSecret,
// ListSecrets. KmsKeyId is stored and told, not used; there are no resource policies yet: IAM alone decides.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/service_error.h"

namespace redoubt::devcloud {

net::HttpResponse serve_secrets_manager(Cloud& cloud, const Call& call); // an authenticated call

} // namespace redoubt::devcloud
