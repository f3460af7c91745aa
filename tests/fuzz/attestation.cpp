// SPDX-License-Identifier: Apache-2.0
// Attestation documents of any bytes: no crash, fields within their limits, and none that verifies. Seeds:
// corpus/attestation.
#include "nitro/attestation.h"
#include "nitro/certificate.h"

#include <algorithm>
#include <cstdlib>

using namespace redoubt;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

bool at_most(const std::optional<Bytes>& field, std::size_t limit) {
    return !field || field->size() <= limit;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    const auto certificate = nitro::read_certificate(input);
    if (certificate) {
        require(certificate->point.size() == 97 && certificate->not_before <= certificate->not_after);
        require(certificate->authority || !certificate->path_length);
    }
    (void)nitro::parse_user_data(input);

    const auto parsed = nitro::parse_attestation(input);
    if (!parsed) {
        require(parsed.error().code == Code::AttestationInvalid);
        require(!nitro::verify_attestation(input, input, 1));
        return 0;
    }
    require(!parsed->module_id.empty() && parsed->timestamp > 0);
    require(!parsed->pcrs.empty() && parsed->pcrs.rbegin()->first < nitro::kPcrCount);
    for (const auto& [index, value] : parsed->pcrs)
        require(value.size() == 32 || value.size() == 48 || value.size() == 64);
    require(!parsed->certificate.empty() && parsed->certificate.size() <= 1024);
    require(!parsed->cabundle.empty() && parsed->cabundle.size() <= 9);
    for (const Bytes& authority : parsed->cabundle)
        require(!authority.empty() && authority.size() <= 1024);
    require(at_most(parsed->public_key, 1024) && at_most(parsed->user_data, 1024) &&
            at_most(parsed->nonce, 1024));
    require(parsed->signature.size() == 96 && !parsed->payload.empty() && parsed->payload.size() <= 16384);
    (void)parsed->debug();

    // Under its own root it might be genuine (a seed is); with another signature it never is.
    const auto verified = nitro::verify_attestation(input, parsed->cabundle[0], parsed->timestamp);
    if (verified) {
        Bytes changed = to_bytes(input);
        changed.back() ^= 0x01;
        require(!nitro::verify_attestation(changed, parsed->cabundle[0], parsed->timestamp));
    }
    return 0;
}
