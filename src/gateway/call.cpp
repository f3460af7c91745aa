// SPDX-License-Identifier: Apache-2.0
#include "gateway/call.h"

#include "gateway/routes.h"

namespace redoubt::gateway {

const Route* route_of(Call& call) noexcept {
    if (call.route == nullptr)
        call.route = find_route(call.request.method, call.request.path);
    return call.route;
}

Call call_for(const Call& first, std::string method, std::string path, std::string json, Respond respond) {
    Call call;
    call.request.method = std::move(method);
    const auto mark = path.find('?');
    call.request.has_query = mark != std::string::npos;
    if (call.request.has_query)
        call.request.query = path.substr(mark + 1);
    call.request.path = path.substr(0, mark);
    call.request.target = std::move(path);
    call.request.authority = first.request.authority;
    if (!json.empty())
        call.request.headers.push_back({"content-type", "application/json"});
    call.request.body = to_bytes(json);
    call.caller = first.caller;
    call.request_id = first.request_id;
    call.trace_parent = first.trace_parent;
    call.respond = std::move(respond);
    call.from = first.from;
    return call;
}

} // namespace redoubt::gateway
