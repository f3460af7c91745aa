// SPDX-License-Identifier: Apache-2.0
#include "gateway/rpc_methods.h"

#include "gateway/rpc_params.h"

#include "ethereum/uint256.h"

#include <algorithm>

namespace redoubt::gateway {

namespace {

using Planned = std::expected<RpcPlan, RpcFault>;
using Handler = Planned (*)(const RpcParams& params, const RpcPlace& place);

std::string quoted(std::string_view text) {
    std::string out;
    json::append_escaped(out, text);
    return out;
}

RpcFault no_such_method(std::string_view method) {
    RpcFault fault = rpc_fault(kRpcMethodNotFound,
                               Error{Code::NotFound, "the method does not exist or is not available", {}});
    // Clients tell a method that is missing by the nodes' words.
    fault.message = "the method " + std::string(method) + " does not exist/is not available";
    return fault;
}

Planned accounts(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(0))
        return std::unexpected(std::move(*fault));
    return RpcAccounts{};
}

Planned chain_id(const RpcParams& params, const RpcPlace& place) {
    if (auto fault = params.at_most(0))
        return std::unexpected(std::move(*fault));
    if (!place.chain_id)
        return std::unexpected(rpc_fault(
            kRpcServerError, Error{Code::MissingField,
                                   "this endpoint has no chain: ask at /rpc/CHAIN_ID, or start the gateway "
                                   "with a default chain id",
                                   {}}));
    return RpcResult{quoted(ethereum::to_quantity(*place.chain_id))};
}

Planned net_version(const RpcParams& params, const RpcPlace& place) {
    // A network's id is not always its chain's.
    if (place.chain_id && place.node && place.node(*place.chain_id))
        return RpcForward{*place.chain_id, "net_version", "[]"};
    auto chain = chain_id(params, place);
    if (!chain)
        return chain;
    return RpcResult{quoted(std::to_string(*place.chain_id))};
}

Planned client_version(const RpcParams& params, const RpcPlace& place) {
    if (auto fault = params.at_most(0))
        return std::unexpected(std::move(*fault));
    return RpcResult{quoted(place.version)};
}

// The version of the protocol that geth speaks with external signers, which Clef last gave as this.
Planned account_version(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(0))
        return std::unexpected(std::move(*fault));
    return RpcResult{quoted("6.1.0")};
}

Planned health_status(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(0))
        return std::unexpected(std::move(*fault));
    return RpcNative{"GET", "/healthz", "", RpcShape::Ready};
}

Planned account_new(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(0))
        return std::unexpected(std::move(*fault));
    return RpcNative{"POST", "/v1/keys", "{}", RpcShape::Address};
}

constexpr std::string_view kTransaction = R"({"transaction":)";

Planned sign_transaction(const RpcParams& params, const RpcPlace& place) {
    if (auto fault = params.at_most(1))
        return std::unexpected(std::move(*fault));
    auto transaction = params.transaction(0, place, kTransaction);
    if (!transaction)
        return std::unexpected(std::move(transaction).error());
    transaction->json += '}';
    return RpcSign{transaction->from, "sign-transaction", std::move(transaction->json),
                   RpcShape::RawTransaction};
}

// [transaction, "function(type)"?]: the signature by which the call shall be read.
Planned account_sign_transaction(const RpcParams& params, const RpcPlace& place) {
    if (auto fault = params.at_most(2))
        return std::unexpected(std::move(*fault));
    auto transaction = params.transaction(0, place, kTransaction);
    if (!transaction)
        return std::unexpected(std::move(transaction).error());
    std::string body = std::move(transaction->json);
    if (const auto function = params.at(1)) {
        if (!function->is_string())
            return std::unexpected(bad_param("the second parameter must be a function's signature"));
        body += R"(,"function":)" + quoted(function->text());
    }
    return RpcSign{transaction->from, "sign-transaction", body + "}", RpcShape::RawAndTransaction};
}

Planned send_transaction(const RpcParams& params, const RpcPlace& place) {
    if (auto fault = params.at_most(1))
        return std::unexpected(std::move(*fault));
    auto transaction = params.transaction(0, place);
    if (!transaction)
        return std::unexpected(std::move(transaction).error());
    if (!transaction->chain_id)
        return std::unexpected(
            bad_param("the transaction needs chainId: this endpoint has no chain of its own"));
    if (!transaction->chain_id->fits_u64() || !place.node || !place.node(transaction->chain_id->limbs[0]))
        return std::unexpected(rpc_fault(
            kRpcMethodNotFound, Error{Code::NotFound,
                                      "no node is configured for this chain, so nothing can be sent; "
                                      "eth_signTransaction signs",
                                      {}}));
    return RpcSend{transaction->from, transaction->chain_id->limbs[0], std::move(transaction->json)};
}

