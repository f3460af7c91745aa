// SPDX-License-Identifier: Apache-2.0
// The container credentials endpoint. GET /v2/credentials/ID is ECS's (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
// or _FULL_URI; the id is the capability, and an authorization token is asked for where one was registered);
// GET /v1/credentials is EKS Pod Identity's (the token in "authorization" says who asks). What they hand out
// for is registered by PUT /redoubt/container-credentials (admin.h).
//
// Refusals are the agents' own: ECS's is JSON with a status of 400 for an unknown id (amazon-ecs-agent, "Task
// metadata: credentials"), EKS's is text (eks-pod-identity-agent, pkg/errors).
#pragma once

#include "devcloud/cloud.h"

namespace redoubt::devcloud {

bool is_container_path(std::string_view path);
net::HttpResponse serve_container(Cloud& cloud, const net::HttpRequest& request);
// {"code": …, "message": …, "HTTPErrorCode": …}
net::HttpResponse container_error(int status, std::string_view code, std::string_view message);

} // namespace redoubt::devcloud
