// SPDX-License-Identifier: Apache-2.0
// A client's request on its way through the gateway: who asks, under which name it stands in the logs, and
// where its answer goes. Loop thread only.
#pragma once

#include "base/spare.h"
#include "gateway/trace_context.h"
#include "net/http.h"

#include <concepts>
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

// Where an answer goes. One object for that and for who waits, so that a call costs one of them.
class Answerer {
  public:
    virtual ~Answerer() = default;
    virtual void answer(net::HttpResponse response) = 0;
    // The client has gone: nobody will read the answer.
    virtual bool gone() const { return false; }
};

// Calls an Answerer, or a function of an answer. Copies call the same one; an empty one is not to be called.
class Respond {
  public:
    Respond() = default;
    Respond(std::shared_ptr<Answerer> to) noexcept : to_(std::move(to)) {} // NOLINT: it is one
    template<class Function>
    requires std::invocable<Function&, net::HttpResponse>
    Respond(Function function) // NOLINT: as std::function
        : to_(make_spare_shared<Calling<Function>>(std::move(function))) {}

    void operator()(net::HttpResponse response) const { to_->answer(std::move(response)); }
    explicit operator bool() const noexcept { return to_ != nullptr; }

  private:
    template<class Function>
    struct Calling final : Answerer {
        explicit Calling(Function f) : function(std::move(f)) {}
        void answer(net::HttpResponse response) override { function(std::move(response)); }
        Function function;
    };
    std::shared_ptr<Answerer> to_;
};

struct Call {
    net::HttpRequest request;
    const Route* route = nullptr; // the request's, where somebody has looked for it (route_of())
    Caller caller;
    RequestId request_id;                 // in the answer's header and in every log line
    std::string trace_parent;             // W3C Trace Context, as it is passed on; empty: none came
    Respond respond;                      // exactly once
    std::shared_ptr<const Answerer> from; // who waits for it in the end; nullptr: not known

    bool client_gone() const { return from && from->gone(); }
};

// The request's route (a table's, which is always there), looked for at most once where there is one;
// nullptr: none. Nobody changes a call's method or path afterwards: call_for() makes another one.
const Route* route_of(Call& call) noexcept;

// Answers a call now or later.
using Serve = std::function<void(Call&& call)>;

// A call of the gateway's own in another's name: `method` and `path` as a client would send them, with a JSON
// body. Request id, trace and caller are the first call's; the answer comes to `respond`.
Call call_for(const Call& first, std::string_view method, std::string_view path, std::string_view json,
              Respond respond);

} // namespace redoubt::gateway
