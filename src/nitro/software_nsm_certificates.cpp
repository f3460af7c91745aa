// SPDX-License-Identifier: Apache-2.0
#include "nitro/software_nsm_certificates.h"

#include "crypto/ber.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "nitro/certificate.h"

#include <openssl/core_names.h>

#include <algorithm>

namespace redoubt::nitro {

namespace {

namespace ber = crypto::ber;

constexpr std::uint8_t kInteger = 0x02, kBitString = 0x03, kObjectIdentifier = 0x06;
constexpr std::uint8_t kUtf8String = 0x0c, kPrintableString = 0x13;
constexpr std::uint8_t kUtcTime = 0x17, kGeneralizedTime = 0x18;
constexpr std::uint8_t kContext3Constructed = 0xa3;

constexpr UnixMs kSecond = 1000, kHour = 3600 * kSecond, kDay = 24 * kHour;
constexpr UnixMs kRenewBefore = 5 * 60 * kSecond; // a document is good for at least so long
// AWS's root: 2019-10-28T13:28:05Z to 2049-10-28T14:28:05Z.
constexpr UnixMs kRootNotBefore = 1'572'269'285 * kSecond, kRootNotAfter = 2'519'044'085 * kSecond;

std::unexpected<Error> failed(FixedText text) {
    crypto::forget_openssl_errors();
    return fail(Code::Internal, text);
}

Bytes element(std::uint8_t tag, std::initializer_list<ByteView> parts) {
    Bytes contents, out;
    for (const ByteView part : parts)
        append(contents, part);
    ber::append_element(out, tag, contents);
    return out;
}

// Names. Attribute types are 2.5.4.n.
enum Attribute : std::uint8_t {
    CommonName = 3,
    Country = 6,
    Locality = 7,
    State = 8,
    Organisation = 10,
    OrganisationalUnit = 11
};

Bytes attribute(Attribute type, std::string_view value) {
    const ByteArray<3> name = {0x55, 0x04, type};
    const Bytes oid = element(kObjectIdentifier, {name});
    const Bytes text = element(type == Country ? kPrintableString : kUtf8String, {as_bytes(value)});
    return element(ber::kSet, {element(ber::kSequence, {oid, text})});
}

Bytes regional_name(std::string_view common_name) {
    return element(ber::kSequence,
                   {attribute(Country, "US"), attribute(Organisation, "Redoubt"),
                    attribute(OrganisationalUnit, "Development"), attribute(CommonName, common_name)});
}

// Hardware writes the zonal authority's attributes in the other order.
Bytes zonal_name(std::string_view common_name) {
    return element(ber::kSequence,
                   {attribute(CommonName, common_name), attribute(OrganisationalUnit, "Development"),
                    attribute(Organisation, "Redoubt"), attribute(Country, "US"), attribute(State, "WA"),
                    attribute(Locality, "Seattle")});
}

Bytes instance_name(std::string_view common_name) {
    return element(ber::kSequence,
                   {attribute(Country, "US"), attribute(State, "Washington"), attribute(Locality, "Seattle"),
                    attribute(Organisation, "Redoubt"), attribute(OrganisationalUnit, "Development"),
                    attribute(CommonName, common_name)});
}

// Extensions, 2.5.29.n.
Bytes extension(std::uint8_t number, bool critical, ByteView value) {
    static constexpr ByteArray<3> kTrue = {0x01, 0x01, 0xff};
    const ByteArray<3> name = {0x55, 0x1d, number};
    return element(ber::kSequence,
                   {element(kObjectIdentifier, {name}), critical ? ByteView(kTrue) : ByteView(),
                    element(ber::kOctetString, {value})});
}

Bytes authority_constraints(std::optional<std::uint8_t> path_length) {
    Bytes value = {0x30, 0x03, 0x01, 0x01, 0xff};
    if (path_length)
        value = {0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, *path_length};
    return extension(19, true, value);
}

Bytes leaf_constraints() {
    return extension(19, true, ByteArray<2>{0x30, 0x00});
}

// `used` is the first byte of the list of named bits, `unused` the zeros at its end.
Bytes key_usage(bool critical, std::uint8_t used, std::uint8_t unused) {
    return extension(15, critical, ByteArray<4>{0x03, 0x02, unused, used});
}

// The first 160 bits of the key's SHA-256 (RFC 7093, section 2).
ByteArray<20> key_identifier(ByteView point) {
    const Hash32 digest = crypto::sha256(point);
    return *to_array<20>(ByteView(digest).first(20));
}

Bytes subject_key(ByteView point) {
    return extension(14, false, element(ber::kOctetString, {key_identifier(point)}));
}

Bytes authority_key(ByteView point) {
    return extension(35, false, element(ber::kSequence, {element(ber::kContext0, {key_identifier(point)})}));
}

// UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280, section 4.1.2.5).
Bytes time(UnixMs at) {
    std::string text = to_amz_date(at);
    text.erase(8, 1); // the "T"
    if (text >= "2050")
        return element(kGeneralizedTime, {as_bytes(text)});
    return element(kUtcTime, {as_bytes(std::string_view(text).substr(2))});
}

struct Request {
    Bytes serial; // contents of the INTEGER
    Bytes issuer, subject;
    UnixMs not_before, not_after;
    ByteArray<kP384PointSize> point;
    Bytes extensions; // joined
};

Result<Bytes> sign_certificate(const Request& request, const crypto::Pkey& issuer_key) {
    static constexpr ByteArray<5> kVersion3 = {0xa0, 0x03, 0x02, 0x01, 0x02};
    const Bytes signed_part = element(
        ber::kSequence, {kVersion3, element(kInteger, {request.serial}), kEcdsaWithSha384, request.issuer,
                         element(ber::kSequence, {time(request.not_before), time(request.not_after)}),
                         request.subject, kP384PublicKeyHead, request.point,
                         element(kContext3Constructed, {element(ber::kSequence, {request.extensions})})});
    REDOUBT_TRY(const Es384Signature signature, sign_es384(issuer_key, signed_part));
    Bytes out = element(ber::kSequence, {signed_part, kEcdsaWithSha384,
                                         element(kBitString, {ByteArray<1>{0}, es384_to_der(signature)})});
    if (!read_certificate(out))
        return failed("a development certificate came out malformed");
    return out;
}

Bytes join(std::initializer_list<ByteView> parts) {
    Bytes out;
    for (const ByteView part : parts)
        append(out, part);
    return out;
}

Bytes random_serial() {
    auto bytes = crypto::SystemRandom().array<16>();
    bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x3f) | 0x40); // positive and never short
    return to_bytes(bytes);
}

