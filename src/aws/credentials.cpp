// SPDX-License-Identifier: Apache-2.0
#include "aws/credentials.h"

namespace redoubt::aws {

Credentials Credentials::clone() const {
    Credentials out;
    out.access_key_id = access_key_id;
    out.secret_access_key = secret_access_key.clone();
    out.session_token = session_token.clone();
    out.expires = expires;
    return out;
}

} // namespace redoubt::aws
