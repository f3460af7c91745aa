// SPDX-License-Identifier: Apache-2.0
#include "devcloud/principal.h"

#include <algorithm>

namespace redoubt::devcloud {

Principal root_principal(const std::string& account) {
    Principal principal;
    principal.kind = Principal::Kind::Root;
    principal.account = account;
    principal.arn = "arn:aws:iam::" + account + ":root";
    principal.user_id = account;
    return principal;
}

Principal user_principal(const std::string& account, const std::string& user, const std::string& user_id) {
    Principal principal;
    principal.kind = Principal::Kind::User;
    principal.account = account;
    principal.arn = "arn:aws:iam::" + account + ":user/" + user;
    principal.user_id = user_id;
    principal.name = user;
    return principal;
}

Principal session_principal(const std::string& account, const std::string& role, const std::string& role_id,
                            const std::string& session_name) {
    Principal principal;
    principal.kind = Principal::Kind::AssumedRole;
    principal.account = account;
    principal.arn = "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session_name;
    principal.role_arn = "arn:aws:iam::" + account + ":role/" + role;
    principal.user_id = role_id + ":" + session_name;
    principal.name = role;
    return principal;
}

Principal federated_principal(const std::string& provider, const std::string& subject) {
    Principal principal;
    principal.kind = Principal::Kind::Federated;
    principal.arn = provider;
    principal.user_id = subject;
    return principal;
}

bool is_account_id(std::string_view text) {
    return text.size() == 12 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace redoubt::devcloud
