// SPDX-License-Identifier: Apache-2.0
// Values inside EIP-712 typed data, by path: what policies' conditions look at. Only for documents that
// typed_data_digest has accepted, so every value has its type and is what was hashed.
//
// Views live as long as the document's text and its json::Document. Not thread-safe.
#pragma once

#include "ethereum/abi.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace redoubt::ethereum {

class TypedDataFields {
  public:
    // Errors as typed_data_digest's, of all but the values: those it has accepted before.
    static Result<TypedDataFields> open(const json::Value& document);
    TypedDataFields(TypedDataFields&&) noexcept;
    TypedDataFields& operator=(TypedDataFields&&) noexcept;
    ~TypedDataFields();

    std::string_view primary_type() const noexcept;
    // encodeType of the primary type: "Mail(Person from,Person to,string contents)Person(…)".
    const std::string& encoded_type() const noexcept;

    // A place in the document: a value and its type.
    struct Place {
        json::Value value;
        const void* type = nullptr; // of this reader
        std::size_t arrays = 0;     // arrays that the type still has around the value
    };
    std::optional<Place> message() const noexcept; // nothing: primaryType is EIP712Domain
    Place domain() const noexcept;
    // Into a struct or an array. Nothing: no such member (a null struct has none), out of range, or not one
    // of the two.
    std::optional<Place> member(const Place& at, std::string_view name) const noexcept;
    // All elements of an array, one after the other, take time linear in their number.
    std::optional<Place> element(const Place& at, std::size_t index) const noexcept;
    std::optional<std::size_t> length(const Place& at) const noexcept; // of an array; nothing for others

    // An atomic value, read exactly.
    struct Atom {
        abi::Kind kind = abi::Kind::Uint; // Uint, Int, Bool, Address, FixedBytes, Bytes, String
        Uint256 number;                   // Uint, Bool, Address (as a number); Int: two's complement
        Bytes bytes;                      // FixedBytes, Bytes; String: its UTF-8
    };
    std::optional<Atom> atom(const Place& at) const; // nothing: a struct or an array

  private:
    struct State;
    explicit TypedDataFields(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace redoubt::ethereum
