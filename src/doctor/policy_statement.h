// SPDX-License-Identifier: Apache-2.0
// A key policy's statements, as far as the doctor and the key policy's lint look at them.
#pragma once

#include "base/json.h"

#include <string>
#include <vector>

namespace redoubt::doctor {

struct PolicyCondition {
    std::string op;  // lower-case: "stringequalsignorecase"
    std::string key; // lower-case: condition keys are not case-sensitive
    std::vector<std::string> values;

    bool about_attestation() const; // kms:RecipientAttestation:…
    // Its operator is one that a request without the key does not pass. With "…IfExists" or "ForAllValues:"
    // it would.
    bool needs_key() const;
};

struct PolicyStatement {
    std::string name; // its Sid, or "number 3"
    bool allow = false;
    std::vector<std::string> actions, not_actions;
    std::vector<std::string> principals; // "*", ARNs, account numbers
    std::vector<std::string> others;     // principals that are services, federated or canonical users
    std::vector<std::string> resources;
    bool not_principals = false, not_resources = false; // NotPrincipal, NotResource stand in it
    std::vector<PolicyCondition> conditions;

    bool covers(std::string_view action) const; // "kms:Decrypt"
    bool for_everybody() const;                 // Principal "*" or {"AWS":"*"}
    // For the role or user behind `caller`, an ARN as sts:GetCallerIdentity gives it.
    bool for_caller(std::string_view caller) const;
};

Result<std::vector<PolicyStatement>> read_policy(std::string_view policy); // Error: BadJson

// '*' and '?' as in IAM; without regard to case.
bool matches_pattern(std::string_view pattern, std::string_view text);
std::string lower_case(std::string_view text);

} // namespace redoubt::doctor
