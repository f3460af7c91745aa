// SPDX-License-Identifier: Apache-2.0
// Authentication of a request to an AWS service: SigV4, the credential's scope, and who the access key is.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/service_error.h"

namespace redoubt::devcloud {

struct Caller {
    Principal principal;
    std::string region; // of the signature's scope: one process serves every region
};

// `service` is the signing name the request must be scoped to ("kms"). Errors (400):
// MissingAuthenticationTokenException, IncompleteSignature…, InvalidSignatureException,
// UnrecognizedClientException, ExpiredTokenException.
Reply<Caller> authenticate(const Cloud& cloud, const net::HttpRequest& request, std::string_view service);

// "us-east-1", "us-gov-west-1": what AWS's regions look like.
bool is_region(std::string_view text);

} // namespace redoubt::devcloud
