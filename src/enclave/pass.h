// SPDX-License-Identifier: Apache-2.0
// A client's request on its way: what each step leaves for the next one. Internal to the enclave's
// operations.
#pragma once

#include "api/operation.h"
#include "enclave/asked.h"

namespace redoubt::enclave {

struct Enclave::Pass {
    MayWait may_wait = MayWait::No;
    std::int64_t began = 0; // monotonic µs: when the frame came
    bool was_read = false;  // message is one
    bool decides = false;   // a receipt will say what is answered
    wire::Request message;
    Note note;
    Hash32 digest{};
    policy::RequestSignature request_signature;
    // Once all is decided it must not be asked for what views the JSON that it was read from.
    std::optional<api::Operation> operation;
    ToSign to_sign;
    Result<crypto::Signature> signature = fail(Code::Internal, "nothing was signed");
    MaybeReply reply;

    // As new, but for memory that the next request can use.
    void clear() noexcept {
        digest = {};
        was_read = decides = false;
        message.headers.clear();
        message.items.clear();
        note.clear();
        request_signature = {};
        operation.reset();
        to_sign.key.reset();
        to_sign.records.clear();
        reply.reset();
    }
};

} // namespace redoubt::enclave
