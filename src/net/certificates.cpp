// SPDX-License-Identifier: Apache-2.0
// Development certificates (RFC 5280): an authority that may issue nothing but end certificates, and server
// certificates by it. All keys are P-256, all signatures ECDSA with SHA-256.
#include "net/tls.h"

#include <algorithm>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string_view>

namespace redoubt::net {

namespace {

template<auto release>
struct Releaser {
    template<class T>
    void operator()(T* object) const noexcept {
        release(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Releaser<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Releaser<X509_EXTENSION_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Releaser<GENERAL_NAMES_free>>;
using Name = std::unique_ptr<GENERAL_NAME, Releaser<GENERAL_NAME_free>>;
using Number = std::unique_ptr<BIGNUM, Releaser<BN_free>>;
using Bio = std::unique_ptr<BIO, Releaser<BIO_free>>;

constexpr long kBackdateSeconds = 300; // a client's clock may be a little behind
constexpr int kAuthorityDays = 3650;
constexpr int kServerDays = 397;           // what browsers accept
constexpr int kSerialBits = 127;           // RFC 5280, section 4.1.2.2: positive, at most 20 bytes
constexpr std::size_t kMaxCommonName = 64; // X.520's ub-common-name
constexpr std::size_t kMaxNames = 100;
constexpr std::size_t kMaxDnsName = 253;

std::unexpected<Error> failed(FixedText text) {
    const unsigned long code = ERR_peek_last_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    ERR_clear_error();
    return fail(Code::TlsFailed, text, reason == nullptr ? "" : reason);
}

int no_passphrase(char*, int, int, void*) {
    return 0;
}

Key make_key() noexcept {
    char curve[] = "P-256"; // read only, but declared as char*
    return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
}

bool is_dns_name(std::string_view name) noexcept {
    if (name.starts_with("*."))
        name.remove_prefix(2);
    return !name.empty() && name.size() <= kMaxDnsName && name.front() != '.' && name.back() != '.' &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-' || c == '_';
           });
}

bool set_serial(X509* certificate) noexcept {
    const Number serial(BN_new());
    return serial && BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_common_name(X509* certificate, const std::string& name) noexcept {
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(name.data()),
                                      static_cast<int>(name.size()), -1, 0) == 1;
}

// Version, serial, times, subject and key; the rest differs.
Certificate begin(EVP_PKEY* key, const std::string& common_name, int days) noexcept {
    Certificate out(X509_new());
    if (!out || X509_set_version(out.get(), X509_VERSION_3) != 1 || !set_serial(out.get()) ||
        X509_gmtime_adj(X509_getm_notBefore(out.get()), -kBackdateSeconds) == nullptr ||
        X509_time_adj_ex(X509_getm_notAfter(out.get()), days, 0, nullptr) == nullptr ||
        X509_set_pubkey(out.get(), key) != 1 || !set_common_name(out.get(), common_name))
        return nullptr;
    return out;
}

// `value` is a constant in OpenSSL's configuration syntax, never a caller's text.
bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) noexcept {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Name general_name(const std::string& text) noexcept {
    Name out(GENERAL_NAME_new());
    if (!out)
        return nullptr;
    if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(text.c_str()); address != nullptr) {
        GENERAL_NAME_set0_value(out.get(), GEN_IPADD, address);
        return out;
    }
    ERR_clear_error();
    ASN1_IA5STRING* name = is_dns_name(text) ? ASN1_IA5STRING_new() : nullptr;
    if (name == nullptr || ASN1_STRING_set(name, text.data(), static_cast<int>(text.size())) != 1) {
        ASN1_IA5STRING_free(name);
        return nullptr;
    }
    GENERAL_NAME_set0_value(out.get(), GEN_DNS, name);
    return out;
}

bool add_names(X509* certificate, const std::vector<std::string>& texts) noexcept {
    const Names names(GENERAL_NAMES_new());
    for (const std::string& text : texts) {
        Name name = general_name(text);
        if (!names || !name || sk_GENERAL_NAME_push(names.get(), name.get()) <= 0)
            return false;
        (void)name.release(); // the stack's now
    }
    return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

std::string contents(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return size <= 0 ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

Result<PemPair> to_pem(X509* certificate, EVP_PKEY* key) {
    const Bio certificate_text(BIO_new(BIO_s_mem()));
    const Bio key_text(BIO_new(BIO_s_mem()));
    if (!certificate_text || !key_text || PEM_write_bio_X509(certificate_text.get(), certificate) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
        return failed("a certificate cannot be written as PEM");
    return PemPair{contents(certificate_text.get()), contents(key_text.get())};
}

} // namespace

Result<PemPair> make_certificate_authority(const std::string& name) {
    ERR_clear_error();
    if (name.empty() || name.size() > kMaxCommonName)
        return fail(Code::TlsFailed, "a certificate authority's name has 1 to 64 bytes");
    const Key key = make_key();
    const Certificate certificate = key ? begin(key.get(), name, kAuthorityDays) : nullptr;
    if (!certificate)
        return failed("a certificate authority cannot be made");
    X509* const self = certificate.get();
    if (X509_set_issuer_name(self, X509_get_subject_name(self)) != 1 ||
        !add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(self, self, NID_subject_key_identifier, "hash") ||
        X509_sign(self, key.get(), EVP_sha256()) <= 0)
        return failed("a certificate authority cannot be made");
    return to_pem(self, key.get());
}

namespace {

// `usage`: the extended key usage, in OpenSSL's configuration syntax.
Result<PemPair> make_leaf(const PemPair& authority, const std::vector<std::string>& subject_alt_names,
                          const char* usage) {
    ERR_clear_error();
    if (subject_alt_names.empty() || subject_alt_names.size() > kMaxNames)
        return fail(Code::TlsFailed, "a certificate needs 1 to 100 names");
    const Bio certificate_text(
        BIO_new_mem_buf(authority.certificate.data(), static_cast<int>(authority.certificate.size())));
    const Bio key_text(BIO_new_mem_buf(authority.key.data(), static_cast<int>(authority.key.size())));
    const Certificate issuer(certificate_text
                                 ? PEM_read_bio_X509(certificate_text.get(), nullptr, no_passphrase, nullptr)
                                 : nullptr);
    const Key issuer_key(key_text ? PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr)
                                  : nullptr);
    if (!issuer || !issuer_key || X509_check_private_key(issuer.get(), issuer_key.get()) != 1)
        return failed("the certificate authority is not a PEM certificate with its key");
    const Key key = make_key();
    const std::string& first = subject_alt_names.front();
    const Certificate certificate =
        key ? begin(key.get(), first.size() <= kMaxCommonName && !first.empty() ? first : "Redoubt",
                    kServerDays)
            : nullptr;
    if (!certificate)
        return failed("a certificate cannot be made");
    X509* const leaf = certificate.get();
    if (!add_names(leaf, subject_alt_names))
        return failed("a certificate's names are DNS names or numeric addresses");
    if (X509_set_issuer_name(leaf, X509_get_subject_name(issuer.get())) != 1 ||
        !add_extension(leaf, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(leaf, issuer.get(), NID_key_usage, "critical,digitalSignature") ||
        !add_extension(leaf, issuer.get(), NID_ext_key_usage, usage) ||
        !add_extension(leaf, issuer.get(), NID_subject_key_identifier, "hash") ||
        !add_extension(leaf, issuer.get(), NID_authority_key_identifier, "keyid:always") ||
        X509_sign(leaf, issuer_key.get(), EVP_sha256()) <= 0)
        return failed("a certificate cannot be made");
    return to_pem(leaf, key.get());
}

} // namespace

Result<PemPair> make_server_certificate(const PemPair& authority,
                                        const std::vector<std::string>& subject_alt_names) {
    return make_leaf(authority, subject_alt_names, "serverAuth");
}

Result<PemPair> make_client_certificate(const PemPair& authority,
                                        const std::vector<std::string>& subject_alt_names) {
    return make_leaf(authority, subject_alt_names, "clientAuth");
}

} // namespace redoubt::net
