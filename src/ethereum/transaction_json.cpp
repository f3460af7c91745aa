// SPDX-License-Identifier: Apache-2.0
#include "ethereum/transaction_json.h"

#include "ethereum/transaction_fields.h"

namespace redoubt::ethereum {

namespace {

constexpr Dialect kDialect = Dialect::JsonRpc;

Result<std::uint64_t> read_gas(const Members& members) {
    const bool both = members[Member::Gas] && members[Member::GasLimit];
    REDOUBT_TRY(const std::uint64_t gas,
                need_u64(members[members[Member::GasLimit] ? Member::GasLimit : Member::Gas], kDialect,
                         "the transaction needs gas", "gas must be an integer below 2^64"));
    if (both) {
        REDOUBT_TRY(const std::uint64_t other,
                    need_u64(members[Member::Gas], kDialect, "the transaction needs gas",
                             "gas must be an integer below 2^64"));
        if (other != gas)
            return fail(Code::AmbiguousField, "gas and gasLimit differ; give one");
    }
    return gas;
}

Result<Bytes> read_data(const Members& members) {
    const auto data = members[Member::Data];
    const auto input = members[Member::Input];
    if (!data && !input)
        return Bytes();
    REDOUBT_TRY(Bytes bytes, data_bytes(data ? *data : *input, kDialect));
    if (data && input) {
        REDOUBT_TRY(const Bytes other, data_bytes(*input, kDialect));
        if (other != bytes)
            return fail(Code::AmbiguousField, "data and input differ; give one");
    }
    return bytes;
}

Status read_blob_members(const Members& members, Transaction& out) {
    REDOUBT_TRY(out.max_fee_per_blob_gas,
                need_u256(members[Member::MaxFeePerBlobGas], kDialect,
                          "a blob transaction needs maxFeePerBlobGas",
                          "maxFeePerBlobGas must be an integer below 2^256, in wei"));
    const auto hashes = members[Member::BlobVersionedHashes];
    if (!hashes)
        return fail(Code::MissingField, "a blob transaction needs blobVersionedHashes");
    if (!hashes->is_array())
        return fail(Code::InvalidField, "blobVersionedHashes must be an array");
    for (const json::Value hash : *hashes) {
        Hash32 parsed;
        if (!hash.is_string() || !hash.text().starts_with("0x") ||
            !from_hex_exact(hash.text().substr(2), parsed))
            return fail(Code::InvalidField, "a blob's versioned hash is 0x and 64 hexadecimal digits");
        out.blob_versioned_hashes.push_back(parsed);
    }
    return {};
}

Status read_authorization_list(const Members& members, Transaction& out) {
    const auto list = members[Member::AuthorizationList];
    if (!list)
        return fail(Code::MissingField, "a set-code transaction needs authorizationList");
    if (!list->is_array())
        return fail(Code::InvalidField, "authorizationList must be an array");
    for (const json::Value entry : *list) {
        REDOUBT_TRY(auto parsed, signed_authorization_from_json(entry));
        out.authorization_list.push_back(std::move(parsed));
    }
    return {};
}

} // namespace

Result<ParsedTransaction> transaction_from_json(const json::Value& object) {
    const Members members(object);
    ParsedTransaction out;
    Transaction& t = out.transaction;
    REDOUBT_CHECK(read_common(members, kDialect, out));
    REDOUBT_TRY(t.gas, read_gas(members));
    REDOUBT_TRY(t.data, read_data(members));
    if (members[Member::Value]) {
        REDOUBT_TRY(t.value, need_u256(members[Member::Value], kDialect, "the transaction needs value",
                                       "value must be an integer below 2^256, in wei"));
    }
    if (t.type == TransactionType::Blob)
        REDOUBT_CHECK(read_blob_members(members, t));
    if (t.type == TransactionType::SetCode)
        REDOUBT_CHECK(read_authorization_list(members, t));
    if (!t.to && t.data.empty() && t.type < TransactionType::Blob)
        return fail(Code::MissingField,
                    "the transaction needs to, or data with the init code of a contract to create");
    REDOUBT_CHECK(validate(t));
    return out;
}

void write_transaction_json(json::Writer& writer, const Transaction& t, const Address& from) {
    writer.begin_object();
    writer.plain("type", quantity(static_cast<std::uint64_t>(t.type)));
    if (t.chain_id)
        writer.plain("chainId", quantity(*t.chain_id));
    else
        writer.key("chainId").null();
    writer.plain("from", checksum(from)).plain("nonce", quantity(t.nonce));
    if (t.type >= TransactionType::DynamicFee)
        writer.plain("maxFeePerGas", quantity(t.max_fee_per_gas))
            .plain("maxPriorityFeePerGas", quantity(t.max_priority_fee_per_gas));
    else
        writer.plain("gasPrice", quantity(t.gas_price));
    writer.plain("gas", quantity(t.gas));
    if (t.to)
        writer.plain("to", checksum(*t.to));
    else
        writer.key("to").null();
    writer.plain("value", quantity(t.value)).hex("input", t.data);
    if (t.type != TransactionType::Legacy) {
        writer.key("accessList").begin_array();
        for (const auto& entry : t.access_list) {
            writer.begin_object().plain("address", checksum(entry.address)).key("storageKeys");
            writer.begin_array();
            for (const auto& key : entry.storage_keys)
                writer.hex(key);
            writer.end_array().end_object();
        }
        writer.end_array();
    }
    if (t.type == TransactionType::Blob) {
        writer.plain("maxFeePerBlobGas", quantity(t.max_fee_per_blob_gas));
        writer.key("blobVersionedHashes").begin_array();
        for (const auto& hash : t.blob_versioned_hashes)
            writer.hex(hash);
        writer.end_array();
    }
    if (t.type == TransactionType::SetCode) {
        writer.key("authorizationList").begin_array();
        for (const auto& entry : t.authorization_list)
            write_authorization_json(writer, entry);
        writer.end_array();
    }
    writer.end_object();
}

} // namespace redoubt::ethereum
