// SPDX-License-Identifier: Apache-2.0
#include "gateway/gateway.h"
#include "gateway/blob_sidecar.h"

#include "aws/arn.h"
#include "aws/credential_chain.h"
#include "aws/sts_client.h"
#include "base/log.h"
#include "gateway/enclave_list.h"
#include "gateway/gatekeeper.h"
#include "gateway/input_file.h"
#include "gateway/measured_store.h"
#include "gateway/router.h"
#include "gateway/stream_pass.h"
#include "gateway/surfaces.h"
#include "http2/http2.h"
#include "net/open_files.h"

#include <mutex>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxManifestBytes = 256 * 1024; // trust/manifest.h
constexpr int kAwsTimeoutMs = 3'000;
constexpr int kDrainMs = 10'000;
constexpr int kSyncMs = 200; // between syncs of the log of receipts
constexpr int kAwsWorkers = 4, kStoreWorkers = 2, kListWorkers = 1, kNodeWorkers = 4;
constexpr std::size_t kMaxWaiting = 1'024; // jobs for the workers of either kind
constexpr std::size_t kMaxWaitingLists = 64;
constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";

Result<std::string> default_secrets_endpoint(const std::string& region) {
    REDOUBT_TRY(const auto suffix, aws::partition_suffix(aws::partition_of_region(region)));
    return "https://secretsmanager." + region + "." + suffix;
}

// Clients for Secrets Manager, one for each worker that is busy with one.
class SecretsClients {
  public:
    SecretsClients(std::string endpoint, std::string region, const net::TlsContext* tls)
        : endpoint_(std::move(endpoint)), region_(std::move(region)), tls_(tls) {}

    Result<Bytes> get(const std::string& secret_id, const aws::Credentials& credentials) {
        std::unique_ptr<aws::SecretsClient> client;
        {
            const std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                client = std::move(idle_.back());
                idle_.pop_back();
            }
        }
        if (!client)
            client = std::make_unique<aws::SecretsClient>(endpoint_, region_, tls_, kAwsTimeoutMs);
        auto result = client->get_secret_value(secret_id, credentials);
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(client));
        return result;
    }

  private:
    std::string endpoint_, region_;
    const net::TlsContext* tls_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<aws::SecretsClient>> idle_;
};

// For a store that is an AWS service: asked from its threads, fetched anew a minute before they expire.
class StoreCredentials {
  public:
    explicit StoreCredentials(aws::CredentialChain& chain) : chain_(chain) {}

    Result<std::shared_ptr<const aws::Credentials>> get() {
        constexpr std::int64_t kEarlyMs = 60'000;
        const std::lock_guard lock(mutex_);
        if (!held_ || (held_->expires != 0 && held_->expires - kEarlyMs < system_time_ms())) {
            REDOUBT_TRY(auto fresh, chain_.fetch());
            held_ = std::make_shared<const aws::Credentials>(std::move(fresh));
        }
        return held_;
    }

  private:
    aws::CredentialChain& chain_;
    std::mutex mutex_;
    std::shared_ptr<const aws::Credentials> held_;
};

// Nothing changes where the file cannot be taken.
void reload_enclaves(const Options& options, EnclavePool& pool) {
    if (options.enclaves_file.empty())
        return;
    const auto endpoints = read_enclave_list(options.enclaves_file);
    const Status status =
        endpoints ? pool.set_endpoints(*endpoints) : Status(std::unexpected(endpoints.error()));
    if (!status)
        log(LogLevel::Error, "the list of enclaves was not reloaded; those that were there stay",
            {{"why", status.error().text.view()}, {"context", status.error().context}});
}

} // namespace

