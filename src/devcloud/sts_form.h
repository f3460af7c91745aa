// SPDX-License-Identifier: Apache-2.0
// application/x-www-form-urlencoded, as AWS's query protocol uses it, and its members' limits.
#pragma once

#include "devcloud/input.h"

#include <map>

namespace redoubt::devcloud {

class Form {
  public:
    // nullopt: malformed, or a name stands in it twice.
    static std::optional<Form> parse(std::string_view body);

    const std::string* find(std::string_view name) const;
    // Any member that is `name` itself or begins with "NAME.".
    bool has(std::string_view name) const;
    // Errors: ValidationException. `more` are the characters allowed beside letters, digits and '_'; empty:
    // any.
    Reply<std::optional<std::string>> text(std::string_view name, Size size,
                                           std::string_view more = {}) const;
    Reply<std::string> required_text(std::string_view name, Size size, std::string_view more = {}) const;
    Reply<std::optional<std::uint64_t>> integer(std::string_view name, std::uint64_t min,
                                                std::uint64_t max) const;

  private:
    std::map<std::string, std::string, std::less<>> members_;
};

} // namespace redoubt::devcloud
