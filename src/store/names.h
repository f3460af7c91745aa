// SPDX-License-Identifier: Apache-2.0
// How a store in Secrets Manager is named: "secretsmanager:PREFIX".
#pragma once

#include "base/result.h"

namespace redoubt::store {

inline constexpr std::string_view kSecretsTarget = "secretsmanager:";
inline constexpr std::size_t kMaxSecretsPrefix = 128;

// The characters that Secrets Manager takes in a name (CreateSecret's Name).
bool valid_secrets_prefix(std::string_view prefix) noexcept;

inline std::unexpected<Error> bad_secrets_prefix() {
    return fail(
        Code::StoreFailed,
        "the prefix of a store in Secrets Manager has 1 to 128 characters of A-Z a-z 0-9 / _ + = . @ -");
}

} // namespace redoubt::store
