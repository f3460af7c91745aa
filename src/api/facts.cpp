// SPDX-License-Identifier: Apache-2.0
#include "api/facts.h"

namespace redoubt::api {

namespace {

using policy::Facts;

Facts facts(policy::Operation operation) {
    Facts out;
    out.operation = operation;
    return out;
}

Facts facts(policy::Operation operation, const Signer& signer) {
    Facts out = facts(operation);
    out.path = signer.path ? &*signer.path : nullptr;
    return out;
}

policy::Operation change_of(ChangeKey::What what) noexcept {
    switch (what) {
    case ChangeKey::What::Describe:
        return policy::Operation::Update;
    case ChangeKey::What::Enable:
        return policy::Operation::Enable;
    case ChangeKey::What::Disable:
        return policy::Operation::Disable;
    case ChangeKey::What::ScheduleDeletion:
        return policy::Operation::ScheduleDeletion;
    case ChangeKey::What::CancelDeletion:
        break;
    }
    return policy::Operation::CancelDeletion;
}

struct Visitor {
    std::optional<Facts> operator()(const SignTransaction& asked) const {
        Facts out = facts(policy::Operation::SignTransaction, asked.signer);
        out.transaction = &asked.transaction.transaction;
        return out;
    }
    std::optional<Facts> operator()(const SignMessage& asked) const {
        Facts out = facts(policy::Operation::SignMessage, asked.signer);
        out.message = asked.message;
        out.validator = asked.validator ? &*asked.validator : nullptr;
        return out;
    }
    std::optional<Facts> operator()(const SignTypedData& asked) const {
        Facts out = facts(policy::Operation::SignTypedData, asked.signer);
        out.typed_data = asked.document;
        return out;
    }
    std::optional<Facts> operator()(const SignAuthorization& asked) const {
        Facts out = facts(policy::Operation::SignAuthorization, asked.signer);
        out.authorization = &asked.authorization;
        return out;
    }
    std::optional<Facts> operator()(const SignHash& asked) const {
        Facts out = facts(policy::Operation::SignHash, asked.signer);
        out.digest = &asked.hash;
        return out;
    }
    std::optional<Facts> operator()(const SignData& asked) const {
        Facts out = facts(policy::Operation::SignData, asked.signer);
        out.message = asked.data;
        return out;
    }
    std::optional<Facts> operator()(const DeriveAddresses& asked) const {
        Facts out = facts(policy::Operation::Derive);
        out.derived = asked.paths;
        return out;
    }
    std::optional<Facts> operator()(const ExportKey& asked) const {
        Facts out = facts(policy::Operation::Export);
        out.recipient = asked.recipient;
        return out;
    }
    std::optional<Facts> operator()(const ChangeKey& asked) const { return facts(change_of(asked.what)); }
    std::optional<Facts> operator()(const MoveKey&) const { return facts(policy::Operation::Move); }

    std::optional<Facts> operator()(const auto&) const { return std::nullopt; }
};

} // namespace

std::optional<Facts> facts_of(const Operation& operation) {
    return std::visit(Visitor{}, operation);
}

template<typename Asked>
std::optional<Facts> facts_of(const Asked& operation) {
    return Visitor{}(operation);
}
template std::optional<Facts> facts_of(const SignTransaction&);
template std::optional<Facts> facts_of(const SignMessage&);
template std::optional<Facts> facts_of(const SignTypedData&);
template std::optional<Facts> facts_of(const SignAuthorization&);
template std::optional<Facts> facts_of(const SignHash&);
template std::optional<Facts> facts_of(const SignData&);
template std::optional<Facts> facts_of(const DeriveAddresses&);
template std::optional<Facts> facts_of(const ExportKey&);
template std::optional<Facts> facts_of(const ChangeKey&);
template std::optional<Facts> facts_of(const MoveKey&);

bool signs(policy::Operation operation) noexcept {
    switch (operation) {
    case policy::Operation::SignTransaction:
    case policy::Operation::SignMessage:
    case policy::Operation::SignTypedData:
    case policy::Operation::SignAuthorization:
    case policy::Operation::SignHash:
    case policy::Operation::SignData:
        return true;
    default:
        return false;
    }
}

} // namespace redoubt::api
