// SPDX-License-Identifier: Apache-2.0
// A client's request on its way through the gateway: who asks, under which name it stands in the logs, and
// where its answer goes. Loop thread only.
#pragma once

#include "net/http.h"

#include <functional>
#include <memory>
#include <string>

namespace redoubt::gateway {

class Admission; // gateway/rate_limits.h
struct Grant;    // gateway/clients.h
struct Route;    // gateway/routes.h

// Who asks, as the gateway has settled it.
struct Caller {
    std::string name; // told to the enclave as "host:NAME"; empty: the gateway vouches for nobody
    std::shared_ptr<const Grant> grant;     // what he may ask for; nullptr: whatever the gateway offers
    std::shared_ptr<Admission> admission{}; // what he has in work; nullptr: he is not held to a limit
};

struct Call {
    net::HttpRequest request;
    const Route* route = nullptr; // the request's, where somebody has looked for it (route_of())
    Caller caller;
    std::string request_id;   // 32 hexadecimal digits; in the answer's header and in every log line
    std::string trace_parent; // W3C Trace Context, as it is passed on; empty: none came
    // Exactly once.
    std::function<void(net::HttpResponse)> respond;
    // The client has gone: nobody will read the answer. Empty: not known.
    std::function<bool()> gone;

    bool client_gone() const { return gone && gone(); }
};

// The request's route (a table's, which is always there), looked for at most once where there is one;
// nullptr: none. Nobody changes a call's method or path afterwards: call_for() makes another one.
const Route* route_of(Call& call) noexcept;

// Answers a call now or later.
using Serve = std::function<void(Call call)>;

// A call of the gateway's own in another's name: `method` and `path` as a client would send them, with a JSON
// body. Request id, trace and caller are the first call's; the answer comes to `respond`.
Call call_for(const Call& first, std::string method, std::string path, std::string json,
              std::function<void(net::HttpResponse)> respond);

} // namespace redoubt::gateway