Status serve(const Options& options, int stop_fd, const std::function<void(const net::Endpoint&)>& ready) {
    REDOUBT_TRY(std::string manifest, read_input_file(options.manifest_file, kMaxManifestBytes));
    REDOUBT_TRY(
        const auto gatekeeper,
        Gatekeeper::open({options.certificate_file, options.key_file, options.clients_file}, options.listen));

    std::string secrets_endpoint = options.secretsmanager_endpoint;
    if (secrets_endpoint.empty()) {
        REDOUBT_TRY(secrets_endpoint, default_secrets_endpoint(options.region));
    }
    std::optional<net::TlsContext> aws_tls;
    if (secrets_endpoint.starts_with("https:")) {
        REDOUBT_TRY(const std::string roots, read_input_file(kSystemRoots, 16 << 20));
        REDOUBT_TRY(auto context, net::TlsContext::client(roots, {"http/1.1"}));
        aws_tls = std::move(context);
    }
    aws::ChainOptions chain_options;
    REDOUBT_TRY(chain_options.only, aws::parse_credential_source(options.credential_source));
    if (options.credentials_from_environment)
        chain_options.only = aws::CredentialSource::Environment;
    chain_options.region = options.region;
    chain_options.sts_endpoint = options.sts_endpoint;
    chain_options.imds_endpoint = options.imds_endpoint;
    chain_options.roots_file = kSystemRoots;
    aws::CredentialChain chain(std::move(chain_options)); // outlives the workers that ask it
    StoreCredentials store_credentials(chain);
    const auto open_store = [&]() -> Result<std::unique_ptr<store::Store>> {
        const auto prefix = store::secrets_store_prefix(options.store_path);
        if (!prefix)
            return store::open_store(options.store_path);
        store::SecretsStoreOptions secrets;
        secrets.prefix = *prefix;
        secrets.endpoint = secrets_endpoint;
        secrets.region = options.region;
        secrets.tls = aws_tls ? &*aws_tls : nullptr;
        secrets.credentials = [&] { return store_credentials.get(); };
        return store::open_secrets_store(std::move(secrets));
    };
    REDOUBT_TRY(const auto opened_store, open_store());
    MeasuredStore measured(*opened_store);
    store::Store* const store = &measured;
    REDOUBT_TRY(auto vaults, store->list_vaults());
    CredentialKeeper::Fetch fetch_credentials = [&chain] {
        const bool first = !chain.answered();
        auto credentials = chain.fetch();
        if (credentials && first)
            log(LogLevel::Info, "AWS credentials",
                {{"source", aws::source_name(chain.answered().value_or(aws::CredentialSource::Imds))},
                 {"expires", credentials->expires == 0 ? "never" : to_iso8601(credentials->expires)}});
        return credentials;
    };

    std::unique_ptr<ReceiptLog> receipts;
    if (!options.receipts_directory.empty()) {
        REDOUBT_TRY(receipts, ReceiptLog::open(options.receipts_directory));
    }
    REDOUBT_TRY(auto listener, net::listen_on(options.listen));
    REDOUBT_TRY(const auto listening, net::local_endpoint(options.listen, listener));
    net::Fd enclave_listener;
    if (options.tls_enclave_listen) {
        REDOUBT_TRY(enclave_listener, net::listen_on(*options.tls_enclave_listen));
    }

    net::EventLoop loop;
    SecretsClients secrets_clients(secrets_endpoint, options.region, aws_tls ? &*aws_tls : nullptr);
    // Destroyed before the loop, after everything that they post results to has been told to ignore them.
    WorkerPool aws_workers(kAwsWorkers, kMaxWaiting), store_workers(kStoreWorkers, kMaxWaiting),
        list_workers(kListWorkers, kMaxWaitingLists), node_workers(kNodeWorkers, kMaxWaiting);

    EnclavePool* pool_seen = nullptr; // the keeper is made first, and tells the pool
    CredentialKeeper credentials(
        loop, aws_workers, std::move(fetch_credentials),
        [&](const CredentialKeeper::Credentials&) { pool_seen->credentials_changed(); });
    EnclavePool pool(loop, store_workers, *store, credentials,
                     {options.enclaves, std::move(manifest), options.create_vault,
                      options.max_outstanding_per_enclave, options.short_queues, receipts.get()},
                     std::move(vaults), [&] {
                         if (ready)
                             ready(listening);
                     });
    pool_seen = &pool;
    ReferenceSecrets secrets(
        loop, aws_workers, credentials,
        [&](const std::string& id, const aws::Credentials& with) { return secrets_clients.get(id, with); },
        options.secret_cache_ms);
    Router router(loop, store_workers, list_workers, *store, pool, credentials, secrets,
                  options.request_deadline_ms, receipts.get());
    const auto reload = [&] {
        const auto status = gatekeeper->reload(); // both say in the log how it went
        reload_enclaves(options, pool);
        return status;
    };
    REDOUBT_TRY(const auto surfaces,
                Surfaces::open(options, {loop, store_workers, list_workers, node_workers, measured, pool,
                                         router, credentials, *gatekeeper, receipts.get(), reload}));
    net::HttpServerOptions server_options;
    server_options.http2 = http2::protocol();
    server_options.limits.body = kMaxBodyWithBlobs;
    server_options.max_connections = net::connections_that_fit(server_options.max_connections);
    net::HttpServer server(loop, std::move(listener), &gatekeeper->tls(), server_options,
                           [&](net::HttpRequest&& request, net::HttpServer::Responder&& respond) {
                               surfaces->handle(std::move(request), std::move(respond));
                           });
    surfaces->watch(server);
    std::optional<StreamPass> streams;
    if (enclave_listener.get() >= 0)
        streams.emplace(loop, pool, router, std::move(enclave_listener));

    loop.add(stop_fd, EPOLLIN, [&](std::uint32_t) {
        loop.remove(stop_fd);
        log(LogLevel::Info, "stopping; requests under way are answered first");
        const auto parts = std::make_shared<int>(streams ? 2 : 1);
        const auto drained = [&, parts] {
            if (--*parts == 0)
                surfaces->drain([&] { loop.stop(); });
        };
        server.drain(kDrainMs, drained);
        if (streams)
            streams->drain(kDrainMs, drained);
    });
    if (options.reload_fd >= 0)
        loop.add(options.reload_fd, EPOLLIN, [&](std::uint32_t) {
            signalfd_siginfo seen{};
            while (read(options.reload_fd, &seen, sizeof seen) > 0) {
            }
            (void)reload();
        });
    log(LogLevel::Info, "listening", {{"endpoint", listening.text()}});
    if (const auto* metrics = surfaces->metrics_endpoint())
        log(LogLevel::Info, "metrics and status", {{"endpoint", metrics->text()}});
    credentials.start();
    pool.start();
    surfaces->start();
    // What the log was told is on the disk soon after, whatever happens to the machine.
    WorkerPool sync_worker(1, 1);
    std::function<void()> sync = [&] {
        (void)sync_worker.submit([&] { receipts->sync(); });
        loop.after(kSyncMs, sync);
    };
    if (receipts)
        loop.after(kSyncMs, sync);
    loop.run();
    pool.stop();
    log(LogLevel::Info, "stopped");
    return {};
}

} // namespace redoubt::gateway
