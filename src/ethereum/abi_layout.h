// SPDX-License-Identifier: Apache-2.0
// Where a type's encoding lies: what the decoder must know of it beforehand.
#pragma once

#include "ethereum/abi.h"

namespace redoubt::ethereum::abi {

// Solidity's definition: bytes, string, T[]; T[n] of dynamic T, even when n is 0; tuples with such a
// component.
bool is_dynamic(const Type& type) noexcept;

// Sizes are in bytes, and exact up to kUnreachable, above which no calldata comes.
inline constexpr std::uint64_t kUnreachable = std::uint64_t{1} << 40;

struct Layout {
    const Type* type = nullptr; // nullptr: the arguments of a function
    bool dynamic = false;
    std::uint64_t head = 0;       // in its parent's head: an offset, or all of it when it is static
    std::uint64_t heads = 0;      // of its components or of FixedArray's elements together
    std::size_t text = 0;         // characters that write_call_json needs for its name and type
    std::vector<Layout> children; // as the type's
};

// Of a function's arguments, with the components' layouts as children; they point to its types. Error:
// InvalidField, when a type is not within abi.h's bounds.
Result<Layout> layout_of(const Function& function);

} // namespace redoubt::ethereum::abi
