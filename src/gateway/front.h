// SPDX-License-Identifier: Apache-2.0
// What every request passes first: it gets an id, its client is settled and held to his limits, and the part
// of the gateway that its path belongs to answers. Loop thread only.
#pragma once

#include "gateway/call.h"
#include "net/http_server.h"

#include <string>
#include <vector>

namespace redoubt::gateway {

class Front {
  public:
    // Looks at a call before it is served; an answer ends it. In order: the first that answers wins.
    using Check = std::function<std::optional<net::HttpResponse>(Call& call)>;
    // Sees every call's end: `elapsed_us` from the request's last byte to the answer. Of the request only
    // method and path are there: the rest went to whoever served it.
    using Watch = std::function<void(const net::HttpRequest& request, const Call& call,
                                     const net::HttpResponse& response, std::int64_t elapsed_us)>;
    // The last word on an answer's form.
    using Finish = std::function<net::HttpResponse(net::HttpResponse response,
                                                   const net::HttpRequest& request, const Call& call)>;
    // Calls without an answer yet. Those who may answer can outlive the front.
    struct Flights {
        std::int64_t now = 0;
        std::uint64_t abandoned = 0; // nobody is left to answer them
    };
    struct Route {
        std::function<bool(const net::HttpRequest& request)> takes;
        Serve serve;
    };

    Front();

    void add_check(Check check) { checks_.push_back(std::move(check)); }
    void set_finish(Finish finish) { finish_ = std::move(finish); }
    void add_watch(Watch watch) { watches_.push_back(std::move(watch)); }
    // Asked in the order in which they were added.
    void add_route(Route route) { routes_.push_back(std::move(route)); }

    std::shared_ptr<const Flights> flights() const noexcept;

    // The front outlives the answers of what it handles.
    void handle(net::HttpRequest&& request, net::HttpServer::Responder&& respond);

  private:
    struct Flight;
    struct FlightPool;
    std::shared_ptr<Flight> begin(net::HttpServer::Responder&& respond);
    static void end(Flight* ended) noexcept;
    void ended(Flight& flight, net::HttpResponse response) const;

    std::shared_ptr<FlightPool> flights_;
    std::vector<Check> checks_;
    std::vector<Watch> watches_;
    Finish finish_;
    std::vector<Route> routes_;
};

} // namespace redoubt::gateway
