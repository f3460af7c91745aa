// SPDX-License-Identifier: Apache-2.0
#include "gateway/front.h"

#include "base/spare.h"
#include "gateway/trace_context.h"

#include <chrono>
#include <thread>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxIdle = kMaxSpare == 0 ? 0 : 1024; // flights that wait for the next calls
constexpr std::size_t kKeptPath = 1024;                     // room for a path that one of them keeps

std::int64_t monotonic_us() noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

} // namespace

// What is left to tell of a request when it has gone on to whoever serves it, and where its answer goes. It
// serves one call after the other, with what its texts have room for.
struct Front::Flight final : Answerer {
    void answer(net::HttpResponse response) override;
    bool gone() const override { return respond.client_gone(); }

    const Front* front = nullptr;
    std::shared_ptr<FlightPool> flights; // nullptr: it is idle
    Call seen;
    std::int64_t began_us = 0;
    net::HttpServer::Responder respond;
    bool answered = false;
};

struct Front::FlightPool : Flights {
    std::thread::id thread; // the loop's; a flight may end on another one
    std::vector<std::unique_ptr<Flight>> idle;
};

void Front::Flight::answer(net::HttpResponse response) {
    if (!std::exchange(answered, true))
        --flights->now;
    front->ended(*this, std::move(response));
}

Front::Front() : flights_(std::make_shared<FlightPool>()) {}

std::shared_ptr<const Front::Flights> Front::flights() const noexcept {
    return flights_;
}

std::shared_ptr<Front::Flight> Front::begin(net::HttpServer::Responder&& respond) {
    if (flights_->thread == std::thread::id())
        flights_->thread = std::this_thread::get_id();
    auto& idle = flights_->idle;
    auto flight = idle.empty() ? std::make_unique<Flight>() : std::move(idle.back());
    if (!idle.empty())
        idle.pop_back();
    flight->front = this;
    flight->flights = flights_;
    flight->began_us = monotonic_us();
    flight->respond = std::move(respond);
    flight->answered = false;
    ++flights_->now;
    return {flight.release(), &Front::end, SpareAllocator<Flight>()};
}

// Nobody has it any more.
void Front::end(Flight* ended) noexcept {
    std::unique_ptr<Flight> flight(ended);
    const auto flights = std::move(flight->flights);
    if (!flight->answered) {
        --flights->now;
        ++flights->abandoned;
    }
    flight->respond = {};
    Call& seen = flight->seen;
    seen.caller = {};
    seen.trace_parent.clear();
    if (flights->thread != std::this_thread::get_id())
        return;
    if (flights->idle.size() < kMaxIdle && seen.request.path.capacity() <= kKeptPath)
        flights->idle.push_back(std::move(flight));
}

void Front::handle(net::HttpRequest&& request, net::HttpServer::Responder&& respond) {
    const auto flight = begin(std::move(respond));
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
    response.headers.add("x-request-id", seen.request_id);
    flight.respond(std::move(response));
}

} // namespace redoubt::gateway
