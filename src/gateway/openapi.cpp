// SPDX-License-Identifier: Apache-2.0
#include "gateway/openapi.h"

#include "gateway/openapi_document.h" // which cmake/embed.cmake makes

#include <string>

namespace redoubt::gateway {

std::string_view openapi_document() {
    static const std::string document = [] {
        std::string out;
        for (const std::string_view piece : kOpenApiDocument)
            out += piece;
        return out;
    }();
    return document;
}

net::HttpResponse serve_openapi(const net::HttpRequest& request) {
    if (request.method != "GET" && request.method != "HEAD")
        return net::HttpResponse::error(Code::MethodNotAllowed, "the description is asked for with GET");
    if (request.has_query)
        return net::HttpResponse::error(Code::UnknownField, "this route takes no query; remove it");
    if (!request.body.empty())
        return net::HttpResponse::error(Code::BadRequest, "this route takes no body; remove it");
    return net::HttpResponse::json(200, std::string(openapi_document()));
}

} // namespace redoubt::gateway
