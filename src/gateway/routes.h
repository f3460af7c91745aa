// SPDX-License-Identifier: Apache-2.0
// The gateway's routes: one table from method and path to the operation that a client must be allowed, which
// the checks, the metrics and the API's description share. Pure functions.
#pragma once

#include "net/http.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace redoubt::gateway {

// What a client may be allowed to ask for, under the names that stand in the clients document.
#define REDOUBT_OPERATIONS(X)                                                                                \
    X(SignTransaction, "sign-transaction")                                                                   \
    X(SignMessage, "sign-message")                                                                           \
    X(SignTypedData, "sign-typed-data")                                                                      \
    X(SignAuthorization, "sign-authorization")                                                               \
    X(SignRaw, "sign-raw") /* digests and bytes as they are */                                               \
    X(Send, "send")        /* transactions that the gateway fills in and broadcasts */                       \
    X(Derive, "derive")    /* addresses below an HD key */                                                   \
    X(Create, "create")    /* keys */                                                                        \
    X(Import, "import")    /* and adopt */                                                                   \
    X(Export, "export")                                                                                      \
    X(Lifecycle, "lifecycle") /* enable, disable, delete, label, move */                                     \
    X(Policy, "policy")                                                                                      \
    X(Vaults, "vaults")          /* create them */                                                           \
    X(List, "list")              /* list and describe keys and vaults */                                     \
    X(Attest, "attest")          /* attestation, challenges, sessions of signed requests */                  \
    X(RpcForward, "rpc-forward") /* JSON-RPC that goes on to a chain's node */                               \
    X(Status, "status")          /* metrics and the status page */                                           \
    X(Reload, "reload")          /* the configuration, or a certificate in the enclaves */

enum class Operation : std::uint8_t {
#define REDOUBT_OPERATION(name, text) name,
    REDOUBT_OPERATIONS(REDOUBT_OPERATION)
#undef REDOUBT_OPERATION
};
inline constexpr std::size_t kOperations = 18;

std::string_view operation_name(Operation operation) noexcept;
std::optional<Operation> operation_from_name(std::string_view name) noexcept;

struct Route {
    enum class Access : std::uint8_t {
        Open,      // health and descriptions: everybody, whatever name the client calls the gateway by
        Client,    // any client that is known; what it asks for within is checked where that is served
        Operation, // a client that is allowed `operation`
    };
    std::string_view method;  // GET stands for HEAD, too
    std::string_view pattern; // a segment in braces matches any one that is not empty
    Access access;
    Operation operation = Operation::SignTransaction; // of Access::Operation
};

std::span<const Route> routes() noexcept;

// The route of a request; nullptr: none. POST to a path that is nobody's is the AWS sample's, as "/" is
// (docs/api.md). The path is compared as it was sent: what is percent-encoded is no route.
const Route* find_route(std::string_view method, std::string_view path) noexcept;

// For logs and metrics: the route's pattern ("/v1/keys/{id}/sign-message"), or "other". Of a bounded set.
std::string_view route_name(const Route* route) noexcept;
std::string_view route_name(const net::HttpRequest& request) noexcept;

// "key-…" of /v1/keys/{id} and the routes below it; empty: the path names no key.
std::string_view key_of_path(std::string_view path) noexcept;

} // namespace redoubt::gateway
