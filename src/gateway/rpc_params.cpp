// SPDX-License-Identifier: Apache-2.0
#include "gateway/rpc_params.h"

#include "ethereum/message.h"
#include "ethereum/transaction_fields.h"

namespace redoubt::gateway {

namespace {

using ethereum::Dialect;
using ethereum::Uint256;

std::expected<ethereum::Address, RpcFault> read_address(const json::Value& value) {
    const auto address = ethereum::parse_address(value.is_string() ? value.text() : std::string_view());
    if (!address)
        return std::unexpected(rpc_fault(kRpcInvalidParams, address.error()));
    return *address;
}

// What the call's chain id is, given or the endpoint's.
std::expected<std::optional<Uint256>, RpcFault> read_chain(const json::Value& object, const RpcPlace& place) {
    const auto given = ethereum::member(object, "chainId");
    if (!given)
        return place.chain_id ? std::optional<Uint256>(*place.chain_id) : std::nullopt;
    const auto chain = ethereum::integer(*given, Dialect::JsonRpc);
    if (!chain)
        return std::unexpected(bad_param("chainId must be an integer, as 0x-quantity or in decimal digits"));
    if (place.only_this_chain && place.chain_id && *chain != Uint256(*place.chain_id))
        return std::unexpected(bad_param("chainId is another chain's than this endpoint's"));
    return chain;
}

} // namespace

RpcFault bad_param(FixedText text) {
    return rpc_fault(kRpcInvalidParams, Error{Code::InvalidField, text, {}});
}

std::optional<RpcFault> RpcParams::at_most(std::size_t count) const {
    if (!array_ || array_->size() <= count)
        return std::nullopt;
    return bad_param("the method takes fewer parameters; remove those beyond");
}

std::optional<json::Value> RpcParams::at(std::size_t index) const noexcept {
    if (!array_ || index >= array_->size())
        return std::nullopt;
    std::size_t i = 0;
    for (const json::Value value : *array_)
        if (i++ == index)
            return value.is_null() ? std::nullopt : std::optional(value);
    return std::nullopt;
}

RpcParams::Read<ethereum::Address> RpcParams::address(std::size_t index) const {
    const auto value = at(index);
    if (!value)
        return std::unexpected(bad_param("a parameter is missing: the address of the account that signs"));
    return read_address(*value);
}

RpcParams::Read<std::string_view> RpcParams::hex(std::size_t index) const {
    const auto value = at(index);
    if (!value)
        return std::unexpected(bad_param("a parameter is missing: the data"));
    if (!value->is_string() || !from_hex0x(value->text()))
        return std::unexpected(
            bad_param("give the data as 0x and hexadecimal digits of whole bytes; text is never guessed"));
    return value->text();
}

RpcParams::Read<std::string> RpcParams::object(std::size_t index) const {
    const auto value = at(index);
    if (value && value->is_object())
        return std::string(value->raw());
    if (!value || !value->is_string())
        return std::unexpected(bad_param("give the typed data as an object, or its JSON as text"));
    // Nothing but one whole object may come of the text.
    json::Document document;
    const auto parsed = document.parse(value->text());
    if (!parsed)
        return std::unexpected(rpc_fault(kRpcInvalidParams, parsed.error()));
    if (!parsed->is_object())
        return std::unexpected(bad_param("give the typed data as an object, or its JSON as text"));
    return std::string(parsed->raw());
}

RpcParams::Read<RpcParams::Transaction> RpcParams::transaction(std::size_t index, const RpcPlace& place,
                                                               std::string_view before) const {
    const auto value = at(index);
    if (!value || !value->is_object())
        return std::unexpected(bad_param("the first parameter must be the transaction, an object"));
    const auto from = ethereum::member(*value, "from");
    if (!from)
        return std::unexpected(
            bad_param("the transaction needs from: the address of the account that signs"));
    auto address = read_address(*from);
    if (!address)
        return std::unexpected(std::move(address).error());
    auto chain = read_chain(*value, place);
    if (!chain)
        return std::unexpected(std::move(chain).error());

    constexpr std::size_t kMore = 128; // for a chain id, and what stands after it
    Transaction out{*address, *chain, {}};
    out.json.reserve(before.size() + value->raw().size() + kMore);
    out.json += before;
    json::Writer writer(out.json);
    writer.begin_object();
    // Null is absent to JSON-RPC's clients. Of a chain id it must not become a signature for every chain.
    for (const json::Value member : *value)
        if (member.name() != "chainId" || !member.is_null())
            writer.key(member.name()).raw(member.raw());
    if (*chain && !ethereum::member(*value, "chainId"))
        writer.member("chainId", ethereum::to_quantity(**chain));
    writer.end_object();
    return out;
}

RpcParams::Read<RpcParams::Authorization> RpcParams::authorization(std::size_t index,
                                                                   const RpcPlace& place) const {
    const auto value = at(index);
    if (!value || !value->is_object())
        return std::unexpected(
            bad_param("the authorization must be an object of chainId, address and nonce"));
    if (const auto status =
            json::check_members(*value, {"chainId", "address", "contractAddress", "nonce", "from"});
        !status)
        return std::unexpected(
            bad_param("an authorization's members are chainId, address or contractAddress, nonce and from"));
    Authorization out;
    if (const auto from = ethereum::member(*value, "from")) {
        auto address = read_address(*from);
        if (!address)
            return std::unexpected(std::move(address).error());
        out.from = *address;
    }
    const auto chain = read_chain(*value, place);
    if (!chain)
        return std::unexpected(chain.error());
    const auto given = ethereum::member(*value, "chainId"), nonce = ethereum::member(*value, "nonce"),
               address = ethereum::member(*value, "address"),
               contract = ethereum::member(*value, "contractAddress");
    // The whole account is given away by it: nothing is filled in.
    if (!given || !nonce)
        return std::unexpected(bad_param("the authorization needs chainId and nonce; neither is filled in"));
    if (static_cast<bool>(address) == static_cast<bool>(contract))
        return std::unexpected(bad_param("the authorization needs address or contractAddress: whose code"));
    json::Writer writer(out.json);
    writer.begin_object().key("chainId").raw(given->raw());
    writer.key("address").raw(address ? address->raw() : contract->raw());
    writer.key("nonce").raw(nonce->raw()).end_object();
    return out;
}

RpcParams::Read<std::string> RpcParams::validator_message(std::size_t index) const {
    const auto value = at(index);
    const auto address = value && value->is_object() ? value->get("address") : std::nullopt;
    const auto message = value && value->is_object() ? value->get("message") : std::nullopt;
    if (!address || !address->is_string() || !message || !message->is_string() || value->size() != 2 ||
        !from_hex0x(message->text()))
        return std::unexpected(
            bad_param("data for a validator must be {\"address\": …, \"message\": 0x…}, and nothing else"));
    return R"({"hex":)" + std::string(message->raw()) + R"(,"validator":)" + std::string(address->raw()) +
           "}";
}

RpcParams::Read<ethereum::Address> RpcParams::signer_of_message(std::size_t message,
                                                                std::size_t signature) const {
    const auto data = hex(message);
    if (!data)
        return std::unexpected(data.error());
    const auto text = at(signature);
    const auto bytes = text && text->is_string() ? from_hex0x(text->text()) : std::nullopt;
    if (!bytes || bytes->size() != 65)
        return std::unexpected(bad_param("the signature must be 65 bytes: r, s, and v of 27 or 28"));
    const std::uint8_t v = (*bytes)[64];
    if (v != 27 && v != 28)
        return std::unexpected(bad_param("the signature must be 65 bytes: r, s, and v of 27 or 28"));
    crypto::Signature read{*to_array<32>(ByteView(*bytes).first(32)),
                           *to_array<32>(ByteView(*bytes).subspan(32, 32)),
                           static_cast<std::uint8_t>(v - 27)};
    // No secret passes: nothing is there to blind.
    static const crypto::Secp256k1 curve{Hash32{}};
    const auto key = curve.recover(ethereum::personal_message_digest(*from_hex0x(*data)), read);
    if (!key)
        return std::unexpected(rpc_fault(kRpcInvalidParams, key.error()));
    return ethereum::address_of(*key);
}

} // namespace redoubt::gateway
