// SPDX-License-Identifier: Apache-2.0
#include "gateway/front.h"

#include "gateway/trace_context.h"

#include <chrono>
#include <utility>

namespace redoubt::gateway {

namespace {

std::int64_t monotonic_us() noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

} // namespace

// What is left to tell of a request when it has gone on to whoever serves it, and where its answer goes.
struct Front::Flight final : Answerer {
    Flight(const Front& its_front, net::HttpServer::Responder&& responder)
        : front(its_front), flights(front.flights_), respond(std::move(responder)) {
        ++flights->now;
    }
    ~Flight() override {
        if (!answered) {
            --flights->now;
            ++flights->abandoned;
        }
    }
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;

    void answer(net::HttpResponse response) override {
        if (!std::exchange(answered, true))
            --flights->now;
        front.ended(*this, std::move(response));
    }
    bool gone() const override { return respond.client_gone(); }

    const Front& front;
    std::shared_ptr<Flights> flights;
    Call seen;
    std::int64_t began_us = monotonic_us();
    net::HttpServer::Responder respond;
    bool answered = false;
};

void Front::handle(net::HttpRequest&& request, net::HttpServer::Responder&& respond) {
    const auto flight = std::make_shared<Flight>(*this, std::move(respond));
    Call call;
    call.request_id = request_id_for(request);
    call.trace_parent = trace_parent_for(request);
    call.request = std::move(request);
    call.respond = std::shared_ptr<Answerer>(flight);
    call.from = flight;

    Call& seen = flight->seen;
    seen.request.method = call.request.method;
    seen.request.path = call.request.path;
    seen.route = route_of(call);
    seen.request_id = call.request_id;
    seen.trace_parent = call.trace_parent;
    for (const auto& check : checks_) {
        auto answer = check(call);
        if (!answer)
            continue;
        seen.caller = call.caller;
        return call.respond(std::move(*answer));
    }
    seen.caller = call.caller;
    for (const auto& route : routes_)
        if (route.takes(call.request))
            return route.serve(std::move(call));
    call.respond(net::HttpResponse::error(Code::NotFound, "there is no such route"));
}

void Front::ended(Flight& flight, net::HttpResponse response) const {
    Call& seen = flight.seen;
    if (finish_)
        response = finish_(std::move(response), seen.request, seen);
    const std::int64_t elapsed = monotonic_us() - flight.began_us;
    for (const auto& watch : watches_)
        watch(seen.request, seen, response, elapsed);
    response.headers.push_back({"x-request-id", std::move(seen.request_id)});
    flight.respond(std::move(response));
}

} // namespace redoubt::gateway
