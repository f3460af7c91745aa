// SPDX-License-Identifier: Apache-2.0
#include "gateway/routes.h"

#include <algorithm>
#include <iterator>

namespace redoubt::gateway {

namespace {

using Access = Route::Access;

constexpr std::string_view kNames[] = {
#define REDOUBT_OPERATION(name, text) text,
    REDOUBT_OPERATIONS(REDOUBT_OPERATION)
#undef REDOUBT_OPERATION
};
static_assert(std::size(kNames) == kOperations);

// The first that fits is taken, so a fixed segment stands before one in braces.
constexpr Route kRoutes[] = {
    {"GET", "/healthz", Access::Open},
    {"GET", "/health", Access::Open},
    {"GET", "/upcheck", Access::Open},
    {"GET", "/healthcheck", Access::Open},
    {"GET", "/v1/openapi.json", Access::Open},
    {"GET", "/v1/problems/{code}", Access::Open},

    {"GET", "/v1/keys", Access::Operation, Operation::List},
    {"POST", "/v1/keys", Access::Operation, Operation::Create},
    {"POST", "/v1/keys/import", Access::Operation, Operation::Import},
    {"POST", "/v1/keys/adopt", Access::Operation, Operation::Import},
    {"GET", "/v1/import", Access::Operation, Operation::Import},
    {"GET", "/v1/keys/{id}", Access::Operation, Operation::List},
    {"POST", "/v1/keys/{id}/sign-transaction", Access::Operation, Operation::SignTransaction},
    {"POST", "/v1/keys/{id}/sign-message", Access::Operation, Operation::SignMessage},
    {"POST", "/v1/keys/{id}/sign-typed-data", Access::Operation, Operation::SignTypedData},
    {"POST", "/v1/keys/{id}/sign-authorization", Access::Operation, Operation::SignAuthorization},
    {"POST", "/v1/keys/{id}/sign-hash", Access::Operation, Operation::SignRaw},
    {"POST", "/v1/keys/{id}/sign-data", Access::Operation, Operation::SignRaw},
    {"POST", "/v1/keys/{id}/derive", Access::Operation, Operation::Derive},
    {"POST", "/v1/keys/{id}/disable", Access::Operation, Operation::Lifecycle},
    {"POST", "/v1/keys/{id}/enable", Access::Operation, Operation::Lifecycle},
    {"POST", "/v1/keys/{id}/schedule-deletion", Access::Operation, Operation::Lifecycle},
    {"POST", "/v1/keys/{id}/cancel-deletion", Access::Operation, Operation::Lifecycle},
    {"POST", "/v1/keys/{id}/update", Access::Operation, Operation::Lifecycle},
    {"POST", "/v1/keys/{id}/move", Access::Operation, Operation::Lifecycle},
    {"POST", "/v1/keys/{id}/export", Access::Operation, Operation::Export},
    {"GET", "/v1/keys/{id}/policy", Access::Operation, Operation::Policy},
    {"POST", "/v1/keys/{id}/policy", Access::Operation, Operation::Policy},
    {"GET", "/v1/keys/{id}/session", Access::Operation, Operation::Attest},
    {"POST", "/v1/keys/{id}/session", Access::Operation, Operation::Attest},
    {"POST", "/v1/policies", Access::Operation, Operation::Policy},
    {"GET", "/v1/challenge", Access::Operation, Operation::Attest},
    {"GET", "/v1/attestation", Access::Operation, Operation::Attest},
    {"GET", "/v1/attestation/tls", Access::Operation, Operation::Attest},
    {"GET", "/v1/tls/csr", Access::Operation, Operation::Attest},
    {"POST", "/v1/tls/certificate", Access::Operation, Operation::Reload},
    {"GET", "/v1/vaults", Access::Operation, Operation::List},
    {"POST", "/v1/vaults", Access::Operation, Operation::Vaults},

    {"GET", "/v1/transactions", Access::Operation, Operation::Send},
    {"POST", "/v1/transactions", Access::Operation, Operation::Send},
    {"GET", "/v1/transactions/{id}", Access::Operation, Operation::Send},
    {"POST", "/v1/transactions/{id}/replace", Access::Operation, Operation::Send},
    {"POST", "/v1/transactions/{id}/cancel", Access::Operation, Operation::Send},

    // JSON-RPC's methods are checked one by one; a body that is none of JSON-RPC's is the AWS sample's, and
    // is checked on its way to the enclave.
    {"POST", "/rpc", Access::Client},
    {"POST", "/rpc/{chain}", Access::Client},
    {"POST", "/", Access::Client},
    {"GET", "/api/v1/eth1/publicKeys", Access::Operation, Operation::List},
    {"POST", "/api/v1/eth1/sign/{key}", Access::Operation, Operation::SignRaw},
    {"GET", "/reload", Access::Operation, Operation::Reload},
    {"POST", "/reload", Access::Operation, Operation::Reload},

    {"GET", "/metrics", Access::Operation, Operation::Status},
    {"GET", "/status", Access::Operation, Operation::Status},

    {"POST", "/sign_transaction", Access::Operation, Operation::SignTransaction},
    {"POST", "/sign_hash", Access::Operation, Operation::SignRaw},
    {"POST", "/generate_key", Access::Operation, Operation::Create},
};
// What the AWS sample's first generation answered on any path.
constexpr Route kAnyPath{"POST", "/{any}", Access::Operation, Operation::SignTransaction};

bool is_nobodys(std::string_view path) noexcept {
    if (path == "/v1" || path.starts_with("/v1/") || path.starts_with("/api/v1/"))
        return false;
    return std::ranges::none_of(kRoutes, [&](const Route& route) { return route.pattern == path; });
}

bool fits(std::string_view pattern, std::string_view path) noexcept {
    if (path.empty() || (pattern.back() != '}' && pattern.back() != path.back())) // most do not
        return false;
    while (!pattern.empty()) {
        const std::size_t p = std::min(pattern.find('/', 1), pattern.size());
        const std::size_t q = std::min(path.find('/', 1), path.size());
        const std::string_view wanted = pattern.substr(0, p), got = path.substr(0, q);
        const bool any = wanted.starts_with("/{");
        if (any ? got.size() < 2 : wanted != got)
            return false;
        pattern.remove_prefix(p);
        path.remove_prefix(q);
    }
    return path.empty();
}

} // namespace

std::string_view operation_name(Operation operation) noexcept {
    return kNames[static_cast<std::size_t>(operation)];
}

std::optional<Operation> operation_from_name(std::string_view name) noexcept {
    const auto* const at = std::ranges::find(kNames, name);
    if (at == std::ranges::end(kNames))
        return std::nullopt;
    return static_cast<Operation>(at - std::ranges::begin(kNames));
}

std::span<const Route> routes() noexcept {
    return kRoutes;
}

const Route* find_route(std::string_view method, std::string_view path) noexcept {
    if (method == "HEAD")
        method = "GET";
    for (const Route& route : kRoutes)
        if (route.method == method && fits(route.pattern, path)) {
            // "import" and "adopt" are no key ids.
            if (method == "GET" && route.pattern == "/v1/keys/{id}" &&
                (path == "/v1/keys/import" || path == "/v1/keys/adopt"))
                return nullptr;
            return &route;
        }
    return method == "POST" && is_nobodys(path) ? &kAnyPath : nullptr;
}

std::string_view route_name(const Route* route) noexcept {
    return route == nullptr ? std::string_view("other") : route->pattern;
}

std::string_view route_name(const net::HttpRequest& request) noexcept {
    return route_name(find_route(request.method, request.path));
}

std::string_view key_of_path(std::string_view path) noexcept {
    constexpr std::string_view kPrefix = "/v1/keys/";
    if (!path.starts_with(kPrefix) || path == "/v1/keys/import" || path == "/v1/keys/adopt")
        return {};
    path.remove_prefix(kPrefix.size());
    return path.substr(0, path.find('/'));
}

} // namespace redoubt::gateway
