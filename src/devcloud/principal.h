// SPDX-License-Identifier: Apache-2.0
// Who calls: an account's root user, an IAM user, a session of a role, or (AssumeRoleWithWebIdentity)
// somebody an identity provider vouches for.
#pragma once

#include "base/clock.h"

#include <string>
#include <vector>

namespace redoubt::devcloud {

struct NamedPolicy {
    std::string name, text;
};

struct Principal {
    enum class Kind { Root, User, AssumedRole, Federated } kind = Kind::Root;
    std::string account; // 12 digits
    std::string arn; // arn:aws:iam::ACCOUNT:root, …:user/NAME, arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
    std::string role_arn;                       // of a session: arn:aws:iam::ACCOUNT:role/ROLE
    std::string user_id;                        // as STS tells it: the account, AIDA…, or AROA…:SESSION
    std::string name;                           // of the user or role
    UnixMs issued = 0;                          // of a session: when its credentials were made; 0: not told
    std::vector<NamedPolicy> identity_policies; // of the user or role; root needs none
    // AssumeRole's Policy parameter: what it does not allow too, the session may not. Empty: none.
    std::string session_policy;
};

Principal root_principal(const std::string& account);
Principal user_principal(const std::string& account, const std::string& user, const std::string& user_id);
Principal session_principal(const std::string& account, const std::string& role, const std::string& role_id,
                            const std::string& session_name);
// `provider` is the provider's ARN or, for the well-known ones, its host name.
Principal federated_principal(const std::string& provider, const std::string& subject);

// Twelve digits.
bool is_account_id(std::string_view text);

} // namespace redoubt::devcloud
