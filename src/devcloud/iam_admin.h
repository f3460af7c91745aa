// SPDX-License-Identifier: Apache-2.0
// IAM records by JSON, on the plain listener only and without a signature: it is a development machine's own
// endpoint (docs/devcloud.md, "Accounts, users and roles").
//
//   PUT, GET, DELETE  /redoubt/iam/accounts/{id}
//   PUT, GET, DELETE  /redoubt/iam/accounts/{id}/users/{name}
//   PUT, GET, DELETE  /redoubt/iam/accounts/{id}/roles/{name}
//   GET               /redoubt/iam/accounts
#pragma once

#include "devcloud/cloud.h"

namespace redoubt::devcloud {

inline constexpr std::string_view kIamPath = "/redoubt/iam/";

net::HttpResponse serve_iam(Cloud& cloud, const net::HttpRequest& request);

// The default account, and its instance role with what an instance of Redoubt needs, where they are absent.
// Error: StoreFailed.
Status prepare_iam(Cloud& cloud);

} // namespace redoubt::devcloud
