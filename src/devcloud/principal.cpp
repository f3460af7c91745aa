// SPDX-License-Identifier: Apache-2.0
#include "devcloud/principal.h"

#include "crypto/hash.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

Principal root_principal(const std::string& account) {
    Principal principal;
    principal.kind = Principal::Kind::Root;
    principal.account = account;
    principal.arn = "arn:aws:iam::" + account + ":root";
    principal.user_id = account;
    return principal;
}

Principal session_principal(const std::string& account, const std::string& role,
                            const std::string& session_name) {
    // A role's unique id stays the same for the role's life; this one is a function of its name.
    static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const auto hash = crypto::sha256(as_bytes(account + "/" + role));
    std::string role_id = "AROA";
    for (std::size_t i = 0; i < 17; ++i)
        role_id.push_back(kAlphabet[hash[i] % kAlphabet.size()]);

    Principal principal;
    principal.kind = Principal::Kind::AssumedRole;
    principal.account = account;
    principal.arn = "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session_name;
    principal.role_arn = "arn:aws:iam::" + account + ":role/" + role;
    principal.user_id = role_id + ":" + session_name;
    return principal;
}

bool iam_allows(const Principal& principal, std::string_view action) {
    static constexpr std::array<std::string_view, 5> kInstanceActions = {"kms:Decrypt", "kms:GenerateDataKey",
                                                                         "kms:Encrypt", "kms:DescribeKey",
                                                                         "secretsmanager:GetSecretValue"};
    return principal.kind == Principal::Kind::Root ||
           std::find(kInstanceActions.begin(), kInstanceActions.end(), action) != kInstanceActions.end();
}

} // namespace redoubt::devcloud