std::string random_hex16() {
    return to_hex(crypto::SystemRandom().array<8>());
}

// Hardware's leaf serial: the enclave's own part of the module id, four zero bytes, the second of issue.
Bytes leaf_serial(const std::string& module_id, UnixMs now) {
    Bytes out = *from_hex(std::string_view(module_id).substr(module_id.size() - 16));
    Writer(out).u32(0).u32(static_cast<std::uint32_t>(now / kSecond));
    while (out.size() > 1 && out[0] == 0 && out[1] < 0x80)
        out.erase(out.begin());
    if (out[0] >= 0x80)
        out.insert(out.begin(), 0);
    return out;
}

} // namespace

Result<crypto::Pkey> make_p384_key() {
    crypto::Pkey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
    if (key == nullptr)
        return failed("a P-384 key cannot be made");
    return key;
}

Result<crypto::Pkey> p384_key_from_pkcs8(const Secret& der) {
    const ByteView bytes = der.view(SecretAccess("load a development attestation key"));
    const std::uint8_t* at = bytes.data();
    const crypto::Pkcs8 info(bytes.size() > 4096
                                 ? nullptr
                                 : d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(bytes.size())));
    if (info == nullptr || at != bytes.data() + bytes.size())
        return failed("the development attestation key is not in PKCS#8 form");
    crypto::Pkey key(EVP_PKCS82PKEY(info.get()));
    char group[32] = {};
    if (key == nullptr || EVP_PKEY_is_a(key.get(), "EC") != 1 ||
        EVP_PKEY_get_group_name(key.get(), group, sizeof(group), nullptr) != 1 ||
        std::string_view(group) != "secp384r1")
        return failed("the development attestation key is not a P-384 key");
    return key;
}

Secret p384_key_to_pkcs8(const crypto::Pkey& key) {
    const crypto::Pkcs8 info(EVP_PKEY2PKCS8(key.get()));
    crypto::require_openssl(info != nullptr);
    const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr);
    crypto::require_openssl(size > 0);
    Secret out(static_cast<std::size_t>(size));
    std::uint8_t* at = out.mutable_view(SecretAccess("write a development attestation key")).data();
    crypto::require_openssl(i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at) == size);
    return out;
}

Result<ByteArray<kP384PointSize>> p384_point(const crypto::Pkey& key) {
    ByteArray<kP384PointSize> out{};
    std::size_t size = 0;
    if (EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, out.data(), out.size(), &size) !=
            1 ||
        size != out.size() || out[0] != 0x04)
        return failed("a development attestation key has no public key in uncompressed form");
    return out;
}

Result<Es384Signature> sign_es384(const crypto::Pkey& key, ByteView message) {
    const crypto::DigestContext context(EVP_MD_CTX_new());
    ByteArray<128> der{};
    std::size_t size = der.size();
    if (context == nullptr ||
        EVP_DigestSignInit_ex(context.get(), nullptr, "SHA384", nullptr, nullptr, key.get(), nullptr) != 1 ||
        EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()) != 1)
        return failed("a signature cannot be made");
    const auto signature = es384_from_der(ByteView(der).first(size));
    if (!signature)
        return failed("a signature came out malformed");
    return *signature;
}

