// SPDX-License-Identifier: Apache-2.0
// Agrees sessions with the enclaves before the run (docs/signing-requests.md).
#pragma once

#include "client/request_signer.h"

namespace redoubt::bench {

// `key_id`: any of the keys whose policy names the principal.
std::vector<RequestSigner::Session> agree_sessions(const Spec& spec, const std::string& key_id);

} // namespace redoubt::bench