Planned message(const RpcParams& params, std::size_t data_at, std::size_t address_at) {
    auto from = params.address(address_at);
    if (!from)
        return std::unexpected(std::move(from).error());
    auto data = params.hex(data_at);
    if (!data)
        return std::unexpected(std::move(data).error());
    return RpcSign{*from, "sign-message", R"({"hex":")" + std::string(*data) + "\"}", RpcShape::Signature};
}

Planned eth_sign(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(2))
        return std::unexpected(std::move(*fault));
    return message(params, 1, 0);
}

// Some clients send a password, too.
Planned personal_sign(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(3))
        return std::unexpected(std::move(*fault));
    if (const auto password = params.at(2); password && !(password->is_string() && password->text().empty()))
        return std::unexpected(bad_param("keys here have no password; leave the third parameter out"));
    return message(params, 0, 1);
}

Planned typed_data(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(2))
        return std::unexpected(std::move(*fault));
    auto from = params.address(0);
    if (!from)
        return std::unexpected(std::move(from).error());
    auto data = params.object(1);
    if (!data)
        return std::unexpected(std::move(data).error());
    return RpcSign{*from, "sign-typed-data", R"({"typed_data":)" + std::string(*data) + "}",
                   RpcShape::Signature};
}

// (content type, address, data), as geth asks external signers.
Planned account_sign_data(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(3))
        return std::unexpected(std::move(*fault));
    const auto type = params.at(0);
    if (!type || !type->is_string())
        return std::unexpected(bad_param("the first parameter must be the data's content type"));
    if (type->text() == "text/plain")
        return message(params, 2, 1);
    if (type->text() != "data/validator")
        return std::unexpected(
            bad_param("the content types that are signed are text/plain and data/validator"));
    auto from = params.address(1);
    if (!from)
        return std::unexpected(std::move(from).error());
    auto body = params.validator_message(2);
    if (!body)
        return std::unexpected(std::move(body).error());
    return RpcSign{*from, "sign-message", std::move(*body), RpcShape::Signature};
}

// [address, {chainId, address, nonce}], or all in one object with `from`.
Planned sign_authorization(const RpcParams& params, const RpcPlace& place) {
    if (auto fault = params.at_most(2))
        return std::unexpected(std::move(*fault));
    const bool together = params.at(0) && params.at(0)->is_object();
    auto authorization = params.authorization(together ? 0 : 1, place);
    if (!authorization)
        return std::unexpected(std::move(authorization).error());
    if (together && params.at(1))
        return std::unexpected(bad_param("the authorization's object is the only parameter, or the second"));
    if (!together) {
        auto from = params.address(0);
        if (!from)
            return std::unexpected(std::move(from).error());
        if (authorization->from && *authorization->from != *from)
            return std::unexpected(bad_param("the address and the authorization's from differ; give one"));
        authorization->from = *from;
    }
    if (!authorization->from)
        return std::unexpected(bad_param("the authorization needs from: the address that signs it"));
    return RpcSign{*authorization->from, "sign-authorization",
                   R"({"authorization":)" + authorization->json + "}", RpcShape::Authorization};
}

Planned recover(const RpcParams& params, const RpcPlace&) {
    if (auto fault = params.at_most(2))
        return std::unexpected(std::move(*fault));
    auto signer = params.signer_of_message(0, 1);
    if (!signer)
        return std::unexpected(std::move(signer).error());
    return RpcResult{quoted(to_hex0x(*signer))};
}

struct Method {
    std::string_view name;
    Handler plan;
};
constexpr Method kMethods[] = {
    {"eth_accounts", accounts},
    {"eth_requestAccounts", accounts},
    {"eth_chainId", chain_id},
    {"eth_sendTransaction", send_transaction},
    {"eth_sign", eth_sign},
    {"eth_signAuthorization", sign_authorization},
    {"eth_signTransaction", sign_transaction},
    {"eth_signTypedData", typed_data},
    {"eth_signTypedData_v3", typed_data},
    {"eth_signTypedData_v4", typed_data},
    {"net_version", net_version},
    {"web3_clientVersion", client_version},
    {"personal_sign", personal_sign},
    {"personal_ecRecover", recover},
    {"health_status", health_status},
    {"account_ecRecover", recover},
    {"account_list", accounts},
    {"account_new", account_new},
    {"account_signData", account_sign_data},
    {"account_signTransaction", account_sign_transaction},
    {"account_signTypedData", typed_data},
    {"account_version", account_version},
};

bool may_forward(std::string_view method, const RpcPlace& place) noexcept {
    if (barred_from_nodes(method) || !place.chain_id || !place.node || !place.node(*place.chain_id))
        return false;
    return place.forward.empty() || std::ranges::find(place.forward, method) != place.forward.end();
}

std::optional<json::Value> text_member(const json::Value& object, std::string_view name) {
    const auto found = object.get(name);
    return found && found->is_string() ? found : std::nullopt;
}

