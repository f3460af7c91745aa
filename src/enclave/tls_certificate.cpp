// SPDX-License-Identifier: Apache-2.0
#include "enclave/tls_certificate.h"

#include <algorithm>
#include <ctime>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace redoubt::enclave {

namespace {

using crypto::Releaser;
using Request = std::unique_ptr<X509_REQ, Releaser<X509_REQ_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Releaser<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Releaser<GENERAL_NAMES_free>>;
using Name = std::unique_ptr<GENERAL_NAME, Releaser<GENERAL_NAME_free>>;
using Number = std::unique_ptr<BIGNUM, Releaser<BN_free>>;
using Bio = std::unique_ptr<BIO, Releaser<BIO_free>>;
using Time = std::unique_ptr<ASN1_TIME, Releaser<ASN1_TIME_free>>;

constexpr std::string_view kSubject = "Redoubt enclave";
constexpr std::int64_t kBackdateMs = 300'000;                      // a client's clock may be a little behind
constexpr std::int64_t kValidMs = std::int64_t{3650} * 86'400'000; // an enclave's life is shorter
constexpr int kSerialBits = 127; // RFC 5280, section 4.1.2.2: positive, at most 20 bytes
constexpr std::size_t kMaxDnsName = 253;

std::unexpected<Error> failed() {
    crypto::forget_openssl_errors();
    return fail(Code::TlsFailed, "the enclave's TLS certificate cannot be made");
}

std::unexpected<Error> refused(FixedText text) {
    crypto::forget_openssl_errors();
    return fail(Code::InvalidField, text);
}

bool is_dns_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= kMaxDnsName && name.front() != '.' && name.back() != '.' &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-' || c == '_';
           });
}

Name general_name(const std::string& host) {
    Name out(GENERAL_NAME_new());
    if (!out)
        return nullptr;
    if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str()); address != nullptr) {
        GENERAL_NAME_set0_value(out.get(), GEN_IPADD, address);
        return out;
    }
    ASN1_IA5STRING* name = is_dns_name(host) ? ASN1_IA5STRING_new() : nullptr;
    if (name == nullptr || ASN1_STRING_set(name, host.data(), static_cast<int>(host.size())) != 1) {
        ASN1_IA5STRING_free(name);
        return nullptr;
    }
    GENERAL_NAME_set0_value(out.get(), GEN_DNS, name);
    return out;
}

// subjectAltName; an empty pointer: there is no name to put into it.
Extension alternative_names(const std::vector<std::string>& hosts) {
    const Names names(GENERAL_NAMES_new());
    for (const std::string& host : hosts)
        if (Name name = general_name(host); name && sk_GENERAL_NAME_push(names.get(), name.get()) > 0)
            (void)name.release(); // the stack's now
    crypto::forget_openssl_errors();
    if (sk_GENERAL_NAME_num(names.get()) <= 0)
        return nullptr;
    return Extension(X509V3_EXT_i2d(NID_subject_alt_name, 0, names.get()));
}

bool set_subject(X509_NAME* name) noexcept {
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(kSubject.data()),
                                      static_cast<int>(kSubject.size()), -1, 0) == 1;
}

// `value` is a constant in OpenSSL's configuration syntax.
bool add_extension(X509* certificate, int nid, const char* value) noexcept {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

std::time_t seconds(UnixMs time) noexcept {
    return static_cast<std::time_t>(time / 1000);
}

bool names_host(X509* certificate, const std::string& host) noexcept {
    return X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1 ||
           X509_check_ip_asc(certificate, host.c_str(), 0) == 1;
}

} // namespace

Bytes public_key_der(EVP_PKEY* key) {
    std::uint8_t* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    if (size <= 0) // a key of an algorithm that is not known: nobody's here
        return {};
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
}

