// SPDX-License-Identifier: Apache-2.0
// The policy of keys that were created without one: every request that reaches the enclave is allowed. A
// manifest with `require_policy` refuses such keys.
#pragma once

#include "base/bytes.h"

namespace redoubt::policy {

// The document, in canonical form, and its digest (SHA-256), which a key record binds.
inline constexpr std::string_view kOpenPolicy =
    R"({"redoubt_policy":1,"rules":[{"effect":"allow","name":"open"}]})";
const Hash32& open_policy_digest() noexcept;

} // namespace redoubt::policy
