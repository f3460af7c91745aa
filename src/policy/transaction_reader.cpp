// SPDX-License-Identifier: Apache-2.0
#include "policy/request_fields.h"

namespace redoubt::policy {

namespace {

using ethereum::Transaction;
using ethereum::TransactionType;
using ethereum::Uint256;

bool has_gas_price(const Transaction& transaction) noexcept {
    return transaction.type == TransactionType::Legacy || transaction.type == TransactionType::AccessList;
}

// The most that the transaction can take from the account. Nothing: more than 2^256 - 1.
std::optional<Uint256> cost_of(const Transaction& transaction) noexcept {
    const Uint256& price = has_gas_price(transaction) ? transaction.gas_price : transaction.max_fee_per_gas;
    const auto gas = ethereum::multiply(transaction.gas, price);
    const auto blobs = ethereum::multiply(transaction.blob_versioned_hashes.size() * ethereum::kGasPerBlob,
                                          transaction.max_fee_per_blob_gas);
    const auto fees = gas && blobs ? ethereum::add(*gas, *blobs) : std::nullopt;
    return fees ? ethereum::add(*fees, transaction.value) : std::nullopt;
}

Truth read_authorizations(const Transaction& transaction, const Field& field, Judge& judge) {
    const auto& list = transaction.authorization_list;
    const auto of = [&](std::size_t i) {
        const auto& authorization = list[i].authorization;
        return field.id == FieldId::AuthorizationsChainId ? judge_number(judge, authorization.chain_id)
               : field.id == FieldId::AuthorizationsNonce ? judge_number(judge, authorization.nonce)
                                                          : judge_address(judge, authorization.address);
    };
    const Step& step = field.steps.front();
    if (step.kind == Step::Kind::Index)
        return step.index < list.size() ? of(step.index) : Truth::False;
    return fold(step.kind == Step::Kind::All, list.size(), of);
}

} // namespace

Truth read_transaction(const Transaction& transaction, const Field& field, Judge& judge) {
    const bool gas_price = has_gas_price(transaction);
    switch (field.id) {
    case FieldId::ChainId:
        return transaction.chain_id ? judge_number(judge, *transaction.chain_id) : Truth::False;
    case FieldId::TransactionType:
        return judge_number(judge, static_cast<std::uint64_t>(transaction.type));
    case FieldId::To:
        return transaction.to ? judge_address(judge, *transaction.to) : Truth::False;
    case FieldId::Deploys:
        return judge_bool(judge, !transaction.to);
    case FieldId::Value:
        return judge_number(judge, transaction.value);
    case FieldId::Cost: {
        const auto cost = cost_of(transaction);
        return cost ? judge_number(judge, *cost) : Truth::Unreadable;
    }
    case FieldId::Gas:
        return judge_number(judge, transaction.gas);
    case FieldId::Nonce:
        return judge_number(judge, transaction.nonce);
    case FieldId::GasPrice:
        return gas_price ? judge_number(judge, transaction.gas_price) : Truth::False;
    case FieldId::MaxFeePerGas:
        return gas_price ? Truth::False : judge_number(judge, transaction.max_fee_per_gas);
    case FieldId::MaxPriorityFeePerGas:
        return gas_price ? Truth::False : judge_number(judge, transaction.max_priority_fee_per_gas);
    case FieldId::FeePerGas:
        return judge_number(judge, gas_price ? transaction.gas_price : transaction.max_fee_per_gas);
    case FieldId::MaxFeePerBlobGas:
        return transaction.type == TransactionType::Blob
                   ? judge_number(judge, transaction.max_fee_per_blob_gas)
                   : Truth::False;
    case FieldId::Blobs:
        return judge_number(judge, transaction.blob_versioned_hashes.size());
    case FieldId::DataSize:
        return judge_number(judge, transaction.data.size());
    case FieldId::Selector:
        return transaction.to && transaction.data.size() >= 4
                   ? judge_bytes(judge, ValueType::Bytes, as_text(transaction.data).substr(0, 4))
                   : Truth::False;
    case FieldId::Data:
        return judge_bytes(judge, ValueType::Bytes, as_text(transaction.data));
    case FieldId::AccessListLength:
        return judge_number(judge, transaction.access_list.size());
    case FieldId::AuthorizationsLength:
        return judge_number(judge, transaction.authorization_list.size());
    case FieldId::AuthorizationsChainId:
    case FieldId::AuthorizationsAddress:
    case FieldId::AuthorizationsNonce:
        return read_authorizations(transaction, field, judge);
    default:
        return Truth::False;
    }
}

} // namespace redoubt::policy
