// SPDX-License-Identifier: Apache-2.0
// JSON-RPC bodies, any text: no crash, and whatever is asked of the enclave or answered is JSON that says
// what the call said. Seeds: corpus/rpc.
#include "gateway/rpc_methods.h"

#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

json::Value parsed(json::Document& document, std::string_view text) {
    json::Limits limits;
    limits.bytes = 8u << 20;
    limits.depth = 64;
    limits.values = 1u << 20;
    const auto value = document.parse(text, limits);
    require(value.has_value());
    return *value;
}

// A native body holds the members that its route knows, and what the client gave is in there as it stood.
void check_native(const gateway::RpcSign& sign) {
    static json::Document document;
    const json::Value body = parsed(document, sign.body);
    require(body.is_object());
    for (const json::Value member : body)
        require(member.name() == "transaction" || member.name() == "function" || member.name() == "hex" ||
                member.name() == "validator" || member.name() == "typed_data" ||
                member.name() == "authorization");
    if (const auto transaction = body.get("transaction")) {
        require(transaction->is_object() && transaction->get("from"));
        const auto chain = transaction->get("chainId");
        require(chain && !chain->is_null());
    }
    if (const auto authorization = body.get("authorization"))
        require(authorization->size() == 3);
    if (const auto typed = body.get("typed_data"))
        require(typed->is_object() && body.size() == 1);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static json::Document document, answer;
    const bool looks = gateway::looks_like_rpc(text);
    const auto body = gateway::parse_rpc(document, text);
    if (!body) {
        (void)parsed(answer, gateway::rpc_answer("null", body.error()));
        return 0;
    }
    require(looks || !body->batch); // what is an array is taken for JSON-RPC
    const std::vector<std::string> forward;
    gateway::RpcPlace place{5, false, [](std::uint64_t chain) { return chain == 5; }, forward, "Redoubt"};
    for (const auto& call : body->calls) {
        const auto plan = gateway::plan_rpc(call, place);
        if (!plan) {
            const std::string refusal = gateway::rpc_answer(call.id, plan.error());
            const json::Value told = parsed(answer, refusal);
            require(told.get("error") && told.get("id")->raw() == call.id);
            continue;
        }
        if (const auto* const result = std::get_if<gateway::RpcResult>(&*plan)) {
            const std::string told = gateway::rpc_answer(call.id, result->json);
            require(parsed(answer, told).get("id")->raw() == call.id);
        } else if (const auto* const sign = std::get_if<gateway::RpcSign>(&*plan)) {
            check_native(*sign);
        } else if (const auto* const send = std::get_if<gateway::RpcSend>(&*plan)) {
            require(parsed(answer, send->transaction).is_object() && send->chain_id == 5);
        } else if (const auto* const asked = std::get_if<gateway::RpcForward>(&*plan)) {
            require(!gateway::barred_from_nodes(asked->method));
            require(parsed(answer, asked->params).is_array());
        }
    }
    return 0;
}
