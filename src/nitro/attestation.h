// SPDX-License-Identifier: Apache-2.0
// Attestation documents: parsing and verification as AWS's attestation_process.md states it, stricter where
// it is loose (docs/attestation.md). Pure functions of their arguments; no clock, no file.
#pragma once

#include "base/clock.h"
#include "nitro/nsm.h"

#include <map>

namespace redoubt::nitro {

struct Attestation {
    std::string module_id;
    UnixMs timestamp = 0;
    std::map<std::uint16_t, Bytes> pcrs; // 32, 48 or 64 bytes each
    Bytes certificate;                   // DER, leaf
    std::vector<Bytes> cabundle;         // DER, root first
    std::optional<Bytes> public_key, user_data, nonce;
    // COSE parts, for verification: views are copied out so that the value stands alone.
    Bytes protected_header, payload, signature;

    bool debug() const noexcept; // PCR0, 1 and 2 all zero (or missing)
};

// Structure and syntactic rules only; nothing is trusted yet. Error: AttestationInvalid.
Result<Attestation> parse_attestation(ByteView document);

// Parses, checks the chain against `root_der` (byte-equal to the bundle's first), the signature, and every
// certificate's validity at `at`. Errors: AttestationInvalid, AttestationUntrusted (another root, bad
// signature or chain), AttestationExpired (a certificate not valid at `at`). Debug documents verify: the
// caller decides (KMS compares PCRs).
Result<Attestation> verify_attestation(ByteView document, ByteView root_der, UnixMs at);

// SHA-256 of AWS's root certificate G1 (DER), from the AWS Nitro Enclaves documentation.
extern const Hash32 kAwsNitroRootSha256;

// user_data as the enclave builds it (design invariant 11): CBOR map {1: version = 1, 2: purpose text, 3:
// SHA-256 digest}.
Bytes encode_user_data(std::string_view purpose, const Hash32& digest);
struct UserData {
    std::string purpose;
    Hash32 digest;
};
Result<UserData> parse_user_data(ByteView bytes); // Error: AttestationInvalid

} // namespace redoubt::nitro
