// SPDX-License-Identifier: Apache-2.0
// What a node's answer says, read strictly: bounded JSON without duplicate names, of JSON-RPC 2.0, with the
// request's id, and either a result or an error. Pure; any input. tests/fuzz/node_reply.cpp.
#pragma once

#include "gateway/node_client.h"
#include "net/http.h"

namespace redoubt::gateway {

// `status` is HTTP's. Errors: NodeUnavailable (the node asks to be left alone, or refuses this client: 401,
// 403, 429, 5xx without a JSON-RPC answer), NodeRefused (no JSON-RPC answer).
Result<NodeReply> read_node_reply(int status, std::string_view body, std::uint64_t id);

// {"jsonrpc":"2.0","id":ID,"method":…,"params":…}
std::string node_request(std::uint64_t id, std::string_view method, std::string_view params);

} // namespace redoubt::gateway
