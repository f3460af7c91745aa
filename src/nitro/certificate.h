// SPDX-License-Identifier: Apache-2.0
// X.509 certificates (RFC 5280) as the Nitro attestation PKI issues them, read far more strictly than a
// general library reads them: version 3, P-384 with a named curve and an uncompressed point,
// ecdsa-with-SHA384, DER throughout, basicConstraints and keyUsage present, no critical extension but these
// two, none twice. Structure only; signatures and the path are attestation_chain.cpp's.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "nitro/p384.h"

namespace redoubt::nitro {

inline constexpr std::size_t kMaxCertificate = 1024; // bytes of DER (attestation_process.md, section 3.2.2)

// Views are of the bytes that were read.
struct Certificate {
    ByteView signed_part;     // TBSCertificate with its header: what the issuer signed
    ByteView issuer, subject; // Name with its header, compared as bytes
    ByteView point;           // of the subject's key
    Es384Signature signature;
    UnixMs not_before, not_after;
    bool authority;                          // basicConstraints cA
    std::optional<std::uint8_t> path_length; // only for an authority
    bool digital_signature, key_cert_sign;   // keyUsage
};

// Error: AttestationUntrusted.
Result<Certificate> read_certificate(ByteView der);

// The fixed parts of such a certificate, for reading and writing.
extern const ByteArray<12> kEcdsaWithSha384;   // AlgorithmIdentifier
extern const ByteArray<23> kP384PublicKeyHead; // SubjectPublicKeyInfo before the point

} // namespace redoubt::nitro
