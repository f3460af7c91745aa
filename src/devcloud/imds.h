// SPDX-License-Identifier: Apache-2.0
// The instance metadata service, version 2 only: a session token by PUT, then GETs that carry it. IMDSv1 is
// refused, as on an instance with HttpTokens=required. Role credentials are short-lived (6 hours) and are
// renewed while an hour of them is left.
#pragma once

#include "devcloud/cloud.h"

namespace redoubt::devcloud {

inline constexpr UnixMs kSessionLifeMs = 6LL * 60 * 60 * 1000;
inline constexpr UnixMs kSessionRenewMs = 60LL * 60 * 1000;

// Paths under /latest/.
net::HttpResponse serve_imds(Cloud& cloud, const net::HttpRequest& request);

} // namespace redoubt::devcloud
