// SPDX-License-Identifier: Apache-2.0
// Building types within their bounds; what the readers of signatures and of JSON ABIs share.
#pragma once

#include "ethereum/abi.h"

namespace redoubt::ethereum::abi {

// Identifiers: [A-Za-z_$][A-Za-z0-9_$]*, at most kMaxName characters.
bool is_name_part(char c) noexcept;
bool is_identifier(std::string_view text) noexcept;
// uint8, address, bytes, function …: not arrays and tuples.
bool is_elementary(std::string_view name) noexcept;

// A type, and how many tuples and arrays are in it at most, around the innermost value.
struct Draft {
    Type type;
    std::size_t depth = 0;
};

// Makes the types of one function. Error: InvalidField.
class Drafter {
  public:
    Result<Draft> elementary(std::string_view name);
    Result<Draft> tuple(std::vector<Draft> components);
    // Turns T into T[length], and with no length into T[].
    Status wrap(Draft& draft, std::optional<std::string_view> length);
    // The drafts' types, as the arguments of a function or the components of a tuple.
    static Result<std::vector<Type>> list(std::vector<Draft> drafts);

  private:
    Status one_more();
    std::size_t left_ = kMaxTypes;
};

} // namespace redoubt::ethereum::abi
