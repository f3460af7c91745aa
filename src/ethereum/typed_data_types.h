// SPDX-License-Identifier: Apache-2.0
// The `types` of EIP-712 typed data, read and hashed; internal to typed_data.cpp and typed_data_fields.cpp.
// All texts view the document.
#pragma once

#include "base/json.h"

namespace redoubt::ethereum::typed_data {

inline constexpr std::size_t kMaxTypes = 128;  // EIP712Domain counted
inline constexpr std::size_t kMaxFields = 128; // of one type
inline constexpr std::size_t kMaxName = 256;   // characters of a name or a type
inline constexpr std::size_t kMaxDepth = 16;   // structs and arrays around a value, the message counted
// Bytes of encodeType of all types together. Without it, types that all reach each other would take 128 times
// the document in hashing.
inline constexpr std::size_t kMaxEncodedTypes = 1 << 20;

inline constexpr std::string_view kDomainName = "EIP712Domain";

enum class Kind : std::uint8_t { Bool, Address, String, Bytes, FixedBytes, Uint, Int, Struct };

struct FieldType {
    Kind kind = Kind::Bool;
    std::uint16_t size = 0;             // Uint, Int: bits; FixedBytes: bytes; Struct: index in Types::structs
    std::vector<std::uint32_t> lengths; // of the arrays around it, innermost first; 0 stands for T[]
};

struct Field {
    std::string_view name;
    std::string_view type_text;
    FieldType type;
};

struct StructType {
    std::string_view name;
    std::vector<Field> fields;         // in the order in which they are encoded
    std::vector<std::uint8_t> by_name; // indices of `fields`, sorted by name
    Hash32 hash{};                     // typeHash: keccak256(encodeType)

    // The index of the field so named. Members mostly come in the type's order, so `likely` is tried first.
    std::optional<std::size_t> find(std::string_view field_name, std::size_t likely) const noexcept;
};

// Its own part of encodeType: "Person(string name,address wallet)".
std::string encode_own_type(const StructType& type);

struct Types {
    std::vector<StructType> structs; // without EIP712Domain
    StructType domain;
    std::optional<std::size_t> primary; // index in `structs`; nothing when it is EIP712Domain
};

// Reads `types`, and EIP712Domain from the members that `domain` has. Errors as for typed_data_digest.
Result<Types> read_types(const json::Value& types, std::string_view primary, const json::Value& domain);

} // namespace redoubt::ethereum::typed_data