// The usual reply, of a transaction that was signed, begins with what is asked for: all of it need not be
// read.
std::optional<std::string_view> first_raw_transaction(std::string_view reply) noexcept {
    constexpr std::string_view kBefore = R"({"raw_transaction":)";
    constexpr std::string_view kDigits = R"("0x)";
    if (!reply.starts_with(kBefore) || !reply.substr(kBefore.size()).starts_with(kDigits))
        return std::nullopt;
    const std::string_view text = reply.substr(kBefore.size());
    const std::size_t end = text.find('"', kDigits.size());
    return end != std::string_view::npos ? std::optional(text.substr(0, end + 1)) : std::nullopt;
}

// 32 bytes as a quantity.
std::optional<std::string> quantity_member(const json::Value& object, std::string_view name) {
    const auto text = text_member(object, name);
    const auto bytes = text ? from_hex0x(text->text()) : std::nullopt;
    const auto number = bytes ? ethereum::from_big_endian(*bytes) : std::nullopt;
    if (!number)
        return std::nullopt;
    return ethereum::to_quantity(*number);
}

// The transaction as nodes show it: with its signature and hash.
std::optional<std::string> raw_and_transaction(const json::Value& reply) {
    const auto raw = text_member(reply, "raw_transaction"), hash = text_member(reply, "hash"),
               v = text_member(reply, "v");
    const auto r = quantity_member(reply, "r"), s = quantity_member(reply, "s");
    const auto transaction = reply.get("transaction"), parity = reply.get("y_parity");
    if (!raw || !hash || !v || !r || !s || !transaction || !transaction->is_object() || !parity ||
        !parity->u64())
        return std::nullopt;
    std::string out;
    json::Writer writer(out);
    writer.begin_object().key("raw").raw(raw->raw()).key("tx").begin_object();
    for (const json::Value member : *transaction)
        writer.key(member.name()).raw(member.raw());
    writer.key("v").raw(v->raw()).member("r", *r).member("s", *s);
    if (const auto type = text_member(*transaction, "type"); type && type->text() != "0x0")
        writer.member("yParity", ethereum::to_quantity(*parity->u64()));
    writer.key("hash").raw(hash->raw()).end_object();
    if (const auto call = reply.get("call"))
        writer.key("call").raw(call->raw());
    writer.end_object();
    return out;
}

std::optional<std::string> shaped(RpcShape shape, const json::Value& reply) {
    const auto raw_member = [&](std::optional<json::Value> found) -> std::optional<std::string> {
        if (!found)
            return std::nullopt;
        return std::string(found->raw());
    };
    switch (shape) {
    case RpcShape::RawTransaction:
        return raw_member(text_member(reply, "raw_transaction"));
    case RpcShape::RawAndTransaction:
        return raw_and_transaction(reply);
    case RpcShape::Signature:
        return raw_member(text_member(reply, "signature"));
    case RpcShape::Authorization:
        return raw_member(reply.get("authorization"));
    case RpcShape::Address:
        return raw_member(text_member(reply, "address"));
    case RpcShape::Ready:
        return "\"OK\"";
    }
    return std::nullopt;
}

} // namespace

bool barred_from_nodes(std::string_view method) noexcept {
    constexpr std::string_view kPrefixes[] = {"personal_", "account_",   "admin_",  "debug_",  "miner_",
                                              "engine_",   "clique_",    "wallet_", "parity_", "eth_sign",
                                              "les_",      "eth_resend", "signer_", "clef_",   "opsigner_"};
    return method == "eth_sendTransaction" || method == "eth_accounts" || method == "eth_requestAccounts" ||
           std::ranges::any_of(kPrefixes,
                               [&](std::string_view prefix) { return method.starts_with(prefix); });
}

Planned plan_rpc(const RpcCall& call, const RpcPlace& place) {
    if (call.fault)
        return std::unexpected(*call.fault);
    const auto* const known = std::ranges::find(kMethods, call.method, &Method::name);
    if (known != std::ranges::end(kMethods))
        return known->plan(RpcParams(call.params), place);
    if (!may_forward(call.method, place))
        return std::unexpected(no_such_method(call.method));
    return RpcForward{*place.chain_id, std::string(call.method),
                      std::string(call.params ? call.params->raw() : "[]")};
}

Result<std::string> rpc_result(RpcShape shape, std::string_view reply,
                               const std::optional<ethereum::Address>& from) {
    if (shape == RpcShape::RawTransaction)
        if (const auto first = first_raw_transaction(reply))
            return std::string(*first);
    json::Document document;
    const auto body = document.parse(reply);
    if (const auto said = body && from ? text_member(*body, "address") : std::nullopt)
        if (said->text() != ethereum::to_checksum(*from))
            return fail(Code::Internal, "the store's record of this address is another key's");
    auto out = body ? shaped(shape, *body) : std::nullopt;
    if (!out)
        return fail(Code::Internal, "the enclave's answer could not be read");
    return std::move(*out);
}

} // namespace redoubt::gateway
