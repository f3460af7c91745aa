// SPDX-License-Identifier: Apache-2.0
#include "gateway/sender_request.h"

#include "crypto/hash.h"

#include <utility>

namespace redoubt::gateway {

namespace {

std::optional<json::Value> given(const json::Value& object, std::string_view name) {
    auto member = object.get(name);
    return member && !member->is_null() ? member : std::nullopt;
}

std::optional<std::uint64_t> integer(const json::Value& value) {
    if (const auto number = value.u64())
        return number;
    auto number = ethereum::from_quantity(value.text());
    if (!number)
        number = ethereum::from_decimal(value.text());
    if (!number || !number->fits_u64())
        return std::nullopt;
    return number->limbs[0];
}

Status check_scope(const json::Value& object) {
    if (!object.is_object())
        return fail(Code::InvalidField, "the transaction must be a JSON object");
    for (const std::string_view name : {"maxFeePerBlobGas", "blobVersionedHashes", "blobs", "sidecars"})
        if (given(object, name))
            return fail(
                Code::UnsupportedType,
                "a blob transaction cannot be sent here: have it signed with its sidecar, and send its "
                "network_transaction by eth_sendRawTransaction");
    if (!given(object, "from"))
        return fail(Code::MissingField, "the transaction needs from, the account that sends it");
    return {};
}

// The object with something in the place of what is missing, so that it can be read as a whole.
std::string completed(const json::Value& object, std::uint64_t chain_id, Draft& draft) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    for (const json::Value member : object)
        if (!member.is_null())
            writer.key(member.name()).raw(member.raw());
    if (!given(object, "chainId"))
        writer.member("chainId", chain_id);
    if (!draft.has_nonce)
        writer.member("nonce", "0x0");
    if (!draft.has_gas)
        writer.member("gas", "0x0");
    const auto type = given(object, "type");
    const auto number = type ? integer(*type) : std::nullopt;
    if (draft.has_gas_price) // its type is inferred from it, or given
        draft.has_type = true;
    else if (number && *number < 2)
        writer.member("gasPrice", "0x0");
    else {
        if (!draft.has_max_fee) {
            const auto priority = given(object, "maxPriorityFeePerGas");
            writer.key("maxFeePerGas").raw(priority ? priority->raw() : R"("0x0")");
        }
        if (!draft.has_priority)
            writer.member("maxPriorityFeePerGas", "0x0");
        if (draft.has_max_fee || draft.has_priority || given(object, "authorizationList"))
            draft.has_type = true;
    }
    writer.end_object();
    return out;
}

Hash32 digest(const Draft& draft, std::uint64_t chain_id) {
    const ByteArray<6> flags{draft.has_nonce,     draft.has_gas,     draft.has_type,
                             draft.has_gas_price, draft.has_max_fee, draft.has_priority};
    const auto chain = ethereum::to_big_endian(chain_id);
    return crypto::sha256({flags, chain, draft.from, ethereum::serialise_unsigned(draft.transaction)});
}

} // namespace

Result<std::optional<std::uint64_t>> chain_of(std::string_view object) {
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(object));
    const auto chain = given(root, "chainId");
    if (!chain)
        return std::optional<std::uint64_t>();
    const auto number = integer(*chain);
    if (!number)
        return fail(Code::InvalidField, "chainId must be an integer below 2^63");
    return number;
}

