// SPDX-License-Identifier: Apache-2.0
#include "trust/statement.h"

#include "base/json.h"

namespace redoubt::trust {

namespace {

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::AttestationInvalid, text);
}

Status check_pcr(const nitro::Attestation& attestation, std::uint16_t index,
                 const std::optional<Bytes>& wanted, FixedText text) {
    if (!wanted)
        return {};
    const auto found = attestation.pcrs.find(index);
    if (found == attestation.pcrs.end() || found->second != *wanted)
        return fail(Code::AttestationUntrusted, text);
    return {};
}

} // namespace

std::string encode_statement(const KeyStatement& s) {
    // Members in canonical (byte) order.
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("address", s.address)
        .member("algorithm", s.algorithm)
        .member("epoch", s.epoch)
        .member("exportable", s.exportable)
        .member("key_id", s.key_id)
        .member("nonce", s.nonce)
        .member("policy_digest", s.policy_digest)
        .member("public_key", s.public_key)
        .member("redoubt_key_statement", std::uint64_t{1})
        .member("vault_commitment", s.vault_commitment)
        .member("vault_id", s.vault_id)
        .end_object();
    return out;
}

Result<KeyStatement> parse_statement(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = 4096, .depth = 2, .values = 32});
    if (!root || !json::check_members(*root, {"address", "algorithm", "epoch", "exportable", "key_id",
                                              "nonce", "policy_digest", "public_key", "redoubt_key_statement",
                                              "vault_commitment", "vault_id"}))
        return invalid("the key statement is malformed");
    KeyStatement out;
    const auto string = [&](std::string_view name, std::string& into) {
        const auto value = root->get(name);
        if (!value || !value->is_string())
            return false;
        into = std::string(value->text());
        return true;
    };
    const auto version = root->get("redoubt_key_statement");
    const auto epoch = root->get("epoch");
    const auto exportable = root->get("exportable");
    if (!version || version->u64() != 1 || !epoch || !epoch->u64() || !exportable || !exportable->is_bool() ||
        !string("address", out.address) || !string("algorithm", out.algorithm) ||
        !string("key_id", out.key_id) || !string("nonce", out.nonce) ||
        !string("policy_digest", out.policy_digest) || !string("public_key", out.public_key) ||
        !string("vault_commitment", out.vault_commitment) || !string("vault_id", out.vault_id))
        return invalid("the key statement is malformed");
    out.epoch = *epoch->u64();
    out.exportable = exportable->boolean();
    return out;
}

Result<nitro::Attestation> verify_document(ByteView document, std::string_view purpose, const Pins& pins,
                                           UnixMs now) {
    REDOUBT_TRY(auto attestation, nitro::verify_attestation(document, pins.root_der, now));
    if (attestation.debug())
        return fail(Code::AttestationUntrusted,
                    "the enclave runs in debug mode: PCR0 is zero and it protects nothing");
    REDOUBT_CHECK(check_pcr(attestation, 0, pins.pcr0, "PCR0 is not the pinned one: another image answers"));
    REDOUBT_CHECK(
        check_pcr(attestation, 16, pins.pcr16, "PCR16 is not the pinned one: another manifest is in force"));
    if (!attestation.nonce || *attestation.nonce != pins.nonce)
        return fail(Code::AttestationUntrusted,
                    "the attestation document has another nonce: it was not made for this request");
    if (!attestation.user_data)
        return invalid("the attestation document has no user_data");
    REDOUBT_TRY(const auto user_data, nitro::parse_user_data(*attestation.user_data));
    if (user_data.purpose != purpose)
        return fail(Code::AttestationUntrusted, "the attestation document was made for another purpose");
    return attestation;
}

Result<KeyStatement> verify_key_statement(std::string_view statement, ByteView document, const Pins& pins,
                                          UnixMs now) {
    REDOUBT_TRY(const auto attestation, verify_document(document, kPurposeKey, pins, now));
    REDOUBT_TRY(const auto user_data, nitro::parse_user_data(*attestation.user_data));
    if (user_data.digest != crypto::sha256(as_bytes(statement)))
        return fail(Code::AttestationUntrusted, "the key statement is not the one that was attested");
    REDOUBT_TRY(auto parsed, parse_statement(statement));
    if (parsed.nonce != to_hex(pins.nonce))
        return fail(Code::AttestationUntrusted, "the key statement repeats another nonce");
    return parsed;
}

} // namespace redoubt::trust
