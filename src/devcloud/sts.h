// SPDX-License-Identifier: Apache-2.0
// STS (2011-06-15, query protocol, XML): GetCallerIdentity.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/service_error.h"

namespace redoubt::devcloud {

// An authenticated call; `operation` is the form's Action.
net::HttpResponse serve_sts(Cloud& cloud, const Call& call);
// The Action of a query-protocol body; nullopt when the form is malformed or has none, or two.
std::optional<std::string> query_action(const net::HttpRequest& request);
// <ErrorResponse>, with the query protocol's own names and statuses for failures of authentication.
net::HttpResponse xml_error(const ServiceError& error, const std::string& request_id);

} // namespace redoubt::devcloud
