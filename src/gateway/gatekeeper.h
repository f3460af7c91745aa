// SPDX-License-Identifier: Apache-2.0
// The gateway's door: the TLS context that its listener uses, the clients document, and the check that every
// request passes. What the files say is taken over as a whole or not at all, at the start and at each reload;
// connections that there are go on, and the next request on them is held to the new document. Loop thread
// only.
#pragma once

#include "gateway/clients.h"
#include "gateway/front.h"
#include "net/tls.h"

#include <string>

namespace redoubt::gateway {

class Gatekeeper {
  public:
    struct Files {
        std::string certificate, key; // PEM
        std::string clients;          // the document; empty: everybody is let in, and nobody has a name
    };
    // Errors: Usage (nobody is known, and the address is none of loopback), Io, TlsFailed, and the clients
    // document's (clients.h).
    static Result<std::unique_ptr<Gatekeeper>> open(Files files, const net::Endpoint& listen);

    // For the listener; a reload assigns to it.
    const net::TlsContext& tls() const noexcept { return tls_; }
    // Reads the files again. On an error, which it logs, all stays as it is.
    Status reload();

    // Settles call.caller, holds him to his operations and limits. Answers 401, 403, 404, 421 or 429.
    std::optional<net::HttpResponse> check(Call& call);
    // A call on its way to an enclave, the gateway's own among them: takes a further token where one is due.
    std::optional<net::HttpResponse> charge(const Caller& caller) const;

    struct Refusals { // since the start, for the metrics
        std::uint64_t unauthorized = 0, forbidden = 0, wrong_host = 0, rate = 0, concurrency = 0;
    };
    const Refusals& refusals() const noexcept { return refusals_; }
    std::size_t clients() const noexcept { return clients_ ? clients_->size() : 0; }

  private:
    Gatekeeper(Files files, net::TlsContext tls, std::shared_ptr<const Clients> clients);
    std::optional<net::HttpResponse> admit(Call& call);

    Files files_;
    net::TlsContext tls_;
    std::shared_ptr<const Clients> clients_; // nullptr: there is no document
    RateLimits limits_;
    mutable Refusals refusals_;
};

// 403, naming what is missing in the client's operations.
net::HttpResponse operation_missing(Operation operation);

} // namespace redoubt::gateway
