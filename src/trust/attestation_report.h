// SPDX-License-Identifier: Apache-2.0
// What an outsider checks of an attestation document, check by check. A document passes only if it verifies
// against AWS's root, is no debug enclave's, has the pinned PCR0 and PCR16, and is fresh: by the nonce that
// the caller sent or by its age. Each exception is an option of its own, is named in the report, and never
// makes a value that was given and differs acceptable.
//
// Pure functions of their arguments; thread-safe. sdk/js/attestation is the same in JavaScript; both give the
// same verdicts (tests/sdk).
#pragma once

#include "nitro/attestation.h"

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace redoubt::trust {

struct AttestationDemands {
    Hash32 root_sha256 = nitro::kAwsNitroRootSha256; // of the DER that the bundle must begin with
    UnixMs at = 0;                                   // when every certificate must be valid
    std::map<std::uint16_t, Bytes> pcrs;             // pins by index; 16 is the manifest's
    std::optional<Bytes> nonce;
    std::optional<std::int64_t> max_age_ms; // of the document's timestamp at `at`; 60 s of the future pass
    std::optional<std::string> purpose;     // of user_data (trust/statement.h)
    bool allow_debug = false, allow_unpinned = false, allow_any_nonce = false, allow_other_root = false;
};

enum class CheckResult { Ok, Allowed, Failed, Skipped };
std::string_view check_result_name(CheckResult result); // "ok", "allowed", "failed", "skipped"

struct AttestationCheck {
    std::string_view name;
    CheckResult result = CheckResult::Skipped;
    std::string detail; // for people
};

// The checks, in this order. The first five are what the document is; when one of them fails, those after it
// are skipped.
inline constexpr std::array<std::string_view, 9> kAttestationChecks = {
    "structure", "root", "chain", "signature", "time", "debug", "pcrs", "freshness", "purpose"};

struct AttestationReport {
    bool ok = false;
    Code code = Code::AttestationInvalid; // when not ok: that of the first failed check
    std::vector<AttestationCheck> checks; // all nine
    std::vector<std::string_view>
        exceptions; // "debug", "unpinned", "any-nonce", "other-root": those made use of
    std::optional<nitro::Attestation> attestation; // if its structure is right: to show, trusted only if ok
};

AttestationReport check_attestation(ByteView document, const AttestationDemands& demands);

} // namespace redoubt::trust
