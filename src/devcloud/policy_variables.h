// SPDX-License-Identifier: Apache-2.0
// Policy variables (IAM user guide, "Variables and tags"): ${aws:username}, ${aws:userid} and
// ${aws:PrincipalAccount}, and ${*}, ${?}, ${$} for the characters themselves. Every other variable, and a
// default value ("${aws:username, 'x'}"), is refused when the policy is put.
#pragma once

#include "devcloud/condition.h"

namespace redoubt::devcloud {

// Error: MalformedPolicyDocumentException.
Reply<void> check_variables(std::string_view text);
// The text as a pattern: what a variable stood for is literal in it. nullopt: the request has no value for a
// variable, so that nothing can match.
std::optional<std::string> expand_variables(std::string_view text, const ConditionValues& values);
// A pattern's literal characters as themselves, for operators without wildcards.
std::string literal_text(std::string pattern);

} // namespace redoubt::devcloud
