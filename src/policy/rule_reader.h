// SPDX-License-Identifier: Apache-2.0
// Rules and limits of a policy; internal to document.cpp.
#pragma once

#include "policy/condition.h"
#include "policy/functions.h"

namespace redoubt::policy {

// What rules refer to: read before them.
struct Context {
    const std::vector<Principal>& principals;
    const Books& books;
    Document::Functions& functions; // those named so far
};

// The document's `rules`, one for one. Error: InvalidField.
Result<std::vector<Rule>> read_rules(const json::Value& list, Context& context);

// The `limits` of the rule, or (nullptr) of the document.
struct RuleOfLimits {
    const Rule& rule;
    const NamedFunction& function;
};
Result<std::vector<Limit>> read_limits(const json::Value& list, const RuleOfLimits* of, Context& context,
                                       const std::string& place);

struct Limit::Source {
    std::string name; // of the field, as the document writes it
    Field field;
    // The document's limit of one function's argument: where it counts.
    std::optional<std::uint32_t> function;
    ethereum::Address contract{};
};

} // namespace redoubt::policy
