// SPDX-License-Identifier: Apache-2.0
#include "gateway/surfaces.h"

#include "base/version.h"
#include "gateway/gatekeeper.h"
#include "gateway/idempotency.h"
#include "gateway/key_guard.h"
#include "gateway/metrics_server.h"
#include "gateway/openapi.h"
#include "gateway/problem.h"
#include "gateway/request_log.h"
#include "gateway/router.h"
#include "gateway/rpc.h"
#include "gateway/web3signer.h"
#include "store/transaction_journal.h"

#include <fstream>
#include <iterator>

namespace redoubt::gateway {

namespace {

constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";

// Nodes behind https are verified against the machine's roots; without them none of those can be asked.
std::string system_roots() {
    std::ifstream in(kSystemRoots, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

// In the order in which they are made; each uses those above.
struct Surfaces::Impl {
    Impl(const Options& options, const Parts& parts)
        : parts_(parts), guard_(parts.loop, parts.list_workers, parts.store, parts.gatekeeper,
                                [&router = parts.router](Call&& call) { router.handle(std::move(call)); }),
          keys_(parts.loop, parts.list_workers, parts.store),
          nodes_(parts.loop, parts.node_workers, options.nodes, options.nodes.empty() ? "" : system_roots()),
          enclave_metrics_(parts.loop, parts.pool), log_(options.access_log) {}

    Status open(const Options& options) {
        // Secrets Manager is no place for a journal: without one nothing is sent, and a node only answers.
        if (!options.nodes.empty() && !store::secrets_store_prefix(options.store_path)) {
            REDOUBT_TRY(journal_, store::open_transaction_journal(options.store_path));
            Sender::Settings settings;
            settings.replace_after_ms = options.replace_after_ms;
            settings.max_fee_per_gas = options.most_fee_per_gas;
            sender_ = std::make_unique<Sender>(parts_.loop, parts_.store_workers, *journal_, nodes_, keys_,
                                               guard_.as_serve(), std::move(settings));
        }
        JsonRpc::Settings settings;
        if (options.chain_id != 0)
            settings.chain_id = options.chain_id;
        else if (!options.nodes.empty())
            settings.chain_id = options.nodes.front().chain_id;
        settings.version = "Redoubt/" + std::string(version());
        auto backends = JsonRpc::backends(guard_.as_serve(), nodes_, sender_.get());
        backends.crowded = [&pool = parts_.pool] { return pool.crowded(); };
        rpc_ = std::make_unique<JsonRpc>(parts_.loop, keys_, std::move(backends), std::move(settings));
        web3signer_ = std::make_unique<Web3Signer>(parts_.loop, keys_, guard_.as_serve(), parts_.reload);
        observatory_ = std::make_unique<Observatory>(
            Observatory::Parts{metrics_, enclave_metrics_, parts_.pool, &parts_.credentials, &parts_.store,
                               parts_.receipts, sender_.get()});
        if (options.metrics_listen) {
            REDOUBT_TRY(metrics_server_,
                        MetricsServer::open(parts_.loop, *options.metrics_listen, *observatory_));
        }
        lay_out();
        return {};
    }

    void lay_out() {
        metrics_.count(front_.flights());
        front_.add_check([this](Call& call) { return parts_.gatekeeper.check(call); });
        front_.add_watch(metrics_.ends());
        front_.add_watch(log_.watch());
        front_.set_finish([](net::HttpResponse response, const net::HttpRequest& request, const Call& call) {
            return as_problem(std::move(response), request, call.request_id);
        });
        const auto answer = [this](std::function<bool(const net::HttpRequest&)> takes,
                                   std::function<net::HttpResponse(const net::HttpRequest&)> serve) {
            front_.add_route({std::move(takes),
                              [serve = std::move(serve)](Call call) { call.respond(serve(call.request)); }});
        };
        answer([](const auto& request) { return Observatory::serves(request.path); },
               [this](const auto& request) { return observatory_->answer(request); });
        answer([](const auto& request) { return request.path == kOpenApiPath; }, serve_openapi);
        answer([](const auto& request) { return is_problem_route(request.path); }, serve_problem);
        if (sender_)
            front_.add_route({[](const auto& request) { return Sender::serves(request.path); },
                              [this](Call call) {
                                  // POST /v1/transactions has a use for the header, the sender's others have
                                  // none.
                                  if (auto refused = take_idempotency_key(call.request))
                                      return call.respond(std::move(*refused));
                                  sender_->serve(std::move(call));
                              }});
        front_.add_route({JsonRpc::takes, [this](Call call) { rpc_->serve(std::move(call)); }});
        front_.add_route({Web3Signer::takes, [this](Call call) { web3signer_->serve(std::move(call)); }});
        front_.add_route({[](const auto&) { return true; },
                          [this](Call&& call) {
                              if (auto refused = take_idempotency_key(call.request))
                                  return call.respond(std::move(*refused));
                              guard_.serve(std::move(call));
                          }});
    }

    Parts parts_;
    KeyGuard guard_;
    KeyBook keys_;
    NodeClient nodes_;
    std::unique_ptr<store::TransactionJournal> journal_;
    std::unique_ptr<Sender> sender_;
    std::unique_ptr<JsonRpc> rpc_;
    std::unique_ptr<Web3Signer> web3signer_;
    Metrics metrics_;
    EnclaveMetrics enclave_metrics_;
    std::unique_ptr<Observatory> observatory_;
    std::unique_ptr<MetricsServer> metrics_server_;
    RequestLog log_;
    Front front_;
};

Result<std::unique_ptr<Surfaces>> Surfaces::open(const Options& options, const Parts& parts) {
    std::unique_ptr<Surfaces> out(new Surfaces);
    out->impl_ = std::make_unique<Impl>(options, parts);
    REDOUBT_CHECK(out->impl_->open(options));
    return out;
}

Surfaces::~Surfaces() = default;

void Surfaces::handle(net::HttpRequest&& request, net::HttpServer::Responder&& respond) {
    impl_->front_.handle(std::move(request), std::move(respond));
}

void Surfaces::start() {
    impl_->enclave_metrics_.start();
    if (impl_->sender_)
        impl_->sender_->start();
}

void Surfaces::drain(std::function<void()> done) {
    if (!impl_->sender_)
        return done();
    impl_->sender_->drain(std::move(done));
}

const net::Endpoint* Surfaces::metrics_endpoint() const noexcept {
    return impl_->metrics_server_ ? &impl_->metrics_server_->endpoint() : nullptr;
}

void Surfaces::watch(const net::HttpServer& server) {
    impl_->observatory_->watch(server);
}

} // namespace redoubt::gateway