Result<Draft> read_draft(std::string_view object, std::uint64_t chain_id) {
    json::Document document;
    REDOUBT_TRY(const auto root, document.parse(object));
    REDOUBT_CHECK(check_scope(root));
    Draft draft;
    draft.has_type = given(root, "type").has_value();
    draft.has_nonce = given(root, "nonce").has_value();
    draft.has_gas = given(root, "gas").has_value() || given(root, "gasLimit").has_value();
    draft.has_gas_price = given(root, "gasPrice").has_value();
    draft.has_max_fee = given(root, "maxFeePerGas").has_value();
    draft.has_priority = given(root, "maxPriorityFeePerGas").has_value();
    const std::string whole = completed(root, chain_id, draft);
    json::Document second;
    REDOUBT_TRY(const auto complete, second.parse(whole));
    REDOUBT_TRY(auto parsed, ethereum::transaction_from_json(complete));
    if (parsed.transaction.type == ethereum::TransactionType::Blob)
        return fail(Code::UnsupportedType, "a blob transaction cannot be sent here");
    if (parsed.transaction.chain_id != ethereum::Uint256(chain_id))
        return fail(Code::InvalidField, "chainId is not that of the chain the transaction is sent to");
    if (parsed.transaction.nonce > INT64_MAX)
        return fail(Code::InvalidField, "nonce must be below 2^63");
    draft.transaction = std::move(parsed.transaction);
    draft.from = parsed.from.value_or(ethereum::Address{});
    draft.request = digest(draft, chain_id);
    return draft;
}

std::string estimate_params(const Draft& draft) {
    std::string all;
    json::Writer whole(all);
    ethereum::write_transaction_json(whole, draft.transaction, draft.from);
    json::Document document;
    const auto root = document.parse(all, {16u << 20, 32, 1u << 18});
    std::string out;
    json::Writer writer(out);
    writer.begin_array().begin_object();
    if (root)
        for (const std::string_view name :
             {"from", "to", "value", "input", "accessList", "authorizationList"})
            if (const auto member = given(*root, name))
                writer.key(name).raw(member->raw());
    writer.end_object().end_array();
    return out;
}

Status fill_fees(Draft& draft, const ChainFees& fees, const std::optional<ethereum::Uint256>& most) {
    auto& t = draft.transaction;
    const auto bounded = [&](const ethereum::Uint256& fee) { return most ? std::min(fee, *most) : fee; };
    if (draft.has_gas_price)
        return {};
    if (!draft.has_type && !fees.base_fee) {
        t.type =
            t.access_list.empty() ? ethereum::TransactionType::Legacy : ethereum::TransactionType::AccessList;
        t.max_fee_per_gas = t.max_priority_fee_per_gas = {};
    }
    if (t.type < ethereum::TransactionType::DynamicFee) {
        t.gas_price = bounded(fees.gas_price);
        return {};
    }
    if (draft.has_max_fee && draft.has_priority)
        return {};
    if (!fees.base_fee)
        return fail(Code::InvalidField, "the chain has no base fee: give gasPrice, or no fee at all");
    if (!draft.has_priority)
        t.max_priority_fee_per_gas =
            draft.has_max_fee ? std::min(fees.priority, t.max_fee_per_gas) : bounded(fees.priority);
    if (!draft.has_max_fee)
        t.max_fee_per_gas = std::max(t.max_priority_fee_per_gas,
                                     bounded(fee_cap(*fees.base_fee, t.max_priority_fee_per_gas)));
    return {};
}

std::string sign_request(const ethereum::Transaction& transaction, const ethereum::Address& from) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().key("transaction");
    // A writer of its own: this one cannot know what another put behind its key.
    std::string inner;
    json::Writer nested(inner);
    ethereum::write_transaction_json(nested, transaction, from);
    writer.raw(inner).end_object();
    return out;
}

Result<store::SignedVersion> read_signed(std::string_view reply, const ethereum::Transaction& asked,
                                         store::VersionKind kind, UnixMs now) {
    constexpr FixedText kOther = "the enclave's answer is not the transaction that it was asked to sign";
    json::Document document;
    const auto root = document.parse(reply, {8u << 20, 32, 1u << 18});
    if (!root)
        return fail(Code::SigningFailed, kOther);
    const auto text = root->get("raw_transaction");
    auto raw = text ? from_hex0x(text->text()) : std::nullopt;
    if (!raw || raw->size() > store::kMaxSignedBytes)
        return fail(Code::SigningFailed, kOther);
    const auto read = ethereum::parse_signed_transaction(*raw);
    if (!read || read->transaction != asked)
        return fail(Code::SigningFailed, kOther);
    store::SignedVersion out{kind, now, ethereum::transaction_hash(*raw), {}};
    out.raw = std::move(*raw);
    return out;
}

} // namespace redoubt::gateway
