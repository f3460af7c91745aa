// SPDX-License-Identifier: Apache-2.0
#include "enclave/attestor.h"

#include "nitro/attestation.h"

#include <algorithm>

namespace redoubt::enclave {

Result<Bytes> Attestor::document(std::string_view purpose, const Hash32& digest, ByteView nonce,
                                 ByteView public_key) {
    nitro::AttestationRequest request;
    request.user_data = nitro::encode_user_data(purpose, digest);
    if (!nonce.empty())
        request.nonce = to_bytes(nonce);
    if (!public_key.empty())
        request.public_key = to_bytes(public_key);
    return nsm_.attest(request);
}

bool RateLimit::take(int count) noexcept {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = monotonic_ms();
    tokens_ms_ = std::min(tokens_ms_ + (now - filled_at_), most_ms_);
    filled_at_ = now;
    if (tokens_ms_ < count * cost_ms_)
        return false;
    tokens_ms_ -= count * cost_ms_;
    return true;
}

Status Attestor::allow_statement(int count) {
    if (!statements_.take(count))
        return fail(Code::TooManyRequests, "too many attestation requests; ask again in a second");
    return {};
}

Status Attestor::allow_identity() {
    if (!identities_.take())
        return fail(Code::TooManyRequests, "too many attestation requests; ask again in a second");
    return {};
}

Status Attestor::allow_change() {
    if (!changes_.take())
        return fail(Code::TooManyRequests, "too many attestation requests; ask again in a second");
    return {};
}

} // namespace redoubt::enclave
