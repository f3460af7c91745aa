// SPDX-License-Identifier: Apache-2.0
#include "nitro/certificate.h"

#include "crypto/ber.h"

#include <algorithm>
#include <bit>

namespace redoubt::nitro {

// SEQUENCE { 1.2.840.10045.4.3.3 }, without parameters (RFC 5758, section 3.2).
const ByteArray<12> kEcdsaWithSha384 = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                        0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
// SEQUENCE { SEQUENCE { id-ecPublicKey, secp384r1 }, BIT STRING of 97 bytes (RFC 5480, section 2).
const ByteArray<23> kP384PublicKeyHead = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                          0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                                          0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};

namespace {

namespace ber = crypto::ber;

constexpr std::uint8_t kBoolean = 0x01, kInteger = 0x02, kBitString = 0x03, kObjectIdentifier = 0x06;
constexpr std::uint8_t kUtcTime = 0x17, kGeneralizedTime = 0x18;
constexpr std::uint8_t kContext3Constructed = 0xa3;
constexpr ByteArray<5> kVersion3 = {0xa0, 0x03, 0x02, 0x01, 0x02};
constexpr ByteArray<3> kBasicConstraints = {0x55, 0x1d, 0x13}; // 2.5.29.19
constexpr ByteArray<3> kKeyUsage = {0x55, 0x1d, 0x0f};         // 2.5.29.15

bool same(ByteView a, ByteView b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// An element and its header.
ByteView whole(Cursor& in, std::uint8_t tag) noexcept {
    const ByteView before = in.rest();
    (void)ber::element(in, tag);
    return in.ok() ? before.first(before.size() - in.rest().size()) : ByteView{};
}

// DER leaves a BOOLEAN that has its default value FALSE out (X.690, section 11.5).
bool read_true(Cursor& in) noexcept {
    if (!ber::next_is(in, kBoolean))
        return false;
    const ByteView value = ber::element(in, kBoolean, 1);
    if (!value.empty() && value[0] != 0xff)
        in.fail();
    return in.ok();
}

void read_serial(Cursor& in) noexcept {
    const ByteView value = ber::element(in, kInteger);
    // Positive, shortest, at most 20 bytes and a sign (RFC 5280, section 4.1.2.2).
    if (value.empty() || value.size() > 21 || value[0] >= 0x80 ||
        (value.size() > 1 && value[0] == 0 && value[1] < 0x80))
        in.fail();
}

// UTCTime through 2049, GeneralizedTime from 2050, both in seconds and "Z" (RFC 5280, section 4.1.2.5).
UnixMs read_time(Cursor& in) noexcept {
    const bool general = ber::next_is(in, kGeneralizedTime);
    const ByteView text = general ? ber::element(in, kGeneralizedTime, 15) : ber::element(in, kUtcTime, 13);
    if (text.empty())
        return 0;
    std::string date(as_text(text));
    if (!general)
        date.insert(0, date[0] < '5' ? "20" : "19");
    date.insert(8, "T");
    const auto time = from_amz_date(date);
    if (!time || (general && date < "2050")) {
        in.fail();
        return 0;
    }
    return *time;
}

void read_basic_constraints(Cursor in, bool critical, Certificate& out, bool& ok) noexcept {
    Cursor fields(ber::element(in, ber::kSequence));
    out.authority = read_true(fields);
    if (out.authority && !fields.empty()) {
        const ByteView length = ber::element(fields, kInteger, 1);
        if (!length.empty() && length[0] < 0x80)
            out.path_length = length[0];
        else
            fields.fail();
    }
    ok = in.finished() && fields.finished() && critical;
}

void read_key_usage(Cursor in, Certificate& out, bool& ok) noexcept {
    const ByteView bits = ber::element(in, kBitString);
    ok = in.finished() && (bits.size() == 2 || bits.size() == 3);
    if (!ok)
        return;
    // A list of named bits ends with the last bit that is set (X.690, section 11.2.2).
    const std::uint8_t last = bits.back();
    ok = last != 0 && bits[0] == std::countr_zero(last);
    out.digital_signature = (bits[1] & 0x80) != 0;
    out.key_cert_sign = (bits[1] & 0x04) != 0;
}

bool read_extensions(ByteView contents, Certificate& out) {
    Cursor outer(contents);
    Cursor list(ber::element(outer, ber::kSequence));
    std::vector<ByteView> seen;
    bool constraints = false, usage = false;
    while (!list.empty()) {
        Cursor extension(ber::element(list, ber::kSequence));
        const ByteView name = ber::element(extension, kObjectIdentifier);
        const bool critical = read_true(extension);
        const ByteView value = ber::element(extension, ber::kOctetString);
        if (!extension.finished() || name.empty() ||
            std::any_of(seen.begin(), seen.end(), [&](ByteView other) { return same(name, other); }))
            return false;
        seen.push_back(name);
        if (same(name, kBasicConstraints)) {
            read_basic_constraints(Cursor(value), critical, out, constraints);
            if (!constraints)
                return false;
        } else if (same(name, kKeyUsage)) {
            read_key_usage(Cursor(value), out, usage);
            if (!usage)
                return false;
        } else if (critical) {
            return false;
        }
    }
    return outer.finished() && list.finished() && constraints && usage;
}

} // namespace

Result<Certificate> read_certificate(ByteView der) {
    const auto refused = [] {
        return fail(Code::AttestationUntrusted,
                    "a certificate of the attestation document is not one of the Nitro attestation PKI");
    };
    if (der.size() > kMaxCertificate)
        return refused();
    Certificate out{};
    Cursor file(der);
    Cursor in(ber::element(file, ber::kSequence));
    out.signed_part = whole(in, ber::kSequence);
    ber::expect(in, kEcdsaWithSha384);
    Cursor bits(ber::element(in, kBitString));
    if (bits.u8() != 0) // unused bits
        bits.fail();
    const auto signature = es384_from_der(bits.rest());
    if (!file.finished() || !in.finished() || !bits.ok() || !signature)
        return refused();
    out.signature = *signature;

    Cursor signed_part(out.signed_part);
    Cursor fields(ber::element(signed_part, ber::kSequence));
    ber::expect(fields, kVersion3);
    read_serial(fields);
    ber::expect(fields, kEcdsaWithSha384); // the same as outside (RFC 5280, section 4.1.1.2)
    out.issuer = whole(fields, ber::kSequence);
    Cursor validity(ber::element(fields, ber::kSequence));
    out.not_before = read_time(validity);
    out.not_after = read_time(validity);
    out.subject = whole(fields, ber::kSequence);
    ber::expect(fields, kP384PublicKeyHead);
    out.point = fields.take(kP384PointSize);
    const ByteView extensions = ber::element(fields, kContext3Constructed);
    if (!fields.finished() || !validity.finished() || out.not_before > out.not_after ||
        !read_extensions(extensions, out))
        return refused();
    return out;
}

} // namespace redoubt::nitro
