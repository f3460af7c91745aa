// SPDX-License-Identifier: Apache-2.0
// Is what came back what was asked for? Of every answer, on all cores, after the timed window: the sender is
// recovered from r, s and parity over the digest of the transaction that was asked for, and must be the key.
#pragma once

#include "client/answers.h"
#include "client/requests.h"

namespace redoubt::bench {

struct Verified {
    std::size_t right = 0, wrong = 0;
    std::string first_fault; // of the wrong ones, for a person
    // For each answer, signatures that it has; a refusal for the moment (503, or a call of JSON-RPC that says
    // so) has none and is not wrong.
    std::vector<std::uint16_t> signatures;
};

Verified verify(Operation operation, const Requests& requests, const Answers& answers);

} // namespace redoubt::bench
