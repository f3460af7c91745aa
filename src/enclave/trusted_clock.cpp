// SPDX-License-Identifier: Apache-2.0
#include "enclave/trusted_clock.h"

#include "enclave/attestor.h"
#include "nitro/attestation.h"
#include "trust/statement.h"

namespace redoubt::enclave {

Status TrustedClock::refresh(Attestor& attestor) {
    const std::int64_t before = monotonic_ms();
    REDOUBT_TRY(const Bytes document, attestor.document(trust::kPurposeClock, Hash32{}, {}, {}));
    const std::int64_t after = monotonic_ms();
    // The document comes from the device itself, so its signature need not be checked here.
    const auto attestation = nitro::parse_attestation(document);
    if (!attestation)
        return fail(Code::NsmFailed, "the NSM gave an attestation document that cannot be read");
    const std::int64_t offset = attestation->timestamp - (before + after) / 2;
    if (refreshed_at_ != 0) {
        step_ms_ = offset - offset_;
        over_ms_ = after - refreshed_at_;
    }
    offset_ = offset;
    refreshed_at_ = after;
    return {};
}

UnixMs TrustedClock::now() const noexcept {
    if (refreshed_at_.load(std::memory_order_relaxed) == 0)
        return 0;
    const UnixMs read = monotonic_ms() + offset_.load(std::memory_order_relaxed);
    UnixMs latest = latest_.load(std::memory_order_relaxed);
    while (read > latest && !latest_.compare_exchange_weak(latest, read, std::memory_order_relaxed)) {
    }
    return read > latest ? read : latest;
}

std::int64_t TrustedClock::age_ms() const noexcept {
    return monotonic_ms() - refreshed_at_.load(std::memory_order_relaxed);
}

} // namespace redoubt::enclave
