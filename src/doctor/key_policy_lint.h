// SPDX-License-Identifier: Apache-2.0
// What is weak in a KMS key's policy, whoever wrote it, against what trust/key_policy.h renders. It reads
// structure: a policy that reaches the same end by other means may be named too, never the other way round.
// docs/kms-policy.md lists the codes. IAM policy grammar 2012-10-17.
#pragma once

#include "trust/key_policy.h"

namespace redoubt::doctor {

struct LintOptions {
    trust::KmsPurpose purpose = trust::KmsPurpose::Vault;
};

struct LintFinding {
    std::string code;      // stable: "image-not-pinned"
    std::string statement; // its Sid, or "number 3"; empty: the policy as a whole
    std::string sentence;  // what is weak
    std::string change;    // what to do
};

// Empty: nothing found. Error: BadJson (no policy).
Result<std::vector<LintFinding>> lint_key_policy(std::string_view policy, const LintOptions& options);

} // namespace redoubt::doctor
