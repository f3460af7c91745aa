// SPDX-License-Identifier: Apache-2.0
// Refusals of the native API as problem details (RFC 9457), and what each code means. Pure functions.
#pragma once

#include "net/http.h"

#include <optional>
#include <string_view>

namespace redoubt::gateway {

// Refusals of /v1 routes, {"error": sentence, "code": name, …}, get the members type, title, status, detail
// and instance in front of those that they have, and the type application/problem+json. All else passes as it
// is: other routes (their clients know other forms), successes, and bodies of another shape. `request_id`
// becomes `instance`; empty: the member is left out.
net::HttpResponse as_problem(net::HttpResponse response, const net::HttpRequest& request,
                             std::string_view request_id);

// What a problem's `type` leads to: GET /v1/problems/{code}.
struct ProblemText {
    std::string_view code;    // as on the wire
    std::string_view title;   // the same for every occurrence (RFC 9457, section 3.1.3)
    std::string_view meaning; // what happened, and what a client does about it
};
std::optional<ProblemText> problem_text(std::string_view code) noexcept;

// Does this request ask for a problem's text? Its answer: {"code","title","status","meaning"}, or 404.
bool is_problem_route(std::string_view path) noexcept;
net::HttpResponse serve_problem(const net::HttpRequest& request);

} // namespace redoubt::gateway
