// SPDX-License-Identifier: Apache-2.0
#include "policy/open_policy.h"

#include "crypto/hash.h"

namespace redoubt::policy {

const Hash32& open_policy_digest() noexcept {
    static const Hash32 digest = crypto::sha256(as_bytes(kOpenPolicy));
    return digest;
}

} // namespace redoubt::policy
