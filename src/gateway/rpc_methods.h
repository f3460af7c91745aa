// SPDX-License-Identifier: Apache-2.0
// What each JSON-RPC method asks for, in the gateway's own terms, and how the enclave's replies read there.
// Pure functions. docs/json-rpc.md lists the methods.
#pragma once

#include "ethereum/address.h"
#include "gateway/rpc_message.h"

#include <functional>
#include <variant>

namespace redoubt::gateway {

// How a native reply is told.
enum class RpcShape : std::uint8_t {
    RawTransaction,    // "0x…"
    RawAndTransaction, // {"raw", "tx", "call"?}, as geth's external signers
    Signature,         // "0x…", 65 bytes
    Authorization,     // {"chainId", "address", "nonce", "yParity", "r", "s"}
    Address,           // of a new key
    Ready,             // "OK"
};

struct RpcResult { // known without asking anybody
    std::string json;
};
struct RpcAccounts {};
struct RpcSign { // POST /v1/keys/{the key of `from`}/{action}
    ethereum::Address from{};
    std::string_view action;
    std::string body;
    RpcShape shape = RpcShape::Signature;
};
struct RpcNative { // a native route that names no key
    std::string_view method, path;
    std::string body;
    RpcShape shape = RpcShape::Ready;
};
struct RpcSend {
    ethereum::Address from{};
    std::uint64_t chain_id = 0;
    std::string transaction; // JSON
};
struct RpcForward {
    std::uint64_t chain_id = 0;
    std::string method, params;
};
using RpcPlan = std::variant<RpcResult, RpcAccounts, RpcSign, RpcNative, RpcSend, RpcForward>;

struct RpcPlace {                            // what the call's meaning depends on besides itself
    std::optional<std::uint64_t> chain_id;   // of the endpoint
    bool only_this_chain = false;            // the client named it: transactions of others are refused
    std::function<bool(std::uint64_t)> node; // is there a node for the chain
    std::span<const std::string> forward;    // methods that may be forwarded; empty: all but the barred
    std::string_view version;                // "Redoubt/1.2.3"
};

std::expected<RpcPlan, RpcFault> plan_rpc(const RpcCall& call, const RpcPlace& place);

// `reply`: the body of a native answer with a status of 2xx. A signature that it says is another address's
// than `from` is none. Error: Internal.
Result<std::string> rpc_result(RpcShape shape, std::string_view reply,
                               const std::optional<ethereum::Address>& from = std::nullopt);

// Methods that make a node sign, manage its accounts or steer it are never forwarded.
bool barred_from_nodes(std::string_view method) noexcept;

} // namespace redoubt::gateway
