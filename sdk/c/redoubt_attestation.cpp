// SPDX-License-Identifier: Apache-2.0
#include "redoubt_attestation.h"

#include "base/result.h"
#include "trust/attestation_report.h"

#include <algorithm>
#include <cstring>

namespace {

using namespace redoubt;

template<std::size_t N>
void put(char (&out)[N], std::string_view text) {
    const std::size_t size = std::min(text.size(), N - 1);
    std::memcpy(out, text.data(), size);
    out[size] = '\0';
}

template<std::size_t N>
void put(std::uint8_t (&out)[N], std::uint16_t& size, const std::optional<Bytes>& bytes) {
    if (!bytes || bytes->size() > N)
        return;
    std::copy(bytes->begin(), bytes->end(), out);
    size = static_cast<std::uint16_t>(bytes->size());
}

unsigned bit_of(std::string_view exception) {
    return exception == "debug"       ? REDOUBT_ALLOW_DEBUG
           : exception == "unpinned"  ? REDOUBT_ALLOW_UNPINNED
           : exception == "any-nonce" ? REDOUBT_ALLOW_ANY_NONCE
                                      : REDOUBT_ALLOW_OTHER_ROOT;
}

trust::AttestationDemands demands_of(const redoubt_attestation_demands& in) {
    trust::AttestationDemands out;
    out.at = in.at_ms;
    if (in.root_sha256 != nullptr)
        std::copy_n(in.root_sha256, out.root_sha256.size(), out.root_sha256.begin());
    for (std::uint16_t i = 0; i < 32; ++i)
        if (in.pcrs[i] != nullptr)
            out.pcrs[i] = Bytes(in.pcrs[i], in.pcrs[i] + 48);
    if (in.nonce != nullptr)
        out.nonce = Bytes(in.nonce, in.nonce + in.nonce_size);
    if (in.has_max_age != 0)
        out.max_age_ms = in.max_age_ms;
    if (in.purpose != nullptr)
        out.purpose = in.purpose;
    out.allow_debug = (in.allow & REDOUBT_ALLOW_DEBUG) != 0;
    out.allow_unpinned = (in.allow & REDOUBT_ALLOW_UNPINNED) != 0;
    out.allow_any_nonce = (in.allow & REDOUBT_ALLOW_ANY_NONCE) != 0;
    out.allow_other_root = (in.allow & REDOUBT_ALLOW_OTHER_ROOT) != 0;
    return out;
}

void describe(const trust::AttestationReport& report, redoubt_attestation_result& out) {
    put(out.code, report.ok ? "ok" : code_name(report.code));
    for (const auto& check : report.checks) {
        if (check.result != trust::CheckResult::Failed)
            continue;
        put(out.failed_check, check.name);
        put(out.detail, check.detail);
        break;
    }
    for (const auto exception : report.exceptions)
        out.exceptions |= bit_of(exception);
    if (!report.attestation)
        return;
    const auto& attestation = *report.attestation;
    out.timestamp_ms = attestation.timestamp;
    put(out.module_id, attestation.module_id);
    for (const auto& [index, value] : attestation.pcrs) {
        std::copy(value.begin(), value.end(), out.pcrs[index]);
        out.pcr_sizes[index] = static_cast<std::uint8_t>(value.size());
    }
    put(out.public_key, out.public_key_size, attestation.public_key);
    put(out.user_data, out.user_data_size, attestation.user_data);
    put(out.nonce, out.nonce_size, attestation.nonce);
}

} // namespace

extern "C" int redoubt_attestation_verify(const uint8_t* document, size_t size,
                                          const redoubt_attestation_demands* demands,
                                          redoubt_attestation_result* result) {
    if (result != nullptr) {
        std::memset(result, 0, sizeof *result);
        put(result->code, "usage");
    }
    constexpr unsigned kAllBits =
        REDOUBT_ALLOW_DEBUG | REDOUBT_ALLOW_UNPINNED | REDOUBT_ALLOW_ANY_NONCE | REDOUBT_ALLOW_OTHER_ROOT;
    if (demands == nullptr || demands->struct_size != sizeof *demands || demands->at_ms <= 0 ||
        (document == nullptr && size > 0) || (demands->nonce == nullptr && demands->nonce_size > 0) ||
        (demands->has_max_age != 0 && demands->max_age_ms < 0) || (demands->allow & ~kAllBits) != 0)
        return 2;
    const auto report = trust::check_attestation({document, size}, demands_of(*demands));
    if (result != nullptr)
        describe(report, *result);
    return report.ok ? 0 : 1;
}
