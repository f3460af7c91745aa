// SPDX-License-Identifier: Apache-2.0
// devcloud's own endpoint for tests and development, on the plain listener, without authentication (as IMDS
// has none: whoever reaches it is on this machine). PUT replaces, GET tells, DELETE restores the default.
//
//   /redoubt/faults                  faults.h
//   /redoubt/imds                    {"hop_limit":1…64,"hops":1…64} (cloud.h, MetadataPath)
//   /redoubt/container-credentials   [{"id":ID,"authorization":TOKEN?,"account":ID?,"role":NAME,
//                                      "session_name":NAME?}, …]; GET leaves the tokens out
//   /redoubt/oidc-providers          [{"account":ID?,"issuer":URL,"audiences":[TEXT…],"jwks":{"keys":[…]}},
//   …]
#pragma once

#include "devcloud/cloud.h"

namespace redoubt::devcloud {

// nullopt: not a path of its own.
std::optional<net::HttpResponse> serve_admin(Cloud& cloud, const net::HttpRequest& request);

} // namespace redoubt::devcloud
