// SPDX-License-Identifier: Apache-2.0
#include "gateway/front.h"

#include "gateway/trace_context.h"

#include <chrono>

namespace redoubt::gateway {

namespace {

std::int64_t monotonic_us() noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

} // namespace

void Front::handle(net::HttpRequest request, net::HttpServer::Responder respond) {
    const std::int64_t began = monotonic_us();
    Call call;
    call.request_id = request_id_for(request);
    call.trace_parent = trace_parent_for(request);
    call.request = std::move(request);
    call.gone = [respond] { return respond.client_gone(); };

    // What is left to tell of the request when it has gone on to whoever serves it.
    auto seen = std::make_shared<Call>();
    seen->request.method = call.request.method;
    seen->request.target = call.request.target;
    seen->request.path = call.request.path;
    seen->request.query = call.request.query;
    seen->request.has_query = call.request.has_query;
    seen->request.authority = call.request.authority;
    seen->request_id = call.request_id;
    seen->trace_parent = call.trace_parent;

    call.respond = [this, seen, began, respond](net::HttpResponse response) {
        ended(*seen, std::move(response), began, respond);
    };
    for (const auto& check : checks_) {
        auto answer = check(call);
        seen->caller = call.caller;
        if (answer)
            return call.respond(std::move(*answer));
    }
    for (const auto& route : routes_)
        if (route.takes(call.request))
            return route.serve(std::move(call));
    call.respond(net::HttpResponse::error(Code::NotFound, "there is no such route"));
}

void Front::ended(const Call& seen, net::HttpResponse response, std::int64_t began_us,
                  const net::HttpServer::Responder& respond) const {
    if (finish_)
        response = finish_(std::move(response), seen.request, seen);
    response.headers.push_back({"x-request-id", seen.request_id});
    const std::int64_t elapsed = monotonic_us() - began_us;
    for (const auto& watch : watches_)
        watch(seen.request, seen, response, elapsed);
    respond(std::move(response));
}

} // namespace redoubt::gateway
