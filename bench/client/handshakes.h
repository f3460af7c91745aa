// SPDX-License-Identifier: Apache-2.0
// TLS connections made and ended, as many at a time as the specification has connections.
#pragma once

#include "client/spec.h"

namespace redoubt::bench {

struct Handshakes {
    double seconds = 0, cpu_s = 0;
    std::size_t ended = 0, resumed = 0, failed = 0;
    std::vector<std::int64_t> times; // µs from connect to the end of the handshake
};

// A connection counts when the server has ended it, too: then it has seen the handshake's last message.
Handshakes run_handshakes(const Spec& spec, const StepSpec& step);

} // namespace redoubt::bench
