// SPDX-License-Identifier: Apache-2.0
// The signature of an EIF: a COSE_Sign1 over PCR0 beside the certificate whose key made it. The hypervisor
// starts a signed image only if the signature holds, and measures the certificate into PCR8; it asks nobody
// whether the certificate is a good one. So a signature says what PCR8 says: who signed, to whoever pins it.
#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "image/eif.h"

#include <map>

namespace redoubt::image {

// What `nitro-cli describe-eif` tells of a certificate, in OpenSSL's words.
struct SigningCertificate {
    Bytes der;
    std::map<std::string, std::string> issuer;   // commonName → …
    std::string algorithm;                       // ecdsa-with-SHA384: how the certificate itself is signed
    std::string not_before_text, not_after_text; // "Nov 29 08:59:40 2026 GMT"
    UnixMs not_before = 0, not_after = 0;
    Bytes signature;

    bool valid_at(UnixMs time) const noexcept { return not_before <= time && time <= not_after; }
};

// The first certificate of a PEM text of at most 32 KiB. Error: ImageInvalid.
Result<SigningCertificate> read_signing_certificate(ByteView pem);

// PCR8 of an enclave whose image carries this certificate and a signature by its key.
crypto::Hash48 pcr8_of(const SigningCertificate& certificate) noexcept;

// A section may hold several; only the first counts, for nitro-cli, the hypervisor and here.
struct ImageSignature {
    SigningCertificate certificate;
    std::int64_t algorithm = 0; // -7 ES256, -35 ES384, -36 ES512
    Bytes protected_header, payload, signature;
};
// Structure only; nothing is verified. Error: ImageInvalid.
Result<ImageSignature> read_signature(ByteView section);
// Does the certificate's key sign, and this PCR0? The certificate's dates are the caller's to look at: the
// hypervisor has been told no time. Error: ImageInvalid.
Status check_signature(const ImageSignature& signature, const crypto::Hash48& pcr0);

// A signature section: ES384 by a P-384 key (PEM, not encrypted), which must be the certificate's (the first
// one of a PEM text; the section gets that one in PEM made anew, and nothing else of the text). ECDSA draws a
// number: two signatures of one image differ. Errors: KeyInvalid, ImageInvalid (the certificate; also one
// that is not valid at `now`), TooLarge.
Result<Bytes> sign_pcr0(const crypto::Hash48& pcr0, const Secret& key_pem, ByteView certificate_pem,
                        UnixMs now);

} // namespace redoubt::image
