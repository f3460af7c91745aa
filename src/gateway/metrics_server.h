// SPDX-License-Identifier: Apache-2.0
// GET /metrics and GET /status, for operators: on a listener of their own (plain HTTP, meant for loopback or
// a network that only operators reach), or as a route of the gateway's own listener for clients that may use
// them. Loop thread only.
#pragma once

#include "gateway/credential_keeper.h"
#include "gateway/enclave_metrics.h"
#include "gateway/measured_store.h"
#include "gateway/metrics.h"
#include "gateway/sender.h"
#include "gateway/status_page.h"
#include "net/http_server.h"

#include <memory>

namespace redoubt::gateway {

class Observatory {
  public:
    // All outlive it; what is null is not there.
    struct Parts {
        Metrics& metrics;
        EnclaveMetrics& enclaves;
        EnclavePool& pool;
        CredentialKeeper* credentials = nullptr;
        const MeasuredStore* store = nullptr;
        const ReceiptLog* receipts = nullptr;
        const Sender* sender = nullptr;
    };
    // Adds the parts' numbers to the metrics.
    explicit Observatory(Parts parts);

    // And those of the gateway's listener, which outlives the metrics' use.
    void watch(const net::HttpServer& server);

    // "/metrics" and "/status".
    static bool serves(std::string_view path) noexcept;
    net::HttpResponse answer(const net::HttpRequest& request) const;
    StatusView view() const;

  private:
    StatusView::Enclave view_of(const EnclavePool::View& view) const;
    Parts parts_;
    std::int64_t started_at_;
};

class MetricsServer {
  public:
    // Loop and observatory outlive it. Error: Usage (not tcp, or a name instead of an address), Io.
    static Result<std::unique_ptr<MetricsServer>> open(net::EventLoop& loop, const net::Endpoint& listen,
                                                       const Observatory& observatory);
    const net::Endpoint& endpoint() const noexcept { return endpoint_; }

  private:
    MetricsServer() = default;
    net::Endpoint endpoint_;
    std::unique_ptr<net::HttpServer> server_;
};

// Whether a Host value is an address or localhost, with or without a port. Another name leads here only by
// somebody's trick with DNS, from a browser on this machine.
bool is_literal_authority(std::string_view authority) noexcept;

} // namespace redoubt::gateway
