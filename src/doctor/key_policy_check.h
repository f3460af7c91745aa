// SPDX-License-Identifier: Apache-2.0
// Does a KMS key's policy let this measured pair in, and nobody else? Reads the policy's structure against
// what trust/key_policy.h renders; it is no evaluator, and says of a condition it does not know that it does
// not know it. IAM policy grammar 2012-10-17.
#pragma once

#include "trust/key_policy.h"

namespace redoubt::doctor {

struct PolicyQuestion {
    trust::KmsPurpose purpose = trust::KmsPurpose::Vault;
    trust::MeasurementPair pair{}; // as the running enclave measures
    std::string caller;            // ARN that sts:GetCallerIdentity gives; empty: not known
};

struct PolicyProblem {
    bool fails; // false: a warning
    std::string sentence, change;
};

// Empty: as it should be. Error: BadJson (no policy).
Result<std::vector<PolicyProblem>> examine_key_policy(std::string_view policy,
                                                      const PolicyQuestion& question);

} // namespace redoubt::doctor