Result<Certificate> self_signed_certificate(EVP_PKEY* key, const std::vector<std::string>& hosts,
                                            UnixMs now) {
    Certificate out(X509_new());
    const Number serial(BN_new());
    if (!out || !serial || X509_set_version(out.get(), X509_VERSION_3) != 1 ||
        BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
        BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(out.get())) == nullptr ||
        ASN1_TIME_set(X509_getm_notBefore(out.get()), seconds(std::max<UnixMs>(0, now - kBackdateMs))) ==
            nullptr ||
        ASN1_TIME_set(X509_getm_notAfter(out.get()), seconds(now + kValidMs)) == nullptr ||
        X509_set_pubkey(out.get(), key) != 1 || !set_subject(X509_get_subject_name(out.get())) ||
        X509_set_issuer_name(out.get(), X509_get_subject_name(out.get())) != 1)
        return failed();
    const Extension names = alternative_names(hosts);
    if ((names && X509_add_ext(out.get(), names.get(), -1) != 1) ||
        !add_extension(out.get(), NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(out.get(), NID_key_usage, "critical,digitalSignature") ||
        !add_extension(out.get(), NID_ext_key_usage, "serverAuth") ||
        X509_sign(out.get(), key, EVP_sha256()) <= 0)
        return failed();
    return out;
}

Result<std::string> certificate_request_pem(EVP_PKEY* key, const std::vector<std::string>& hosts) {
    const Request request(X509_REQ_new());
    const Bio text(BIO_new(BIO_s_mem()));
    if (!request || !text || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
        !set_subject(X509_REQ_get_subject_name(request.get())) ||
        X509_REQ_set_pubkey(request.get(), key) != 1)
        return failed();
    if (Extension names = alternative_names(hosts)) {
        STACK_OF(X509_EXTENSION)* const all = sk_X509_EXTENSION_new_null();
        const bool added = all != nullptr && sk_X509_EXTENSION_push(all, names.get()) > 0 &&
                           X509_REQ_add_extensions(request.get(), all) == 1;
        sk_X509_EXTENSION_free(all); // not what is in it
        if (!added)
            return failed();
    }
    char* data = nullptr;
    if (X509_REQ_sign(request.get(), key, EVP_sha256()) <= 0 ||
        PEM_write_bio_X509_REQ(text.get(), request.get()) != 1)
        return failed();
    const long size = BIO_get_mem_data(text.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

Result<std::vector<Certificate>> read_chain(std::string_view pem, std::size_t most) {
    constexpr FixedText kNotPem = "the chain is not readable PEM: certificates and nothing else";
    constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";
    std::vector<Certificate> out;
    const auto skip_space = [&pem] {
        pem.remove_prefix(std::min(pem.find_first_not_of(" \t\r\n"), pem.size()));
    };
    for (skip_space(); !pem.empty(); skip_space()) {
        const std::size_t end = pem.find(kEnd);
        if (!pem.starts_with(kBegin) || end == std::string_view::npos || out.size() == most)
            return refused(out.size() == most ? FixedText("the chain has more than eight certificates")
                                              : kNotPem);
        const std::string_view one = pem.substr(0, end + kEnd.size());
        const Bio bio(BIO_new_mem_buf(one.data(), static_cast<int>(one.size())));
        Certificate certificate(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
        if (!certificate)
            return refused(kNotPem);
        out.push_back(std::move(certificate));
        pem.remove_prefix(one.size());
    }
    if (out.empty())
        return refused("the chain holds no certificate");
    return out;
}

Status check_chain(const std::vector<Certificate>& chain, const std::vector<std::string>& hosts, UnixMs now) {
    std::time_t at = seconds(now);
    for (const auto& certificate : chain)
        if (X509_cmp_time(X509_get0_notBefore(certificate.get()), &at) >= 0 ||
            X509_cmp_time(X509_get0_notAfter(certificate.get()), &at) <= 0)
            return refused("a certificate of the chain is not valid now, by the enclave's clock");
    for (std::size_t i = 0; i + 1 < chain.size(); ++i)
        if (X509_check_issued(chain[i + 1].get(), chain[i].get()) != X509_V_OK ||
            X509_verify(chain[i].get(), X509_get0_pubkey(chain[i + 1].get())) != 1)
            return refused(
                "the chain is not in order: each certificate must be signed by the next one's key");
    if (!hosts.empty() && std::ranges::none_of(hosts, [&](const std::string& host) {
            return names_host(chain.front().get(), host);
        }))
        return refused("the certificate names none of the manifest's authorities");
    crypto::forget_openssl_errors();
    return {};
}

UnixMs end_of(const Certificate& certificate) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &parts) != 1)
        return 0;
    return static_cast<UnixMs>(timegm(&parts)) * 1000;
}

} // namespace redoubt::enclave
