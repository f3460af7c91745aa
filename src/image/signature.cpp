// SPDX-License-Identifier: Apache-2.0
// aws-nitro-enclaves-image-format, README.md, "EifSectionSignature"; COSE_Sign1: RFC 9052; ECDSA in it:
// RFC 9053, section 2.1.
#include "image/signature.h"

#include "crypto/openssl.h"
#include "nitro/cbor_map.h"
#include "nitro/cose.h"
#include "nitro/nsm.h"
#include "nitro/p384.h"

#include <algorithm>
#include <ctime>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace redoubt::image {

namespace {

namespace cbor = nitro::cbor;

using Bio = std::unique_ptr<BIO, crypto::Releaser<BIO_free>>;
using X509Certificate = std::unique_ptr<X509, crypto::Releaser<X509_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, crypto::Releaser<ECDSA_SIG_free>>;
using Number = std::unique_ptr<BIGNUM, crypto::Releaser<BN_free>>;

constexpr std::size_t kMaxPem = kMaxSignatureSection; // a number of CBOR is at least a byte
constexpr std::size_t kMaxCose = 1024;
constexpr std::uint64_t kRegister = 0; // PCR0 is what is signed

struct Algorithm {
    std::int64_t id; // COSE's
    std::string_view group;
    const char* digest;
    std::size_t width; // bytes of r and of s
};
constexpr Algorithm kAlgorithms[] = {{-7, SN_X9_62_prime256v1, "SHA256", 32},
                                     {-35, SN_secp384r1, "SHA384", 48},
                                     {-36, SN_secp521r1, "SHA512", 66}};

std::unexpected<Error> invalid(FixedText text) {
    crypto::forget_openssl_errors();
    return fail(Code::ImageInvalid, text);
}

// Without this OpenSSL asks the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

Bio memory(ByteView text) {
    Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    crypto::require_openssl(bio != nullptr);
    return bio;
}

X509Certificate from_der(ByteView der) {
    const unsigned char* at = der.data();
    return X509Certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

// The certificate and nothing else: what its file holds beside it may be a private key.
Bytes to_pem(X509* certificate) {
    const Bio bio(BIO_new(BIO_s_mem()));
    crypto::require_openssl(bio != nullptr && PEM_write_bio_X509(bio.get(), certificate) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return to_bytes(std::string_view(data, static_cast<std::size_t>(size)));
}

std::string name_of(const ASN1_OBJECT* object) {
    char text[128];
    const int size = OBJ_obj2txt(text, sizeof text, object, 0);
    return size <= 0 ? "unknown"
                     : std::string(text, std::min(static_cast<std::size_t>(size), sizeof text - 1));
}

std::map<std::string, std::string> names_of(const X509_NAME* name) {
    std::map<std::string, std::string> out;
    for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
        const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, i);
        unsigned char* text = nullptr;
        const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
        if (size >= 0)
            out[name_of(X509_NAME_ENTRY_get_object(entry))] =
                std::string(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
        OPENSSL_free(text);
    }
    return out;
}

bool read_time(const ASN1_TIME* time, UnixMs& out, std::string& text) {
    std::tm parts{};
    const Bio bio(BIO_new(BIO_s_mem()));
    crypto::require_openssl(bio != nullptr);
    if (ASN1_TIME_to_tm(time, &parts) != 1 || ASN1_TIME_print(bio.get(), time) != 1)
        return false;
    out = static_cast<UnixMs>(timegm(&parts)) * 1000;
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    text.assign(data, static_cast<std::size_t>(std::max(size, 0L)));
    return true;
}

const Algorithm* algorithm_of(std::int64_t id) noexcept {
    const auto found = std::find_if(std::begin(kAlgorithms), std::end(kAlgorithms),
                                    [&](const Algorithm& algorithm) { return algorithm.id == id; });
    return found == std::end(kAlgorithms) ? nullptr : found;
}

bool on_curve(EVP_PKEY* key, std::string_view group) noexcept {
    char name[64];
    std::size_t size = 0;
    return key != nullptr && EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1 &&
           std::string_view(name, size) == group;
}

// Bytes as serde writes a Vec<u8>: an array of numbers.
void write_numbers(cbor::Writer& out, ByteView bytes) {
    out.array(bytes.size());
    for (const std::uint8_t byte : bytes)
        out.u64(byte);
}

bool read_numbers(cbor::Reader& in, Bytes& out, std::size_t largest) {
    const auto size = in.array();
    if (!size || *size == 0 || *size > largest)
        return false;
    out.resize(*size);
    return std::all_of(out.begin(), out.end(), [&](std::uint8_t& byte) {
        const auto value = in.u64();
        byte = static_cast<std::uint8_t>(value.value_or(0));
        return value && *value <= 0xff;
    });
}

Bytes payload_of(const crypto::Hash48& pcr0) {
    Bytes out;
    cbor::Writer writer(out);
    writer.map(2).text("register_index").u64(kRegister).text("register_value");
    write_numbers(writer, pcr0);
    return out;
}

// [{"signing_certificate", "signature"}, …]
bool read_section(ByteView section, Bytes& pem, Bytes& cose) {
    cbor::Reader in(section);
    const auto count = in.array();
    if (!count || *count == 0 ||
        !cbor::read_map(
            in, {{"signing_certificate", [&](cbor::Reader& r) { return read_numbers(r, pem, kMaxPem); }},
                 {"signature", [&](cbor::Reader& r) { return read_numbers(r, cose, kMaxCose); }}}))
        return false;
    for (std::size_t i = 1; i < *count; ++i)
        if (!in.skip())
            return false;
    return in.finished();
}

bool read_cose(ByteView cose, ImageSignature& out) {
    cbor::Reader in(cose);
    if (in.peek() == cbor::Major::Tag && in.tag() != nitro::kTagCoseSign1)
        return false;
    if (in.array() != 4u)
        return false;
    const auto header = in.bytes();
    const auto unprotected = in.map();
    const auto payload = in.bytes();
    const auto signature = in.bytes();
    if (!header || !unprotected || unprotected->size != 0 || !payload || !signature || !in.finished())
        return false;
    cbor::Reader fields(*header);
    const auto map = fields.map();
    if (!map || map->size != 1 || fields.u64() != 1u) // alg
        return false;
    const auto algorithm = fields.i64();
    if (!algorithm || !fields.finished())
        return false;
    out.algorithm = *algorithm;
    out.protected_header = to_bytes(*header);
    out.payload = to_bytes(*payload);
    out.signature = to_bytes(*signature);
    return true;
}

// r ‖ s, big-endian, as Ecdsa-Sig-Value (RFC 3279, section 2.2.3).
Bytes to_der(ByteView raw) {
    const int width = static_cast<int>(raw.size() / 2);
    Number r(BN_bin2bn(raw.data(), width, nullptr)), s(BN_bin2bn(raw.data() + width, width, nullptr));
    const EcdsaSignature signature(ECDSA_SIG_new());
    crypto::require_openssl(r != nullptr && s != nullptr && signature != nullptr &&
                            ECDSA_SIG_set0(signature.get(), r.get(), s.get()) == 1);
    (void)r.release(); // the signature's now
    (void)s.release();
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(signature.get(), &der);
    crypto::require_openssl(size > 0);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
}

bool verifies(EVP_PKEY* key, const Algorithm& algorithm, ByteView message, ByteView signature) {
    const crypto::DigestContext context(EVP_MD_CTX_new());
    crypto::require_openssl(context != nullptr);
    const Bytes der = to_der(signature);
    // 1 means verified; 0 and negative numbers both mean that it is not.
    return EVP_DigestVerifyInit_ex(context.get(), nullptr, algorithm.digest, nullptr, nullptr, key,
                                   nullptr) == 1 &&
           EVP_DigestVerify(context.get(), der.data(), der.size(), message.data(), message.size()) == 1;
}

std::optional<nitro::Es384Signature> sign_es384(EVP_PKEY* key, ByteView message) {
    const crypto::DigestContext context(EVP_MD_CTX_new());
    crypto::require_openssl(context != nullptr);
    Bytes der(128);
    std::size_t size = der.size();
    if (EVP_DigestSignInit_ex(context.get(), nullptr, "SHA384", nullptr, nullptr, key, nullptr) != 1 ||
        EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()) != 1)
        return std::nullopt;
    return nitro::es384_from_der(ByteView(der).first(size));
}

} // namespace

