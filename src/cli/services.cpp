// SPDX-License-Identifier: Apache-2.0
// The long-running parts as commands: gateway, vsock-proxy, devcloud. `redoubt up` runs them as children.
#include "base/json.h"
#include "base/log.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/stop_signal.h"
#include "devcloud/devcloud.h"
#include "gateway/enclave_list.h"
#include "gateway/gateway.h"
#include "host/vsock_proxy.h"

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <unistd.h>

namespace redoubt::cli {

namespace {

// Tells whoever started us: a JSON line on --ready-fd, else on stdout.
void announce(int ready_fd, const std::string& line) {
    const std::string text = line + "\n";
    if (ready_fd >= 0)
        (void)!write(ready_fd, text.data(), text.size());
    else
        std::fputs(text.c_str(), stdout), std::fflush(stdout);
}

struct GatewayCommand {
    std::string listen = "tcp:127.0.0.1:8443";
    std::vector<std::string> enclaves, nodes;
    std::string metrics, tls_enclave;
    gateway::Options options;
    int ready_fd = -1;
};

int run_gateway(GatewayCommand& command) {
    set_log_program("gateway");
    const net::Fd stop = stop_signal(), reload = reload_signal();
    command.options.reload_fd = reload.get();
    auto listen = net::parse_endpoint(command.listen);
    if (!listen)
        return report(listen.error(), false);
    command.options.listen = std::move(*listen);
    if (command.options.enclaves_file.empty() == command.enclaves.empty())
        return report(
            {Code::Usage, "name the enclaves by --enclave, or a file of them by --enclaves, not both"},
            false);
    if (!command.options.enclaves_file.empty()) {
        auto endpoints = gateway::read_enclave_list(command.options.enclaves_file);
        if (!endpoints)
            return report(endpoints.error(), false);
        command.options.enclaves = std::move(*endpoints);
    }
    for (const auto& text : command.enclaves) {
        auto endpoint = net::parse_endpoint(text);
        if (!endpoint)
            return report(endpoint.error(), false);
        command.options.enclaves.push_back(std::move(*endpoint));
    }
    for (const auto& [text, into] : {std::pair(&command.metrics, &command.options.metrics_listen),
                                     std::pair(&command.tls_enclave, &command.options.tls_enclave_listen)}) {
        if (text->empty())
            continue;
        auto endpoint = net::parse_endpoint(*text);
        if (!endpoint)
            return report(endpoint.error(), false);
        *into = std::move(*endpoint);
    }
    for (const auto& text : command.nodes) {
        auto node = gateway::parse_node_setting(text);
        if (!node)
            return report(node.error(), false);
        command.options.nodes.push_back(std::move(*node));
    }
    const auto status = gateway::serve(command.options, stop.get(), [&](const net::Endpoint& at) {
        announce(command.ready_fd, R"({"listen":")" + at.text() + R"("})");
    });
    return status ? kExitOk : report(status.error(), false);
}

struct ProxyCommand {
    std::string listen, host, config;
    std::uint16_t port = 443;
    unsigned workers = 4;
    bool only_ipv4 = false, only_ipv6 = false;
    int ready_fd = -1;
};

int run_proxy(const ProxyCommand& command) {
    set_log_program("vsock-proxy");
    const net::Fd stop = stop_signal();
    host::ProxyOptions options;
    // AWS's tool takes a vsock port; ours also takes an endpoint.
    const bool number = command.listen.find_first_not_of("0123456789") == std::string::npos;
    auto listen = net::parse_endpoint(number ? "vsock:3:" + command.listen : command.listen);
    if (!listen)
        return report(listen.error(), false);
    auto yaml = read_text_file(command.config);
    if (!yaml)
        return report(yaml.error(), false);
    auto allowlist = host::parse_allowlist(*yaml);
    if (!allowlist)
        return report(allowlist.error(), false);
    options.listen = std::move(*listen);
    options.remote_host = command.host;
    options.remote_port = command.port;
    options.allowlist = std::move(*allowlist);
    options.address_family = command.only_ipv4 ? 4 : command.only_ipv6 ? 6 : 0;
    const auto status =
        host::serve_proxy(options, stop.get(), [&] { announce(command.ready_fd, R"({"ready":true})"); });
    return status ? kExitOk : report(status.error(), false);
}

struct DevcloudCommand {
    devcloud::Options options;
    std::string access_key_file;
    int ready_fd = -1;
};

int run_devcloud(DevcloudCommand& command) {
    set_log_program("devcloud");
    const auto& o = command.options;
    if (o.data_dir.empty() || o.tls_certificate.empty() || o.tls_key.empty() || o.attestation_root.empty() ||
        command.access_key_file.empty())
        return report({Code::Usage, "devcloud needs --data-dir, --tls-certificate, --tls-key, "
                                    "--attestation-root and --access-key-file"},
                      false);
    const net::Fd stop = stop_signal();
    auto text = read_text_file(command.access_key_file);
    if (!text)
        return report(text.error(), false);
    json::Document document;
    const auto root = document.parse(*text);
    const auto id = root ? root->get("access_key_id") : std::nullopt;
    const auto secret = root ? root->get("secret_access_key") : std::nullopt;
    if (!id || !secret || !id->is_string() || !secret->is_string())
        return report({Code::Usage, "the access key file needs access_key_id and secret_access_key"}, false);
    command.options.access_key_id = std::string(id->text());
    command.options.secret_access_key = std::string(secret->text());
    const auto status = devcloud::serve(command.options, stop.get(), [&](const devcloud::Started& started) {
        std::string line;
        json::Writer(line)
            .begin_object()
            .member("url", started.url)
            .member("tls_port", std::uint64_t{started.tls_port})
            .end_object();
        announce(command.ready_fd, line);
    });
    return status ? kExitOk : report(status.error(), false);
}

} // namespace

void add_services(CLI::App& app, Context& context) {
    auto* gateway_command =
        app.add_subcommand("gateway", "HTTPS in front, enclaves behind (redoubt up starts one)");
    auto g = std::make_shared<GatewayCommand>();
    gateway_command->add_option("--listen", g->listen, "tcp:ADDRESS:PORT; port 0: any free")
        ->capture_default_str();
    gateway_command->add_option("--enclave", g->enclaves, "vsock:CID:PORT or unix:PATH; repeat for a pool");
    gateway_command->add_option(
        "--enclaves", g->options.enclaves_file,
        "file with an enclave's endpoint on each line, instead of --enclave; read again on "
        "SIGHUP (docs/pool.md)");
    gateway_command
        ->add_option("--certificate", g->options.certificate_file, "PEM chain of the TLS certificate")
        ->required();
    gateway_command->add_option("--key", g->options.key_file, "PEM key of the TLS certificate")->required();
    gateway_command->add_option("--manifest", g->options.manifest_file, "the manifest that enclaves take")
        ->required();
    gateway_command
        ->add_option("--store", g->options.store_path,
                     "sealed records: a SQLite file, postgresql://user@host/database, or "
                     "secretsmanager:PREFIX (docs/store.md)")
        ->required();
    gateway_command->add_option("--receipts", g->options.receipts_directory,
                                "folder for the log of the enclaves' receipts (docs/receipts.md); without it "
                                "none is kept");
    gateway_command->add_option(
        "--clients", g->options.clients_file,
        "JSON: who may ask for what (docs/clients.md); without it the gateway listens "
        "on loopback only");
    gateway_command->add_option("--metrics", g->metrics,
                                "tcp:ADDRESS:PORT for /metrics and /status (docs/observability.md)");
    gateway_command->add_option("--tls-enclave", g->tls_enclave,
                                "tcp:ADDRESS:PORT for TLS that ends inside the enclaves "
                                "(docs/tls-in-the-enclave.md)");
    gateway_command->add_flag("--access-log", g->options.access_log, "a log line for every request");
    gateway_command->add_flag("--short-queues", g->options.short_queues,
                              "refuse at once what an enclave that has too much to do would not begin soon "
                              "(docs/pool.md)");
    gateway_command->add_option("--node", g->nodes,
                                "CHAIN_ID=URL of an Ethereum node, for JSON-RPC and sending; repeat for more "
                                "chains, or for others of the same chain");
    gateway_command->add_option("--chain-id", g->options.chain_id,
                                "JSON-RPC's chain where a request names none (default: the first node's)");
    gateway_command
        ->add_option("--replace-after-ms", g->options.replace_after_ms,
                     "a transaction that is not mined for so long is sent with higher fees; 0: never")
        ->capture_default_str();
    gateway_command->add_option("--max-fee-per-gas", g->options.most_fee_per_gas,
                                "wei; fees that the gateway fills in or raises go no higher");
    gateway_command->add_option("--region", g->options.region, "AWS region")->capture_default_str();
    gateway_command->add_flag("--create-vault", g->options.create_vault,
                              "make a vault when the store has none");
    gateway_command->add_option("--secretsmanager-endpoint", g->options.secretsmanager_endpoint,
                                "URL (default: AWS's)");
    gateway_command->add_option("--imds-endpoint", g->options.imds_endpoint,
                                "URL (default: http://169.254.169.254)");
    gateway_command->add_option("--sts-endpoint", g->options.sts_endpoint,
                                "URL, for web identities (default: AWS's)");
    gateway_command
        ->add_option("--credentials", g->options.credential_source,
                     "where AWS credentials come from; auto tries the others in this order")
        ->check(CLI::IsMember({"auto", "environment", "web-identity", "container", "imds"}))
        ->capture_default_str();
    gateway_command->add_flag("--credentials-from-environment", g->options.credentials_from_environment,
                              "the same as --credentials environment");
    gateway_command->add_option("--deadline-ms", g->options.request_deadline_ms, "time for a request")
        ->capture_default_str();
    gateway_command
        ->add_option("--secret-cache-ms", g->options.secret_cache_ms,
                     "how old a reference ciphertext may be; 0: fetched after the request came")
        ->capture_default_str();
    gateway_command->add_option("--ready-fd", g->ready_fd, "descriptor for the ready line (default: stdout)");
    gateway_command->callback([&context, g] { context.exit_code = run_gateway(*g); });

    auto* proxy = app.add_subcommand("vsock-proxy",
                                     "byte proxy from an enclave to an AWS endpoint; takes AWS vsock-proxy's "
                                     "arguments and allow-list file");
    auto p = std::make_shared<ProxyCommand>();
    p->config = "/etc/nitro_enclaves/vsock-proxy.yaml";
    proxy->add_option("local_port", p->listen, "vsock port, or unix:PATH, or vsock:CID:PORT")->required();
    proxy->add_option("remote_addr", p->host, "host name or address")->required();
    proxy->add_option("remote_port", p->port, "port")->required();
    proxy->add_option("--config", p->config, "YAML file with the allow-list")->capture_default_str();
    proxy->add_option("-w,--num_workers", p->workers,
                      "accepted for compatibility; connections are not limited by threads here");
    proxy->add_flag("-4", p->only_ipv4, "only IPv4");
    proxy->add_flag("-6", p->only_ipv6, "only IPv6");
    proxy->add_option("--ready-fd", p->ready_fd, "descriptor for the ready line (default: stdout)");
    proxy->callback([&context, p] { context.exit_code = run_proxy(*p); });

    auto* cloud =
        app.add_subcommand("devcloud", "KMS, Secrets Manager, STS and IMDSv2 for one machine without AWS "
                                       "(development only; redoubt up starts one)");
    auto d = std::make_shared<DevcloudCommand>();
    cloud->add_option("--data-dir", d->options.data_dir, "where its state lives");
    cloud->add_option("--http-listen", d->options.http_listen, "every service, plain HTTP, loopback")
        ->capture_default_str();
    cloud->add_option("--tls-listen", d->options.tls_listen, "KMS by TLS, for the enclave")
        ->capture_default_str();
    cloud->add_option("--tls-certificate", d->options.tls_certificate, "PEM chain");
    cloud->add_option("--tls-key", d->options.tls_key, "PEM key");
    cloud->add_option("--attestation-root", d->options.attestation_root, "PEM: the development root");
    cloud->add_option("--access-key-file", d->access_key_file,
                      "JSON: access_key_id, secret_access_key of the account's root user");
    cloud->add_option("--region", d->options.region, "region")->capture_default_str();
    cloud->add_option("--account", d->options.account, "account id, 12 digits")->capture_default_str();
    cloud->add_option("--ready-fd", d->ready_fd, "descriptor for the ready line (default: stdout)");
    add_devcloud_state(*cloud, context);
    cloud->callback([&context, d, cloud] {
        if (cloud->get_subcommands().empty())
            context.exit_code = run_devcloud(*d);
    });
}

} // namespace redoubt::cli
