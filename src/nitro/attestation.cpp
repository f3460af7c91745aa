// SPDX-License-Identifier: Apache-2.0
// aws-nitro-enclaves-nsm-api, docs/attestation_process.md: section 3.1 for the COSE_Sign1, 3.2.2 for the
// payload's rules.
#include "nitro/attestation.h"

#include "nitro/attestation_chain.h"
#include "nitro/cbor_map.h"
#include "nitro/certificate.h"
#include "nitro/cose.h"

#include <algorithm>

namespace redoubt::nitro {

// docs.aws.amazon.com/enclaves/latest/user/verify-root.html. The digest that the page prints is the ZIP
// file's; this is the DER's.
const Hash32 kAwsNitroRootSha256 = {0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46,
                                    0x31, 0x95, 0xd6, 0x06, 0x31, 0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17,
                                    0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b};

namespace {

constexpr std::size_t kMaxPayload = 16384;
constexpr std::size_t kMaxModuleId = 256;
constexpr std::size_t kMaxField = 1024;                      // public_key, user_data, nonce
constexpr std::uint64_t kMaxTimestamp = 253'402'300'799'999; // the end of the year 9999
constexpr std::size_t kMaxPurpose = 64;
constexpr std::uint64_t kUserDataVersion = 1;

bool read_pcrs(cbor::Reader& in, std::map<std::uint16_t, Bytes>& out) {
    const auto head = in.map();
    if (!head || head->size < 1 || head->size > kPcrCount)
        return false;
    for (std::size_t i = 0; i < head->size; ++i) {
        std::uint16_t index = 0;
        Bytes value;
        if (!cbor::read_u16(in, index) || index >= kPcrCount || !cbor::read_bytes(in, value, 32, 64) ||
            (value.size() != 32 && value.size() != 48 && value.size() != 64) ||
            !out.emplace(index, std::move(value)).second)
            return false;
    }
    return true;
}

bool read_bundle(cbor::Reader& in, std::vector<Bytes>& out) {
    const auto size = in.array();
    if (!size || *size < 1 || *size > kMaxBundle)
        return false;
    for (std::size_t i = 0; i < *size; ++i) {
        if (!cbor::read_bytes(in, out.emplace_back(), 1, kMaxCertificate))
            return false;
    }
    return true;
}

bool read_timestamp(cbor::Reader& in, UnixMs& out) {
    const auto value = in.u64();
    if (!value || *value == 0 || *value > kMaxTimestamp)
        return false;
    out = static_cast<UnixMs>(*value);
    return true;
}

// Absent options are null on hardware; a zero-length public_key has been seen there too (2021).
bool read_payload(ByteView payload, Attestation& out) {
    cbor::Reader in(payload);
    const bool read = cbor::read_map(
        in,
        {{"module_id", [&](cbor::Reader& r) { return cbor::read_text(r, out.module_id, 1, kMaxModuleId); }},
         {"digest", [](cbor::Reader& r) { return r.text() == "SHA384"; }},
         {"timestamp", [&](cbor::Reader& r) { return read_timestamp(r, out.timestamp); }},
         {"pcrs", [&](cbor::Reader& r) { return read_pcrs(r, out.pcrs); }},
         {"certificate",
          [&](cbor::Reader& r) { return cbor::read_bytes(r, out.certificate, 1, kMaxCertificate); }},
         {"cabundle", [&](cbor::Reader& r) { return read_bundle(r, out.cabundle); }},
         {"public_key",
          [&](cbor::Reader& r) { return cbor::read_optional_bytes(r, out.public_key, kMaxField); }, false},
         {"user_data",
          [&](cbor::Reader& r) { return cbor::read_optional_bytes(r, out.user_data, kMaxField); }, false},
         {"nonce", [&](cbor::Reader& r) { return cbor::read_optional_bytes(r, out.nonce, kMaxField); },
          false}},
        true);
    return read && in.finished();
}

} // namespace

bool Attestation::debug() const noexcept {
    for (std::uint16_t index = 0; index <= 2; ++index) {
        const auto found = pcrs.find(index);
        if (found != pcrs.end() && std::any_of(found->second.begin(), found->second.end(),
                                               [](std::uint8_t byte) { return byte != 0; }))
            return false;
    }
    return true;
}

Result<Attestation> parse_attestation(ByteView document) {
    const auto invalid = [](FixedText text) { return fail(Code::AttestationInvalid, text); };
    cbor::Reader in(document);
    if (in.peek() == cbor::Major::Tag && in.tag() != kTagCoseSign1)
        return invalid("the attestation document has a tag that is not COSE_Sign1's");
    if (in.array() != 4u)
        return invalid("the attestation document is not a COSE_Sign1");
    const auto header = in.bytes();
    if (!header ||
        !std::equal(header->begin(), header->end(), kProtectedEs384.begin(), kProtectedEs384.end()))
        return invalid("the attestation document is not signed with ES384");
    const auto unprotected = in.map();
    const auto payload = in.bytes();
    const auto signature = in.bytes();
    if (!unprotected || unprotected->size != 0 || !payload || payload->empty() ||
        payload->size() > kMaxPayload || !signature || signature->size() != sizeof(Es384Signature) ||
        !in.finished())
        return invalid("the attestation document is not a COSE_Sign1 as the NSM writes it");
    Attestation out;
    if (!read_payload(*payload, out))
        return invalid("the attestation document's payload breaks the rules for its fields");
    out.protected_header = to_bytes(*header);
    out.payload = to_bytes(*payload);
    out.signature = to_bytes(*signature);
    return out;
}

Result<Attestation> verify_attestation(ByteView document, ByteView root_der, UnixMs at) {
    REDOUBT_TRY(Attestation attestation, parse_attestation(document));
    REDOUBT_TRY(const VerifiedChain chain,
                verify_chain(attestation.cabundle, attestation.certificate, root_der));
    const auto signature = to_array<sizeof(Es384Signature)>(attestation.signature);
    const Bytes signed_bytes = sig_structure(attestation.protected_header, attestation.payload);
    if (!signature || !verify_es384(chain.leaf_point, signed_bytes, *signature))
        return fail(Code::AttestationUntrusted, "the attestation document's signature is wrong");
    if (at < chain.not_before || at > chain.not_after)
        return fail(Code::AttestationExpired,
                    "a certificate of the attestation document is not valid at this time");
    return attestation;
}

Bytes encode_user_data(std::string_view purpose, const Hash32& digest) {
    Bytes out;
    cbor::Writer(out).map(3).u64(1).u64(kUserDataVersion).u64(2).text(purpose).u64(3).bytes(digest);
    return out;
}

Result<UserData> parse_user_data(ByteView bytes) {
    cbor::Reader in(bytes);
    const auto head = in.map();
    // One encoding only: three members in this order (RFC 8949, section 4.2.1).
    const bool version = head && head->size == 3 && in.u64() == 1u && in.u64() == kUserDataVersion;
    const auto purpose = version && in.u64() == 2u ? in.text() : std::nullopt;
    const auto view = purpose && in.u64() == 3u ? in.bytes() : std::nullopt;
    const auto digest = view ? to_array<32>(*view) : std::nullopt;
    if (!digest || purpose->empty() || purpose->size() > kMaxPurpose || !in.finished())
        return fail(Code::AttestationInvalid,
                    "the attestation document's user_data is not what a Redoubt enclave writes");
    return UserData{std::string(*purpose), *digest};
}

} // namespace redoubt::nitro
