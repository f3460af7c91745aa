// SPDX-License-Identifier: Apache-2.0
// The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header) on routes that make something. What
// makes a repeat safe is the body's client_token, which a request's signature covers and the enclave makes
// the id of (docs/api.md, "Repeats"); the header is another way to say it. Pure.
#pragma once

#include "net/http.h"

#include <optional>

namespace redoubt::gateway {

// On POST /v1/keys, /v1/keys/import and /v1/vaults the header's value becomes the body's client_token where
// the body has none; one that has the same is left as it is, another one is refused. A signed request's body
// cannot be changed: there the token has to stand in the body. On /v1/transactions the header is the
// sender's. Other POSTs of /v1 refuse it, so that nobody relies on what is not done.
// Nothing: the request goes on, perhaps changed.
std::optional<net::HttpResponse> take_idempotency_key(net::HttpRequest& request);

} // namespace redoubt::gateway
