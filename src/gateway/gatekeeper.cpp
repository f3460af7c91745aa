// SPDX-License-Identifier: Apache-2.0
#include "gateway/gatekeeper.h"

#include "base/log.h"
#include "gateway/input_file.h"

#include <arpa/inet.h>
#include <filesystem>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxCaBytes = 1 << 20;

struct Opened {
    net::TlsContext tls;
    std::shared_ptr<const Clients> clients;
};

// The CAs' files are named from the document's folder.
Result<std::string> read_authorities(const std::string& document, const std::vector<std::string>& files) {
    std::string out;
    for (const auto& file : files) {
        const auto path = std::filesystem::path(document).parent_path() / file;
        REDOUBT_TRY(const std::string pem, read_input_file(path.string(), kMaxCaBytes));
        out += pem;
        out += '\n';
    }
    return out;
}

Result<Opened> open_files(const Gatekeeper::Files& files) {
    std::shared_ptr<const Clients> clients;
    net::ClientCertificates certificates;
    if (!files.clients.empty()) {
        REDOUBT_TRY(const std::string text, read_input_file(files.clients, Clients::kMaxBytes));
        REDOUBT_TRY(auto parsed, Clients::parse(text));
        REDOUBT_TRY(certificates.ca_pem, read_authorities(files.clients, parsed.ca_files()));
        certificates.wanted = parsed.wants_certificates();
        clients = std::make_shared<const Clients>(std::move(parsed));
    }
    REDOUBT_TRY(auto tls,
                net::TlsContext::server(files.certificate, files.key, {"h2", "http/1.1"}, certificates));
    return Opened{std::move(tls), std::move(clients)};
}

bool is_loopback(const net::Endpoint& endpoint) {
    if (endpoint.kind != net::Endpoint::Kind::Tcp)
        return endpoint.kind == net::Endpoint::Kind::Unix;
    return endpoint.host == "localhost" || endpoint.host == "::1" || endpoint.host.starts_with("127.");
}

net::HttpResponse refused(const Error& error) {
    return net::HttpResponse::error(error);
}

net::HttpResponse must_wait(std::string_view sentence, std::int64_t wait_us) {
    auto response = net::HttpResponse::error(Code::TooManyRequests, sentence);
    response.headers.push_back({"retry-after", retry_after_seconds(wait_us)});
    return response;
}

constexpr std::string_view kTooFast = "this client asks for more than its rate_per_second; wait, or ask the "
                                      "operator for a higher one";

} // namespace

net::HttpResponse operation_missing(Operation operation) {
    return net::HttpResponse::error(
        Code::Forbidden, "this client may not do that: its operations in the clients document lack " +
                             std::string(operation_name(operation)));
}

Gatekeeper::Gatekeeper(Files files, net::TlsContext tls, std::shared_ptr<const Clients> clients)
    : files_(std::move(files)), tls_(std::move(tls)), clients_(std::move(clients)) {}

Result<std::unique_ptr<Gatekeeper>> Gatekeeper::open(Files files, const net::Endpoint& listen) {
    if (files.clients.empty() && !is_loopback(listen))
        return fail(Code::Usage, "whoever reaches this address could sign: name the clients with --clients "
                                 "FILE (docs/clients.md), or listen on tcp:127.0.0.1:PORT");
    REDOUBT_TRY(auto opened, open_files(files));
    return std::unique_ptr<Gatekeeper>(
        new Gatekeeper(std::move(files), std::move(opened.tls), std::move(opened.clients)));
}

Status Gatekeeper::reload() {
    auto opened = open_files(files_);
    if (!opened) {
        log(LogLevel::Error, "the configuration was not reloaded; what was there stays",
            {{"code", code_name(opened.error().code)},
             {"why", opened.error().text.view()},
             {"context", opened.error().context}});
        return std::unexpected(opened.error());
    }
    tls_ = std::move(opened->tls);
    clients_ = std::move(opened->clients);
    std::set<std::string> names{""};
    if (clients_)
        for (const auto& grant : clients_->grants())
            names.insert(grant->name);
    limits_.keep_only(names);
    log(LogLevel::Info, "certificate, key and clients were reloaded",
        {{"clients", std::to_string(clients())}});
    return {};
}

std::optional<net::HttpResponse> Gatekeeper::check(Call& call) {
    const Route* const route = route_of(call);
    if (!clients_ || (route != nullptr && route->access == Route::Access::Open))
        return std::nullopt;
    if (!clients_->serves_host(call.request.authority)) {
        ++refusals_.wrong_host;
        return refused({Code::WrongAuthority, "this gateway does not go by that host name; the clients "
                                              "document lists its hosts"});
    }
    auto grant = clients_->identify(call.request, system_time_ms());
    if (!grant) {
        ++refusals_.unauthorized;
        auto response = refused(grant.error());
        // RFC 6750, section 3: an error is told only to those who tried a token.
        response.headers.push_back(
            {"www-authenticate", call.request.count("authorization") == 0
                                     ? R"(Bearer realm="redoubt")"
                                     : R"(Bearer realm="redoubt", error="invalid_token")"});
        return response;
    }
    call.caller.name = (*grant)->name;
    call.caller.grant = std::move(*grant);
    if (route == nullptr)
        return refused({Code::NotFound, "there is no such route; docs/api.md lists them"});
    if (route->access == Route::Access::Operation && !call.caller.grant->may(route->operation)) {
        ++refusals_.forbidden;
        return operation_missing(route->operation);
    }
    return admit(call);
}

std::optional<net::HttpResponse> Gatekeeper::admit(Call& call) {
    const ClientLimit& limit = call.caller.grant->limit;
    if (limit == ClientLimit{})
        return std::nullopt;
    auto outcome = limits_.admit(call.caller.name, limit, monotonic_us());
    if (!outcome.admission) {
        ++(outcome.too_many_at_once ? refusals_.concurrency : refusals_.rate);
        return must_wait(outcome.too_many_at_once ? "this client has as many requests in work as its "
                                                    "concurrency allows; wait for an answer first"
                                                  : kTooFast,
                         outcome.wait_us);
    }
    call.caller.admission = outcome.admission;
    call.respond = [admission = std::move(outcome.admission),
                    respond = std::move(call.respond)](net::HttpResponse response) {
        admission->release();
        respond(std::move(response));
    };
    return std::nullopt;
}

std::optional<net::HttpResponse> Gatekeeper::charge(const Caller& caller) const {
    const auto wait = caller.admission ? caller.admission->charge(monotonic_us()) : std::nullopt;
    if (!wait)
        return std::nullopt;
    ++refusals_.rate;
    return must_wait(kTooFast, *wait);
}

} // namespace redoubt::gateway
