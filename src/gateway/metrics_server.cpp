// SPDX-License-Identifier: Apache-2.0
#include "gateway/metrics_server.h"

#include "base/log.h"
#include "base/version.h"
#include "gateway/metric_parts.h"
#include "sealed/vault_record.h"

#include <arpa/inet.h>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxConnections = 32;
constexpr std::size_t kMostCodes = 12; // on the page

bool is_address(std::string_view text) noexcept {
    in6_addr ignored{};
    const std::string name(text);
    return inet_pton(AF_INET, name.c_str(), &ignored) == 1 ||
           inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
}

bool is_loopback(std::string_view host) noexcept {
    return host.starts_with("127.") || host == "::1" || host == "[::1]";
}

StatusView::Enclave::State state_of(const EnclavePool::View& view) noexcept {
    using State = StatusView::Enclave::State;
    if (!view.connected)
        return State::Unreachable;
    if (!view.in_service)
        return State::Leaving;
    if (!view.manifest_taken)
        return State::Starting;
    return view.vaults_open ? State::Ready : State::VaultsClosed;
}

std::uint64_t positive(std::int64_t value) noexcept {
    return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

} // namespace

bool is_literal_authority(std::string_view authority) noexcept {
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        return end != std::string_view::npos && is_address(authority.substr(1, end - 1));
    }
    const auto host = authority.substr(0, authority.find(':'));
    return host == "localhost" || is_address(host);
}

Observatory::Observatory(Parts parts) : parts_(parts), started_at_(monotonic_ms()) {
    using Kind = Metrics::Kind;
    Metrics& metrics = parts_.metrics;
    metrics.add(Kind::Gauge, "redoubt_enclaves", "Enclaves in service.",
                [&pool = parts_.pool] { return static_cast<double>(pool.counts().total); });
    metrics.add(Kind::Gauge, "redoubt_enclaves_usable", "Enclaves that get requests.",
                [&pool = parts_.pool] { return static_cast<double>(pool.counts().usable); });
    metrics.add(Kind::Gauge, "redoubt_vaults", "Vaults in the store.",
                [&pool = parts_.pool] { return static_cast<double>(pool.vault_list().size()); });
    metrics.add_source(
        [&enclaves = parts_.enclaves](Metrics::Families& families) { enclaves.add_to(families); });
    if (parts_.store != nullptr)
        metrics.add_source([store = parts_.store](Metrics::Families& families) { store->add_to(families); });
    if (parts_.credentials != nullptr)
        // Nothing to read while there are none, or without an end: an alert asks for what is missing.
        metrics.add_many(Kind::Gauge, "redoubt_credentials_remaining_seconds",
                         "Until the gateway's AWS credentials end; below zero: there are none.",
                         [credentials = parts_.credentials]() -> std::vector<Metrics::Reading> {
                             const auto& current = credentials->current();
                             if (!current)
                                 return {{{}, -1}};
                             if (current->expires == 0)
                                 return {};
                             return {{{}, static_cast<double>(current->expires - system_time_ms()) / 1e3}};
                         });
    if (parts_.receipts != nullptr)
        metrics.add(Kind::Gauge, "redoubt_receipts_unwritten",
                    "1: receipts wait to be written to the log, and their answers with them.",
                    [receipts = parts_.receipts] { return receipts->unwritten() ? 1.0 : 0.0; });
    if (parts_.sender != nullptr)
        metrics.add_many(Kind::Gauge, "redoubt_transactions", "Transactions of the sender, by state.",
                         [sender = parts_.sender]() -> std::vector<Metrics::Reading> {
                             const auto counts = sender->counts();
                             const auto of = [](const char* state, std::size_t count) {
                                 return Metrics::Reading{{{"state", state}}, static_cast<double>(count)};
                             };
                             return {of("waiting", counts.waiting), of("pending", counts.pending),
                                     of("mined", counts.mined), of("failed", counts.failed),
                                     of("gaps", counts.gaps)};
                         });
}

