// SPDX-License-Identifier: Apache-2.0
#include "gateway/problem.h"

#include "base/json.h"

#include <algorithm>

namespace redoubt::gateway {

namespace {

constexpr std::string_view kTypePrefix = "/v1/problems/"; // a relative reference: to this gateway
// Refusals are short; what a chain's node says may stand in one.
constexpr json::Limits kRefusalLimits{.bytes = 1 << 20, .depth = 32, .values = 1 << 14};

bool is_json(const net::HttpResponse& response) noexcept {
    return response.header("content-type") == "application/json";
}

} // namespace

net::HttpResponse as_problem(net::HttpResponse response, const net::HttpRequest& request,
                             std::string_view request_id) {
    if (response.status < 400 || !request.path.starts_with("/v1/") || !is_json(response))
        return response;
    json::Document document;
    const auto root = document.parse(as_text(response.body), kRefusalLimits);
    if (!root || !root->is_object())
        return response;
    const auto code = root->get("code");
    const auto error = root->get("error");
    const auto text = code && code->is_string() ? problem_text(code->text()) : std::nullopt;
    if (!text || !error || !error->is_string())
        return response;
    std::string out;
    json::Writer writer(out);
    writer.begin_object()
        .member("type", std::string(kTypePrefix) + std::string(text->code))
        .member("title", text->title)
        .member("status", static_cast<std::uint64_t>(response.status))
        .member("detail", error->text());
    if (!request_id.empty())
        writer.member("instance", request_id);
    for (const auto member : *root) // as they were written; none of ours is among them
        writer.key(member.name()).raw(member.raw());
    writer.end_object();
    response.body = to_bytes(out);
    for (auto& header : response.headers)
        if (header.name == "content-type")
            header.value = "application/problem+json";
    return response;
}

bool is_problem_route(std::string_view path) noexcept {
    return path.starts_with(kTypePrefix) && path.find('/', kTypePrefix.size()) == std::string_view::npos &&
           path.size() > kTypePrefix.size();
}

net::HttpResponse serve_problem(const net::HttpRequest& request) {
    if (request.method != "GET" && request.method != "HEAD")
        return net::HttpResponse::error(Code::MethodNotAllowed, "a problem's text is asked for with GET");
    if (request.has_query)
        return net::HttpResponse::error(Code::UnknownField, "this route takes no query; remove it");
    if (!request.body.empty())
        return net::HttpResponse::error(Code::BadRequest, "this route takes no body; remove it");
    const auto text = problem_text(std::string_view(request.path).substr(kTypePrefix.size()));
    const auto code = text ? code_from_name(text->code) : std::nullopt;
    if (!code)
        return net::HttpResponse::error(Code::NotFound, "there is no such code; docs/api.md lists them");
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("code", text->code)
        .member("title", text->title)
        .member("status", static_cast<std::uint64_t>(http_status(*code)))
        .member("meaning", text->meaning)
        .end_object();
    return net::HttpResponse::json(200, std::move(out));
}

} // namespace redoubt::gateway
