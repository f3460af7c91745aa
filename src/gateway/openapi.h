// SPDX-License-Identifier: Apache-2.0
// GET /v1/openapi.json: docs/schema/openapi.json, the API's description, as it was when the program was
// built. It is part of the program, so that what a gateway serves describes that gateway and no other
// version, and no file has to lie beside it. Pure functions; thread-safe.
#pragma once

#include "net/http.h"

#include <string_view>

namespace redoubt::gateway {

inline constexpr std::string_view kOpenApiPath = "/v1/openapi.json";

std::string_view openapi_document();

// Answers a request for kOpenApiPath.
net::HttpResponse serve_openapi(const net::HttpRequest& request);

} // namespace redoubt::gateway