void Observatory::watch(const net::HttpServer& server) {
    using Kind = Metrics::Kind;
    Metrics& metrics = parts_.metrics;
    metrics.add(Kind::Gauge, "redoubt_connections", "Open connections of clients.",
                [&server] { return static_cast<double>(server.connections()); });
    metrics.add(Kind::Counter, "redoubt_connections_accepted_total",
                "Connections of clients since the start.",
                [&server] { return static_cast<double>(server.counts().accepted); });
    metrics.add(Kind::Counter, "redoubt_tls_handshake_failures_total",
                "Connections that ended in their TLS handshake, or took too long for it.",
                [&server] { return static_cast<double>(server.counts().handshakes_failed); });
    metrics.add_many(Kind::Counter, "redoubt_connections_lost_total",
                     "Connections closed since there were too many: idle ones that made room, and new ones.",
                     [&server]() -> std::vector<Metrics::Reading> {
                         const auto counts = server.counts();
                         return {{{{"which", "idle"}}, static_cast<double>(counts.evicted)},
                                 {{{"which", "new"}}, static_cast<double>(counts.turned_away)}};
                     });
    metrics.add_many(Kind::Counter, "redoubt_requests_by_protocol_total",
                     "Requests that reached a route, by the version of HTTP that carried them.",
                     [&server]() -> std::vector<Metrics::Reading> {
                         const auto counts = server.counts();
                         return {{{{"protocol", "http1"}}, static_cast<double>(counts.requests_http1)},
                                 {{{"protocol", "http2"}}, static_cast<double>(counts.requests_http2)}};
                     });
    metrics.add(Kind::Counter, "redoubt_requests_rejected_total",
                "Requests that were no HTTP, too large or too slow, and reached no route.",
                [&server] { return static_cast<double>(server.counts().rejected); });
}

bool Observatory::serves(std::string_view path) noexcept {
    return path == "/metrics" || path == "/status";
}

net::HttpResponse Observatory::answer(const net::HttpRequest& request) const {
    if (request.method != "GET" && request.method != "HEAD")
        return net::HttpResponse::error(Code::MethodNotAllowed, "this route takes GET");
    if (request.path == "/status")
        return status_page(view());
    if (request.path != "/metrics")
        return net::HttpResponse::error(Code::NotFound, "there is no such page; /metrics and /status are");
    net::HttpResponse response;
    response.headers = {{"content-type", "text/plain; version=0.0.4; charset=utf-8"},
                        {"cache-control", "no-store"}};
    response.body = to_bytes(parts_.metrics.render());
    return response;
}

StatusView::Enclave Observatory::view_of(const EnclavePool::View& view) const {
    using wire::Metric;
    StatusView::Enclave out;
    out.name = view.name;
    out.state = state_of(view);
    out.outstanding = view.outstanding;
    const auto* known = parts_.enclaves.find(view.name);
    if (known == nullptr || !view.connected) // what it said is history
        return out;
    if (known->description) {
        const auto& described = *known->description;
        out.told = true;
        out.debug = described.debug();
        out.version = described.version;
        out.image = described.image;
        out.module_id = described.module_id;
        out.pcr0 = described.pcr0;
        out.pcr16 = described.pcr16;
        out.manifest = described.manifest;
    }
    const auto sum = [&](Metric metric, std::string_view first = {}, std::string_view second = {}) {
        return positive(known->sum(metric, first, second));
    };
    out.counted = known->told_at != 0;
    out.up_ms = known->sum(Metric::Uptime);
    out.requests = sum(Metric::Requests, {}, "ok");
    out.refused = sum(Metric::Requests, {}, "refused");
    out.failed = sum(Metric::Requests, {}, "failed");
    out.keys_open = sum(Metric::CacheEntries) - sum(Metric::CacheEntries, "policies");
    out.cache_hits = sum(Metric::CacheHits) - sum(Metric::CacheHits, "policies");
    out.cache_misses = sum(Metric::CacheMisses) - sum(Metric::CacheMisses, "policies");
    out.kms_calls = sum(Metric::KmsCalls);
    out.kms_failures = out.kms_calls - sum(Metric::KmsCalls, {}, "ok");
    out.clock_age_ms = known->sum(Metric::ClockAge);
    out.clock_step_ms = known->sum(Metric::ClockStep);
    for (const auto& sample : known->samples)
        if (sample.metric == static_cast<std::uint16_t>(Metric::LeaseRemaining))
            out.vaults.push_back({sample.first, sample.value});
    for (const auto& moment : known->moments)
        out.mean_ms.push_back(moment.mean_ms);
    return out;
}

