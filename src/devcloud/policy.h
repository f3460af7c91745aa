// SPDX-License-Identifier: Apache-2.0
// One policy document: parsed strictly when it is put, evaluated for each call (IAM user guide, "IAM JSON
// policy elements reference"). What several documents together decide is access.h's.
//
// Refused when put, because IAM refuses it or devcloud would not evaluate it: NotPrincipal with Allow, a
// wildcard inside a principal's ARN, other kinds of principal than AWS, Service and Federated, a variable in
// Action or Principal, and what condition.h and policy_variables.h state.
#pragma once

#include "devcloud/condition.h"
#include "devcloud/principal.h"

namespace redoubt::devcloud {

enum class PolicyKind {
    Key,      // of a KMS key: Principal and Resource
    Secret,   // of a secret: Principal and Resource
    Trust,    // of a role: Principal, no Resource
    Identity, // of a user or role (or a session's): Resource, no Principal
};

struct PolicyQuestion {
    const Principal& principal;
    std::string_view action;   // "kms:Decrypt"
    std::string_view resource; // an ARN, or "*"
    const ConditionValues& values;
};

// What one document says; each names the statement. Empty: nothing of the kind.
struct PolicyFinding {
    std::string denied; // an explicit Deny: "statement X denies: …"
    std::string named;  // an Allow that names the principal or everybody; in an identity policy, any Allow
    // An Allow that names the principal's account: what the account's identity policies allow.
    std::string account;
    std::string missed; // Allow statements that would have, but for a condition
};

class Policy {
  public:
    // Error: MalformedPolicyDocumentException.
    static Reply<Policy> parse(std::string_view text, PolicyKind kind);
    PolicyFinding find(const PolicyQuestion& question) const;

  private:
    struct PrincipalName {
        enum class Type { Aws, Service, Federated, Everybody } type;
        std::string text;
    };
    struct Statement {
        std::string label; // the Sid, or "#n" counted from 1
        bool allow = false;
        std::vector<PrincipalName> principals;
        std::vector<std::string> actions, resources;
        bool not_principals = false, not_actions = false, not_resources = false;
        std::vector<Condition> conditions;
    };
    enum class Match { None, Account, Named };
    static Reply<std::vector<PrincipalName>> parse_principals(const json::Value& value);
    static Reply<Statement> parse_statement(const json::Value& value, std::size_t number, PolicyKind kind,
                                            bool variables);
    static Match match_principal(const Statement& statement, const Principal& principal);
    bool matches(const Statement& statement, const PolicyQuestion& question) const;

    PolicyKind kind_ = PolicyKind::Key;
    bool variables_ = false;
    std::vector<Statement> statements_;
};

// What CreateKey takes when none is given: everything for the account (AWS KMS developer guide, "Default key
// policy").
std::string default_key_policy(const std::string& account);

} // namespace redoubt::devcloud
