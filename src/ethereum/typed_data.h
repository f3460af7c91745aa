// SPDX-License-Identifier: Apache-2.0
// EIP-712 typed data as wallets sign it (eth_signTypedData_v4): {types, primaryType, domain, message}.
//
// What is accepted is what MetaMask and ethers hash alike; where they differ, or the specification leaves
// something open, the document is refused with a sentence that says why:
//  - types: bool, address, string, bytes, bytes1 … bytes32, uint8 … uint256, int8 … int256, structs, and
//    arrays of any of them, T[] and T[n] (n > 0), nested. The aliases uint and int, and every other name that
//    is no struct of `types`: refused. A struct may contain itself through an array or null, never without
//    end.
//  - `types` may name EIP712Domain; if it does, its fields must be exactly the domain's members, in the EIP's
//    order (name, version, chainId, verifyingContract, salt) and types. If it does not, it is taken from the
//    domain's members. A type that the primary type does not reach: refused, since ethers refuses it.
//  - primaryType may be EIP712Domain, if `types` names that and no other; then there is no message (absent or
//    an empty object).
//  - message and domain: every field present, no other. A struct field may be null, which is a zero word in
//    V4; no other value may be null or missing, nor an element of an array.
//  - integers: exact JSON integers (a sign, no fraction, no exponent), strings of the same, or 0x-hex strings
//    (unsigned, up to 64 digits), within the type's range. bool: true or false. address: 0x and 40 digits,
//    mixed case by EIP-55. bytes, bytesN: 0x and an even number of digits, of the stated length. string: a
//    JSON string. Arrays: JSON arrays, T[n] with n elements.
// Bounds: 128 types, 128 fields a type, names and types 256 characters, depth 16 of structs and arrays (the
// message counted), encodeType of all types together 1 MiB, and those of the JSON reader. Names are
// identifiers ([A-Za-z_$][A-Za-z0-9_$]*); a type's name has no $ and does not look like one of Solidity's.
//
// Thread-safe; knows nothing of keys.
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace redoubt::ethereum {

struct TypedDataDigest {
    std::string primary_type;
    Hash32 domain_separator{};
    Hash32 struct_hash{}; // hashStruct(message); zero when primaryType is EIP712Domain and there is none
    Hash32 digest{}; // keccak256(0x19 0x01 ‖ domain separator ‖ struct hash), without a struct hash where
                     // there is none
};

// Errors: MissingField, UnknownField, InvalidField, AmbiguousField, TooLarge.
Result<TypedDataDigest> typed_data_digest(const json::Value& document);

} // namespace redoubt::ethereum