StatusView Observatory::view() const {
    StatusView out;
    out.now = system_time_ms();
    out.version = version();
    out.up_ms = monotonic_ms() - started_at_;
    for (const auto& each : parts_.pool.views())
        out.enclaves.push_back(view_of(each));
    for (const auto& each : parts_.pool.vault_list()) {
        StatusView::Vault vault;
        vault.id = each.id;
        vault.open = each.open;
        if (const auto decoded = sealed::decode_vault(*each.record)) {
            vault.epoch = decoded->epoch;
            vault.created = to_iso8601(decoded->created);
            for (const auto& wrap : decoded->wraps)
                vault.kms_keys.push_back(wrap.kms_key_arn);
        }
        out.vaults.push_back(std::move(vault));
    }
    const auto totals = parts_.metrics.totals();
    out.requests = totals.requests;
    out.refused = totals.refused;
    out.failed = totals.failed;
    out.in_flight = parts_.metrics.in_flight();
    out.interval_ms = Metrics::kIntervalMs;
    for (const auto& interval : parts_.metrics.history())
        out.history.push_back({interval.requests, interval.failed, interval.p50_ms, interval.p99_ms});
    out.refusals = parts_.metrics.refusals(kMostCodes);
    if (parts_.credentials != nullptr && parts_.credentials->current()) {
        const UnixMs expires = parts_.credentials->current()->expires;
        out.credentials_end = expires != 0;
        out.credentials_ms = expires != 0 ? std::max<std::int64_t>(0, expires - out.now) : -1;
    }
    out.receipts_kept = parts_.receipts != nullptr;
    out.receipts_unwritten = parts_.receipts != nullptr && parts_.receipts->unwritten();
    if (parts_.store != nullptr)
        out.store_failures = parts_.store->failures();
    if (parts_.sender != nullptr) {
        const auto counts = parts_.sender->counts();
        out.sending = {counts.waiting, counts.pending, counts.mined, counts.failed, counts.gaps};
    }
    return out;
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::open(net::EventLoop& loop, const net::Endpoint& listen,
                                                           const Observatory& observatory) {
    if (listen.kind != net::Endpoint::Kind::Tcp)
        return fail(Code::Usage, "metrics are served at tcp:ADDRESS:PORT", listen.text());
    REDOUBT_TRY(auto listener, net::listen_on(listen));
    REDOUBT_TRY(const auto endpoint, net::local_endpoint(listen, listener));
    if (!is_loopback(listen.host))
        log(LogLevel::Warning,
            "metrics and the status page are served without TLS and to whoever reaches this address",
            {{"endpoint", endpoint.text()}});
    std::unique_ptr<MetricsServer> out(new MetricsServer);
    out->endpoint_ = endpoint;
    net::HttpServerOptions options;
    options.max_connections = kMaxConnections;
    options.limits.body = 0;
    const bool loopback = is_loopback(listen.host);
    out->server_ = std::make_unique<net::HttpServer>(
        loop, std::move(listener), nullptr, options,
        [&observatory, loopback](const net::HttpRequest& request, const net::HttpServer::Responder& respond) {
            if (loopback && !is_literal_authority(request.authority))
                return respond(net::HttpResponse::error(Code::WrongAuthority,
                                                        "call this machine by its address, or localhost"));
            if (request.path == "/") {
                auto response = net::HttpResponse::text(302, "the status page is at /status\n");
                response.headers.push_back({"location", "/status"});
                return respond(std::move(response));
            }
            respond(observatory.answer(request));
        });
    return out;
}

} // namespace redoubt::gateway
