// SPDX-License-Identifier: Apache-2.0
// Who is at a TLS connection's other end, by the certificate whose key it has shown to hold. A value.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"

#include <string>
#include <vector>

namespace redoubt::net {

struct Peer {
    static constexpr std::size_t kMaxNames = 64;
    static constexpr std::size_t kMaxSubject = 1'024;

    Hash32 certificate_sha256{};        // of its DER
    std::string subject;                // RFC 2253: "CN=payments,O=Example"; empty: longer than kMaxSubject
    std::vector<std::string> dns_names; // of the subject's alternative names, lower-case; the first kMaxNames
    UnixMs not_before = 0, not_after = 0;
    bool verified = false; // a CA that the server was told to trust vouches for it
};

} // namespace redoubt::net
