// SPDX-License-Identifier: Apache-2.0
// The parts of redoubt manifest kms-policy.
#pragma once

#include "base/result.h"
#include "cli/commands.h"

#include <string>
#include <vector>

namespace redoubt::cli {

struct WhoCanOptions {
    std::string account;                 // of the key; empty: of the policy's administrators
    std::vector<std::string> principals; // ARNs, beside those that the policy names
    std::vector<std::string> actions;    // empty: all that matter
    bool all = false;                    // also rows where nothing is allowed
};

// Who may do what with the key under this policy, for attestations of each pinned pair and of others: by
// devcloud's evaluator, as if everybody's IAM policies allowed everything. Errors: Usage, BadJson.
Status print_who_can(const std::string& policy, const WhoCanOptions& options, bool json);

void add_kms_policy(CLI::App& manifest, Context& context); // manifest kms-policy

} // namespace redoubt::cli
