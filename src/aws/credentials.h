// SPDX-License-Identifier: Apache-2.0
// AWS credentials as a value. The secret parts live in Secret.
#pragma once

#include "base/clock.h"
#include "base/secret.h"

namespace redoubt::aws {

struct Credentials {
    std::string access_key_id;
    Secret secret_access_key;
    Secret session_token; // empty: long-term credentials
    UnixMs expires = 0;   // 0: never

    Credentials clone() const;
};

} // namespace redoubt::aws
