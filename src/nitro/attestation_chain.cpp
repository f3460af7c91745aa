// SPDX-License-Identifier: Apache-2.0
#include "nitro/attestation_chain.h"

#include "nitro/certificate.h"

#include <algorithm>

namespace redoubt::nitro {

namespace {

std::unexpected<Error> untrusted(FixedText text) {
    return fail(Code::AttestationUntrusted, text);
}

bool same(ByteView a, ByteView b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// May this certificate issue others, with `below` authorities between it and the leaf? RFC 5280, section
// 4.2.1.9, does not count those that issued themselves; here every one counts.
Status check_authority(const Certificate& certificate, std::size_t below) {
    if (!certificate.authority || !certificate.key_cert_sign)
        return untrusted("a certificate of the document's chain may not issue certificates");
    if (certificate.path_length && *certificate.path_length < below)
        return untrusted("the document's chain is longer than one of its certificates allows");
    return {};
}

Status check_leaf(const Certificate& certificate) {
    if (certificate.authority || certificate.key_cert_sign || !certificate.digital_signature)
        return untrusted("the document's own certificate is not one for signing documents");
    return {};
}

} // namespace

Result<VerifiedChain> verify_chain(const std::vector<Bytes>& bundle, ByteView leaf, ByteView root_der) {
    if (bundle.empty() || bundle.size() > kMaxBundle)
        return untrusted("the document's chain is empty or too long");
    if (!same(bundle[0], root_der))
        return untrusted("the document leads to another root than the expected one");

    // The root is trusted for being these very bytes, so its own signature would prove nothing.
    REDOUBT_TRY(Certificate issuer, read_certificate(bundle[0]));
    if (!same(issuer.issuer, issuer.subject))
        return untrusted("the expected root is not a root certificate");
    REDOUBT_CHECK(check_authority(issuer, bundle.size() - 1));
    VerifiedChain out{{}, issuer.not_before, issuer.not_after};

    for (std::size_t i = 1; i <= bundle.size(); ++i) {
        const bool last = i == bundle.size();
        const ByteView der = last ? leaf : ByteView(bundle[i]);
        REDOUBT_TRY(const Certificate certificate, read_certificate(der));
        // RFC 5280, section 6.1: no certificate is in a path twice.
        for (std::size_t above = 0; above < i; ++above) {
            if (same(der, bundle[above]))
                return untrusted("a certificate is in the document's chain twice");
        }
        if (!same(certificate.issuer, issuer.subject))
            return untrusted("a certificate of the document's chain names another issuer than the one above");
        REDOUBT_CHECK(last ? check_leaf(certificate) : check_authority(certificate, bundle.size() - 1 - i));
        if (!verify_es384(issuer.point, certificate.signed_part, certificate.signature))
            return untrusted("a certificate of the document's chain is not signed by the one above");
        out.not_before = std::max(out.not_before, certificate.not_before);
        out.not_after = std::min(out.not_after, certificate.not_after);
        issuer = certificate;
    }
    out.leaf_point = issuer.point;
    return out;
}

} // namespace redoubt::nitro