Result<Bytes> make_root_certificate(const crypto::Pkey& key) {
    Request request;
    request.serial = random_serial();
    request.issuer = request.subject = regional_name("aws.nitro-enclaves");
    request.not_before = kRootNotBefore;
    request.not_after = kRootNotAfter;
    REDOUBT_TRY(request.point, p384_point(key));
    request.extensions =
        join({authority_constraints(std::nullopt), subject_key(request.point), key_usage(true, 0x86, 1)});
    return sign_certificate(request, key);
}

Result<CertificateChain> CertificateChain::create(Bytes root_der, const Secret& root_key,
                                                  std::string module_id, std::string region) {
    CertificateChain out;
    out.module_id_ = std::move(module_id);
    out.region_ = std::move(region);
    Issued& root = out.issued_[Root];
    root.certificate = std::move(root_der);
    REDOUBT_TRY(root.key, p384_key_from_pkcs8(root_key));
    const auto certificate = read_certificate(root.certificate);
    REDOUBT_TRY(const auto point, p384_point(root.key));
    if (!certificate || !certificate->authority || !certificate->key_cert_sign ||
        !std::equal(point.begin(), point.end(), certificate->point.begin(), certificate->point.end()))
        return failed("the development root's certificate and key do not belong together");
    root.subject = to_bytes(certificate->subject);
    root.not_before = certificate->not_before;
    root.not_after = certificate->not_after;
    return out;
}

Status CertificateChain::renew(UnixMs now) {
    const auto usable = [&](const Issued& issued) {
        return !issued.certificate.empty() && issued.not_before <= now &&
               now + kRenewBefore <= issued.not_after;
    };
    std::size_t level = Regional;
    while (level < Levels && usable(issued_[level]))
        ++level;
    // All at once, so that after a failure nothing is left that another certificate issued.
    for (std::size_t below = level; below < Levels; ++below)
        issued_[below] = Issued{};
    for (; level < Levels; ++level)
        REDOUBT_CHECK(issue(level, now));
    return {};
}

Status CertificateChain::issue(std::size_t level, UnixMs now) {
    const UnixMs issued_at = now - now % kSecond;
    const std::string instance = module_id_.substr(0, module_id_.find("-enc"));
    const Issued& issuer = issued_[level - 1];
    Issued made;
    REDOUBT_TRY(made.key, make_p384_key());
    Request request;
    REDOUBT_TRY(request.point, p384_point(made.key));
    REDOUBT_TRY(const auto issuer_point, p384_point(issuer.key));
    request.issuer = issuer.subject;
    request.serial = random_serial();
    // On hardware the authorities were there before: their validities begin some time before this second.
    switch (level) {
    case Regional:
        request.subject = regional_name(random_hex16() + "." + region_ + ".aws.nitro-enclaves");
        request.not_before = issued_at - kDay;
        request.not_after = request.not_before + 20 * kDay + kHour;
        request.extensions = join({authority_constraints(2), authority_key(issuer_point),
                                   subject_key(request.point), key_usage(true, 0x86, 1)});
        break;
    case Zonal:
        request.subject = zonal_name(random_hex16() + ".zonal." + region_ + ".aws.nitro-enclaves");
        request.not_before = issued_at - 10 * kHour;
        request.not_after = request.not_before + 6 * kDay;
        request.extensions = join({authority_constraints(1), authority_key(issuer_point),
                                   subject_key(request.point), key_usage(true, 0x86, 1)});
        break;
    case Instance:
        request.subject = instance_name(instance + "." + region_ + ".aws.nitro-enclaves");
        request.not_before = issued_at - 60 * kSecond;
        request.not_after = request.not_before + kDay;
        request.extensions = join({authority_constraints(0), key_usage(true, 0x04, 2),
                                   subject_key(request.point), authority_key(issuer_point)});
        break;
    default:
        request.serial = leaf_serial(module_id_, issued_at);
        request.subject = instance_name(module_id_ + "." + region_ + ".aws");
        request.not_before = issued_at - 3 * kSecond;
        request.not_after = issued_at + 3 * kHour;
        request.extensions = join({leaf_constraints(), key_usage(false, 0xc0, 6)});
        break;
    }
    REDOUBT_TRY(made.certificate, sign_certificate(request, issuer.key));
    made.subject = request.subject;
    made.not_before = request.not_before;
    made.not_after = request.not_after;
    issued_[level] = std::move(made);
    return {};
}

std::vector<Bytes> CertificateChain::bundle() const {
    std::vector<Bytes> out;
    for (std::size_t level = Root; level < Leaf; ++level)
        out.push_back(issued_[level].certificate);
    return out;
}

} // namespace redoubt::nitro
