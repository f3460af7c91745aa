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

Result<Bytes> Attestor::document_for_client(std::string_view purpose, const Hash32& digest, ByteView nonce) {
    {
        // A bucket counted in milliseconds: one document costs 1000 / kClientRate of them.
        constexpr std::int64_t kCost = 1000 / kClientRate;
        const std::lock_guard lock(mutex_);
        const std::int64_t now = monotonic_ms();
        tokens_ms_ = std::min<std::int64_t>(tokens_ms_ + (now - filled_at_), kClientBurst * kCost);
        filled_at_ = now;
        if (tokens_ms_ < kCost)
            return fail(Code::TooManyRequests, "too many attestation requests; ask again in a second");
        tokens_ms_ -= kCost;
    }
    return document(purpose, digest, nonce, {});
}

} // namespace redoubt::enclave
