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

    // What is left to tell of the request when it has gone on to whoever serves it.
    auto flight = std::make_shared<Flight>();
    Call& seen = flight->seen;
    seen.request.method = call.request.method;
    seen.request.path = call.request.path;
    seen.route = route_of(call);
    seen.request_id = call.request_id;
    seen.trace_parent = call.trace_parent;
    flight->began_us = began;
    flight->respond = std::move(respond);

    call.gone = [flight] { return flight->respond.client_gone(); };
    call.respond = [this, flight](net::HttpResponse response) { ended(*flight, std::move(response)); };
    for (const auto& check : checks_) {
        auto answer = check(call);
        seen.caller = call.caller;
        if (answer)
            return call.respond(std::move(*answer));
    }
    for (const auto& route : routes_)
        if (route.takes(call.request))
            return route.serve(std::move(call));
    call.respond(net::HttpResponse::error(Code::NotFound, "there is no such route"));
}

void Front::ended(const Flight& flight, net::HttpResponse response) const {
    const Call& seen = flight.seen;
    if (finish_)
        response = finish_(std::move(response), seen.request, seen);
    response.headers.push_back({"x-request-id", seen.request_id});
    const std::int64_t elapsed = monotonic_us() - flight.began_us;
    for (const auto& watch : watches_)
        watch(seen.request, seen, response, elapsed);
    flight.respond(std::move(response));
}

} // namespace redoubt::gateway
