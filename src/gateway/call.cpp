// SPDX-License-Identifier: Apache-2.0
#include "gateway/call.h"

#include "gateway/routes.h"

namespace redoubt::gateway {

const Route* route_of(Call& call) noexcept {
    if (call.route == nullptr)
        call.route = find_route(call.request.method, call.request.path);
    return call.route;
}

Call call_for(const Call& first, std::string_view method, std::string_view path, std::string_view json,
              Respond respond) {
    Call call;
    net::HttpRequest& request = call.request = net::spare_request();
    request.method = method;
    const auto mark = path.find('?');
    request.has_query = mark != std::string_view::npos;
    if (request.has_query)
        request.query = path.substr(mark + 1);
    request.path = path.substr(0, mark);
    request.target = path;
    request.authority = first.request.authority;
    if (!json.empty())
        request.headers.add("content-type", "application/json");
    append(request.body, as_bytes(json));
    call.caller = first.caller;
    call.request_id = first.request_id;
    call.trace_parent = first.trace_parent;
    call.respond = std::move(respond);
    call.from = first.from;
    return call;
}

} // namespace redoubt::gateway
