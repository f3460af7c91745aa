// SPDX-License-Identifier: Apache-2.0
// The fields of a request that conditions and limits name, parsed: "transaction.value",
// "call.orders[all].amount", "message.to.wallet". Internal to the policy.
#pragma once

#include "ethereum/abi.h"
#include "policy/reading.h"

namespace redoubt::policy {

enum class FieldId : std::uint8_t {
    Time,
    Path,
    ChainId,
    TransactionType,
    To,
    Deploys,
    Value,
    Cost,
    Gas,
    Nonce,
    GasPrice,
    MaxFeePerGas,
    MaxPriorityFeePerGas,
    FeePerGas,
    MaxFeePerBlobGas,
    Blobs,
    DataSize,
    Selector,
    Data,
    AccessListLength,
    AuthorizationsLength,
    AuthorizationsChainId, // of transaction.authorizations[…]
    AuthorizationsAddress,
    AuthorizationsNonce,
    Call,
    PrimaryType,
    EncodedType,
    Domain, // steps: the one member
    Message,
    AuthorizationChainId, // of the authorization that is asked for itself
    AuthorizationAddress,
    AuthorizationNonce,
    MessageText,
    MessageBytes,
    MessageSize,
    Validator,
    Digest,
    Recipient,
    Function, // not a field that a document names: that the calldata is the rule's function's
};

enum class ValueType : std::uint8_t {
    Uint,
    Int,
    Bool,
    Address,
    Bytes, // of any length, or of Field::size
    Text,
    Path,
    Time,
    ByOperand, // message.…: as the operands have it
    None,      // a tuple or an array: nothing to compare
};

// A step from a value to one inside it.
struct Step {
    enum class Kind : std::uint8_t { Member, Index, FromEnd, All, Any, Length } kind = Kind::Member;
    std::uint32_t index = 0; // Index: from 0; FromEnd: from 1, the last; Member of a call: which
    std::string name;        // Member of typed data
};

struct Field {
    FieldId id = FieldId::Time;
    ValueType type = ValueType::None;
    std::uint16_t size = 0;     // Bytes: how many they always are; 0: any number
    std::uint32_t function = 0; // Call, Function: index in Document::Functions
    std::vector<Step> steps;

    bool has_quantifier() const noexcept; // [all] or [any]
};

// Rules' operations that a field can be of, as bits.
inline constexpr std::uint32_t operation_bit(Operation operation) noexcept {
    return std::uint32_t{1} << static_cast<unsigned>(operation);
}
std::uint32_t operations_of(FieldId id) noexcept;

// The rule's function, where it names one: what call.… refers to.
struct NamedFunction {
    const ethereum::abi::Function* function = nullptr;
    std::uint32_t index = 0;
};
// `name` as the document writes it. Error: InvalidField.
Result<Field> parse_field(std::string_view name, const NamedFunction& function, const std::string& place);

} // namespace redoubt::policy
