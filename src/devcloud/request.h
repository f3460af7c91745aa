// SPDX-License-Identifier: Apache-2.0
// Authentication of a request to an AWS service: SigV4, the credential's scope, and who the access key is.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/service_error.h"

namespace redoubt::devcloud {

// `service` is the signing name the request must be scoped to ("kms"). Errors (400):
// MissingAuthenticationTokenException, IncompleteSignature…, InvalidSignatureException,
// UnrecognizedClientException, ExpiredTokenException.
Reply<Principal> authenticate(const Cloud& cloud, const net::HttpRequest& request, std::string_view service);

} // namespace redoubt::devcloud
