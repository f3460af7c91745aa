// SPDX-License-Identifier: Apache-2.0
// What clients reach of a gateway, put together: the front with its checks and watches, and behind it the
// native API, the AWS sample's routes, JSON-RPC, web3signer's routes, sending, metrics and the status page.
// Loop thread only.
#pragma once

#include "gateway/front.h"
#include "gateway/gateway.h"

namespace redoubt {
class WorkerPool;
}
namespace redoubt::store {
class Store;
}

namespace redoubt::gateway {

class CredentialKeeper;
class EnclavePool;
class Gatekeeper;
class MeasuredStore;
class ReceiptLog;
class Router;

class Surfaces {
  public:
    // All outlive the surfaces.
    struct Parts {
        net::EventLoop& loop;
        WorkerPool &store_workers, &list_workers, &node_workers;
        MeasuredStore& store;
        EnclavePool& pool;
        Router& router;
        CredentialKeeper& credentials;
        Gatekeeper& gatekeeper;
        ReceiptLog* receipts;           // nullptr: none is kept
        std::function<Status()> reload; // reads the gateway's files again
    };
    // Errors: StoreFailed (the journal of what is sent), Usage and Io (the metrics' address).
    static Result<std::unique_ptr<Surfaces>> open(const Options& options, const Parts& parts);
    ~Surfaces();

    void handle(net::HttpRequest&& request, net::HttpServer::Responder&& respond);
    void start();
    // What was sent is settled; `done` then.
    void drain(std::function<void()> done);
    // Where /metrics is, if it has a listener of its own.
    const net::Endpoint* metrics_endpoint() const noexcept;
    // Numbers of the listener go into the metrics. It outlives the surfaces' last answer.
    void watch(const net::HttpServer& server);

  private:
    Surfaces() = default;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace redoubt::gateway