Result<SigningCertificate> read_signing_certificate(ByteView pem) {
    const auto refused = [] { return invalid("the signing certificate is no X.509 certificate in PEM"); };
    if (pem.empty() || pem.size() > kMaxPem)
        return refused();
    const X509Certificate certificate(PEM_read_bio_X509(memory(pem).get(), nullptr, no_passphrase, nullptr));
    if (certificate == nullptr)
        return refused();
    SigningCertificate out;
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate.get(), &der);
    if (size <= 0)
        return refused();
    out.der.assign(der, der + size);
    OPENSSL_free(der);
    const ASN1_BIT_STRING* signature = nullptr;
    const X509_ALGOR* algorithm = nullptr;
    X509_get0_signature(&signature, &algorithm, certificate.get());
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    out.algorithm = name_of(object);
    out.issuer = names_of(X509_get_issuer_name(certificate.get()));
    out.signature.assign(signature->data, signature->data + signature->length);
    if (!read_time(X509_get0_notBefore(certificate.get()), out.not_before, out.not_before_text) ||
        !read_time(X509_get0_notAfter(certificate.get()), out.not_after, out.not_after_text))
        return refused();
    crypto::forget_openssl_errors();
    return out;
}

crypto::Hash48 pcr8_of(const SigningCertificate& certificate) noexcept {
    return nitro::pcr_of(crypto::sha384(certificate.der));
}

