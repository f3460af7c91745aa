// SPDX-License-Identifier: Apache-2.0
// Who calls: the account's root user, or a session of a role. And what IAM (identity policies) would allow
// each: devcloud has no identity policies yet, so these are fixed.
#pragma once

#include <string>
#include <string_view>

namespace redoubt::devcloud {

struct Principal {
    enum class Kind { Root, AssumedRole } kind = Kind::Root;
    std::string account;  // 12 digits
    std::string arn;      // arn:aws:iam::ACCOUNT:root, arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
    std::string role_arn; // of a session: arn:aws:iam::ACCOUNT:role/ROLE
    std::string user_id;  // as STS tells it: the account, or AROA…:SESSION
};

Principal root_principal(const std::string& account);
Principal session_principal(const std::string& account, const std::string& role,
                            const std::string& session_name);

// Root: everything. A role's session: what an instance of Redoubt needs (kms:Decrypt, GenerateDataKey,
// Encrypt, DescribeKey, secretsmanager:GetSecretValue).
bool iam_allows(const Principal& principal, std::string_view action);

} // namespace redoubt::devcloud
