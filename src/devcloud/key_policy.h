// SPDX-License-Identifier: Apache-2.0
// KMS key policies: parsed strictly when they are put, evaluated for each call. Default deny; an explicit
// Deny wins over any Allow; an Allow for the account delegates to IAM (AWS KMS developer guide, "Key
// policies"; IAM user guide, "Policy evaluation logic").
//
// Not evaluated, and refused when put: NotPrincipal, NotResource, policy variables, set operators
// (ForAnyValue, ForAllValues) and the numeric, date, binary, address and ARN operators.
#pragma once

#include "devcloud/condition.h"
#include "devcloud/principal.h"

namespace redoubt::devcloud {

struct PolicyQuestion {
    const Principal& principal;
    std::string_view action;   // "kms:Decrypt"
    std::string_view resource; // key ARN
    const ConditionValues& values;
};

struct Decision {
    enum class Verdict { Allowed, DeniedExplicitly, NotAllowed } verdict;
    // Which statement decided, and for a refusal which condition (PCR) did not match.
    std::string detail;
};

class KeyPolicy {
  public:
    // Error: MalformedPolicyDocumentException.
    static Reply<KeyPolicy> parse(std::string_view text);
    Decision decide(const PolicyQuestion& question) const;

  private:
    struct Statement {
        std::string label; // the Sid, or "#n" counted from 1
        bool allow = false;
        std::vector<std::string> principals; // of "AWS"; other kinds never call devcloud
        std::vector<std::string> actions, resources;
        bool not_actions = false; // NotAction
        std::vector<Condition> conditions;
    };
    enum class Match { None, Account, Named };
    static Reply<Statement> parse_statement(const json::Value& value, std::size_t number);
    static Match match_principal(const Statement& statement, const Principal& principal);

    std::vector<Statement> statements_;
};

// What CreateKey takes when none is given: everything for the account (AWS KMS developer guide, "Default key
// policy").
std::string default_key_policy(const std::string& account);

} // namespace redoubt::devcloud
