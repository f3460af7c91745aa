// SPDX-License-Identifier: Apache-2.0
#include "doctor/checks.h"

#include <ctime>
#include <memory>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace redoubt::doctor {

namespace {

std::optional<UnixMs> time_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return std::nullopt;
    return static_cast<UnixMs>(timegm(&parts)) * 1000;
}

} // namespace

Result<PemCertificate> read_pem_certificate(const std::string& pem) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    if (!certificate)
        return redoubt::fail(Code::Usage, "the file holds no PEM certificate");
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate.get(), &der);
    const auto not_before = time_of(X509_get0_notBefore(certificate.get()));
    const auto not_after = time_of(X509_get0_notAfter(certificate.get()));
    if (size <= 0 || !not_before || !not_after)
        return redoubt::fail(Code::Usage, "the certificate cannot be read");
    PemCertificate out{Bytes(der, der + size), *not_before, *not_after};
    OPENSSL_free(der);
    return out;
}

} // namespace redoubt::doctor
