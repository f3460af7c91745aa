// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 2.0 as text: a body's calls, and answers to them. Pure functions. docs/json-rpc.md.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "net/http.h"

#include <string>
#include <string_view>
#include <vector>

namespace redoubt::gateway {

// What JSON-RPC 2.0, EIP-1474 and the nodes say when a call fails.
enum RpcCode : std::int64_t {
    kRpcParseError = -32700,
    kRpcInvalidRequest = -32600,
    kRpcMethodNotFound = -32601,
    kRpcInvalidParams = -32602,
    kRpcInternal = -32603,
    kRpcServerError = -32000,   // a key that there is not, a state that does not allow it
    kRpcUnavailable = -32002,   // enclave, node or store: the same call may succeed later
    kRpcRejected = -32003,      // by a policy, a limit, or the client's grant
    kRpcLimitExceeded = -32005, // too much at once
};

struct RpcFault {
    std::int64_t code = kRpcInternal;
    std::string message;
    std::string data;  // JSON, or empty
    bool busy = false; // the gateway is full: a single call's answer is HTTP 503 with Retry-After
};

// data is {"code": the code's name}.
RpcFault rpc_fault(const Error& error);
// The same with another number, where JSON-RPC has one of its own.
RpcFault rpc_fault(RpcCode number, const Error& error);
// A refusal of the native interface, {"error": sentence, "code": name, "decision"?}: data is {"code",
// "decision"?}. What is no such refusal is an internal error.
RpcFault rpc_fault(const net::HttpResponse& refusal);
RpcFault rpc_fault_of_body(std::string_view refusal);

struct RpcCall {
    std::string_view method;
    std::optional<json::Value> params; // an array, or nothing
    std::string_view id;               // JSON, as it came; "null" where it could not be told
    bool notification = false;         // no id: nobody waits for an answer
    std::optional<RpcFault> fault;     // this call is none
};

struct RpcBody {
    bool batch = false; // an array
    std::vector<RpcCall> calls;
};

// application/json, with no parameter but charset=utf-8. A page in a browser can send other types to other
// hosts without asking.
bool is_json_type(std::string_view content_type) noexcept;

inline constexpr std::size_t kMaxRpcBatch = 1'000;
inline constexpr std::size_t kMaxRpcMethod = 128;

// Is the body JSON-RPC's: an array, or an object that has a member "jsonrpc"? Looks no deeper than that, and
// takes no body for JSON-RPC that is not JSON so far.
bool looks_like_rpc(std::string_view body) noexcept;

// The calls view `document` and `body`. A fault is one of the whole body: what is no JSON (-32700), names a
// member twice (-32600), is an empty batch or one of more than kMaxRpcBatch.
std::expected<RpcBody, RpcFault> parse_rpc(json::Document& document, std::string_view body);

std::string rpc_answer(std::string_view id, std::string_view result);
std::string rpc_answer(std::string_view id, const RpcFault& fault);

} // namespace redoubt::gateway
