// SPDX-License-Identifier: Apache-2.0
// STS (2011-06-15, query protocol, XML): GetCallerIdentity, AssumeRole, AssumeRoleWithWebIdentity.
//
// Refused rather than ignored: session tags, managed session policies (PolicyArns), MFA (SerialNumber,
// TokenCode), SourceIdentity, ProvidedContexts, and OAuth 2.0 providers (ProviderId). A session policy
// (Policy) is kept, and bounds what the session may do.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/service_error.h"

namespace redoubt::devcloud {

// An authenticated call; `operation` is the form's Action.
net::HttpResponse serve_sts(Cloud& cloud, const Call& call);
// AssumeRoleWithWebIdentity, which needs no signature: the token says who asks.
inline constexpr std::string_view kWebIdentityAction = "AssumeRoleWithWebIdentity";
net::HttpResponse serve_web_identity(Cloud& cloud, const net::HttpRequest& request,
                                     const std::string& request_id, bool tls);
// The Action of a query-protocol body; nullopt when the form is malformed, names something twice, or has
// none.
std::optional<std::string> query_action(const net::HttpRequest& request);
// <ErrorResponse>, with the query protocol's own names and statuses for failures of authentication and
// authorisation. A detail stands beside AWS's members as <RedoubtDetail>.
net::HttpResponse xml_error(const ServiceError& error, const std::string& request_id);

} // namespace redoubt::devcloud
