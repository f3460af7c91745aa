// SPDX-License-Identifier: Apache-2.0
// What a person should see of a policy before a key is bound to it, and of a change of one before owners sign
// it.
#pragma once

#include "policy/document.h"

namespace redoubt::cli {

// One line a rule: "allow payouts: sign-transaction of transfer(address to, uint256 amount) by payroll, if
// call.amount at_most \"1000\"".
std::vector<std::string> policy_rule_lines(const policy::Document& policy);

struct PolicyWarning {
    std::string code; // stable: "anyone", "raw-signing", …
    std::string rule; // empty: of the whole document
    std::string text;
};
// What leaves more open than its author may think. Empty: nothing to say.
std::vector<PolicyWarning> policy_warnings(const policy::Document& policy);

struct PolicyChange {
    enum class Kind { Added, Removed, Changed, Reordered } kind;
    std::string path;          // "rules[payouts].conditions.call.amount.at_most", "principals[payroll]"
    std::string before, after; // canonical JSON; empty where there is none
};
// Member by member. Elements of lists are told by their name or id, those of plain lists (operations,
// addresses) by themselves; where only the order differs, the list is Reordered. Empty exactly if the digests
// are equal.
std::vector<PolicyChange> policy_changes(const policy::Document& before, const policy::Document& after);

} // namespace redoubt::cli
