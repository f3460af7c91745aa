// SPDX-License-Identifier: Apache-2.0
// KMS (TrentService, 2014-11-01): the operations that devcloud has, by name. Keys are symmetric.
#pragma once

#include "devcloud/cloud.h"
#include "devcloud/service_error.h"

namespace redoubt::devcloud {

// An authenticated call. Appends to the event log.
net::HttpResponse serve_kms(Cloud& cloud, const Call& call);

} // namespace redoubt::devcloud
