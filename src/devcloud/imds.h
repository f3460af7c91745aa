// SPDX-License-Identifier: Apache-2.0
// The instance metadata service, version 2 only: a session token by PUT, then GETs that carry it. IMDSv1 is
// refused, as on an instance with HttpTokens=required. Role credentials are short-lived (6 hours) and are
// renewed while an hour of them is left.
#pragma once

#include "devcloud/cloud.h"

namespace redoubt::devcloud {

// Paths under /latest/.
net::HttpResponse serve_imds(Cloud& cloud, const net::HttpRequest& request);

// What a fault makes it say: an error page, and 200 with {"Code":"Failed"} in place of credentials.
net::HttpResponse imds_error(int status);
net::HttpResponse imds_failed_code(UnixMs now);

} // namespace redoubt::devcloud
