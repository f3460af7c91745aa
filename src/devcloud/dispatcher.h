// SPDX-License-Identifier: Apache-2.0
// From an HTTP request to the service it means. No sockets: tests call it directly.
#pragma once

#include "devcloud/cloud.h"

namespace redoubt::devcloud {

enum class Listener {
    Plain, // every service
    Tls,   // KMS alone: what the enclave reaches
};

// Wipes the request's body when done.
net::HttpResponse dispatch(Cloud& cloud, net::HttpRequest& request, Listener listener);

} // namespace redoubt::devcloud
