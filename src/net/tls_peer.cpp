// SPDX-License-Identifier: Apache-2.0
// What a client's certificate says of it. The certificate is the client's own until Peer::verified says
// otherwise, so everything read from it is bounded.
#include "net/tls.h"

#include <algorithm>
#include <ctime>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace redoubt::net {

namespace {

struct FreeCertificate {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
struct FreeBio {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
struct FreeNames {
    void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};

std::string subject_of(X509* certificate) {
    const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
    if (!bio || X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
        return {};
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    if (size <= 0 || static_cast<std::size_t>(size) > Peer::kMaxSubject)
        return {};
    return std::string(data, static_cast<std::size_t>(size));
}

bool is_plain(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 253 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_';
    });
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// Names with other characters (a wildcard, a zero byte) are no host's, and are left out.
std::vector<std::string> dns_names_of(X509* certificate) {
    const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::vector<std::string> out;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()) && out.size() < Peer::kMaxNames; ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type != GEN_DNS)
            continue;
        const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                                    static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
        if (is_plain(text))
            out.push_back(lower(text));
    }
    return out;
}

UnixMs time_of(const ASN1_TIME* time) {
    std::tm parts{};
    return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<UnixMs>(timegm(&parts)) * 1'000 : 0;
}

} // namespace

std::shared_ptr<const Peer> Stream::peer() const {
    if (ssl_ == nullptr)
        return nullptr;
    const std::unique_ptr<X509, FreeCertificate> certificate(SSL_get1_peer_certificate(ssl_));
    if (!certificate)
        return nullptr;
    auto out = std::make_shared<Peer>();
    unsigned size = 0;
    if (X509_digest(certificate.get(), EVP_sha256(), out->certificate_sha256.data(), &size) != 1 ||
        size != out->certificate_sha256.size())
        return nullptr;
    out->subject = subject_of(certificate.get());
    out->dns_names = dns_names_of(certificate.get());
    out->not_before = time_of(X509_get0_notBefore(certificate.get()));
    out->not_after = time_of(X509_get0_notAfter(certificate.get())); // 0, and so past, if it cannot be read
    out->verified = SSL_get_verify_result(ssl_) == X509_V_OK;
    ERR_clear_error();
    return out;
}

} // namespace redoubt::net