Result<ImageSignature> read_signature(ByteView section) {
    if (section.size() > kMaxSignatureSection)
        return invalid("an EIF's signature section is at most 32768 bytes long");
    Bytes pem, cose;
    ImageSignature out;
    if (!read_section(section, pem, cose))
        return invalid("the EIF's signature section is not CBOR as nitro-cli writes it");
    if (!read_cose(cose, out))
        return invalid(
            "the EIF's signature is not a COSE_Sign1 with an algorithm and nothing else in its headers");
    REDOUBT_TRY(out.certificate, read_signing_certificate(pem));
    return out;
}

Status check_signature(const ImageSignature& signature, const crypto::Hash48& pcr0) {
    const Algorithm* const algorithm = algorithm_of(signature.algorithm);
    if (algorithm == nullptr)
        return invalid("the EIF's signature is of another algorithm than ES256, ES384 and ES512");
    const X509Certificate certificate = from_der(signature.certificate.der);
    EVP_PKEY* const key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate.get());
    if (!on_curve(key, algorithm->group))
        return invalid("the signing certificate's key is not one for the signature's algorithm");
    if (signature.signature.size() != 2 * algorithm->width ||
        !verifies(key, *algorithm, nitro::sig_structure(signature.protected_header, signature.payload),
                  signature.signature))
        return invalid("the EIF's signature is not one by its certificate's key");
    crypto::forget_openssl_errors();
    if (signature.payload != payload_of(pcr0))
        return invalid("the EIF's signature is of another image: what it signs is not this image's PCR0");
    return {};
}

Result<Bytes> sign_pcr0(const crypto::Hash48& pcr0, const Secret& key_pem, ByteView certificate_pem,
                        UnixMs now) {
    REDOUBT_TRY(const SigningCertificate certificate, read_signing_certificate(certificate_pem));
    if (now < certificate.not_before)
        return invalid("the signing certificate is not valid yet");
    if (now > certificate.not_after)
        return invalid("the signing certificate has expired");
    const auto key_refused = [](FixedText text) {
        crypto::forget_openssl_errors();
        return fail(Code::KeyInvalid, text);
    };
    const ByteView text = key_pem.view(SecretAccess("read the key that signs an image"));
    const crypto::Pkey key(
        text.empty() || text.size() > kMaxPem
            ? nullptr
            : PEM_read_bio_PrivateKey(memory(text).get(), nullptr, no_passphrase, nullptr));
    if (key == nullptr)
        return key_refused(
            "the file holds no private key that can be read: it must be PEM and not encrypted");
    if (!on_curve(key.get(), SN_secp384r1))
        return key_refused("images are signed with a P-384 key (openssl ecparam -name secp384r1 -genkey)");
    const X509Certificate parsed = from_der(certificate.der);
    if (parsed == nullptr || EVP_PKEY_eq(X509_get0_pubkey(parsed.get()), key.get()) != 1)
        return key_refused("the signing certificate is not of this private key");

    const Bytes payload = payload_of(pcr0);
    const auto signature = sign_es384(key.get(), nitro::sig_structure(nitro::kProtectedEs384, payload));
    if (!signature)
        return key_refused("the private key does not sign");
    Bytes cose, out;
    cbor::Writer(cose).array(4).bytes(nitro::kProtectedEs384).map(0).bytes(payload).bytes(*signature);
    cbor::Writer section(out);
    section.array(1).map(2).text("signing_certificate");
    write_numbers(section, to_pem(parsed.get()));
    section.text("signature");
    write_numbers(section, cose);
    if (out.size() > kMaxSignatureSection)
        return fail(Code::TooLarge, "the signing certificate is too long for an EIF: use a shorter one");
    REDOUBT_TRY(const ImageSignature made, read_signature(out));
    REDOUBT_CHECK(check_signature(made, pcr0)); // what we sign, the hypervisor starts
    return out;
}

} // namespace redoubt::image
