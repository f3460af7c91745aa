// SPDX-License-Identifier: Apache-2.0
#include "trust/statement.h"

#include "base/json.h"

namespace redoubt::trust {

namespace {

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::AttestationInvalid, text);
}

bool read_text(const json::Value& object, std::string_view name, std::string& into) {
    const auto value = object.get(name);
    if (!value || !value->is_string())
        return false;
    into = std::string(value->text());
    return true;
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
    json::Writer writer(out);
    writer.begin_object()
        .member("address", s.address)
        .member("algorithm", s.algorithm)
        .member("epoch", s.epoch)
        .member("exportable", s.exportable)
        .member("key_id", s.key_id)
        .member("nonce", s.nonce);
    if (!s.pending_policy.empty())
        writer.member("pending_from", s.pending_from).member("pending_policy", s.pending_policy);
    writer.member("policy_digest", s.policy_digest)
        .member("public_key", s.public_key)
        .member("raw_signing", s.raw_signing)
        .member("redoubt_key_statement", std::uint64_t{1})
        .member("revision", s.revision)
        .member("state", s.state)
        .member("vault_commitment", s.vault_commitment)
        .member("vault_id", s.vault_id)
        .end_object();
    return out;
}

Result<KeyStatement> parse_statement(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = 4096, .depth = 2, .values = 32});
    if (!root || !json::check_members(*root, {"address", "algorithm", "epoch", "exportable", "key_id",
                                              "nonce", "pending_from", "pending_policy", "policy_digest",
                                              "public_key", "raw_signing", "redoubt_key_statement",
                                              "revision", "state", "vault_commitment", "vault_id"}))
        return invalid("the key statement is malformed");
    KeyStatement out;
    const auto version = root->get("redoubt_key_statement");
    const auto epoch = root->get("epoch");
    const auto exportable = root->get("exportable");
    const auto raw_signing = root->get("raw_signing");
    const auto revision = root->get("revision");
    if (!revision || !revision->u64() || !read_text(*root, "state", out.state) || !version ||
        version->u64() != 1 || !epoch || !epoch->u64() || !exportable || !exportable->is_bool() ||
        !raw_signing || !raw_signing->is_bool() || !read_text(*root, "address", out.address) ||
        !read_text(*root, "algorithm", out.algorithm) || !read_text(*root, "key_id", out.key_id) ||
        !read_text(*root, "nonce", out.nonce) || !read_text(*root, "policy_digest", out.policy_digest) ||
        !read_text(*root, "public_key", out.public_key) ||
        !read_text(*root, "vault_commitment", out.vault_commitment) ||
        !read_text(*root, "vault_id", out.vault_id))
        return invalid("the key statement is malformed");
    const auto pending_from = root->get("pending_from");
    if (pending_from.has_value() != root->get("pending_policy").has_value() ||
        (pending_from && (!pending_from->u64() || !read_text(*root, "pending_policy", out.pending_policy) ||
                          out.pending_policy.empty())))
        return invalid("the key statement is malformed");
    out.pending_from = pending_from ? *pending_from->u64() : 0;
    out.epoch = *epoch->u64();
    out.revision = *revision->u64();
    out.exportable = exportable->boolean();
    out.raw_signing = raw_signing->boolean();
    return out;
}

std::string encode_statement(const AddressStatement& s) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().key("addresses").begin_array();
    for (const auto& [path, address] : s.addresses)
        writer.begin_object().member("address", address).member("path", path).end_object();
    writer.end_array()
        .member("key_id", s.key_id)
        .member("nonce", s.nonce)
        .member("policy_digest", s.policy_digest)
        .member("redoubt_address_statement", std::uint64_t{1})
        .member("vault_commitment", s.vault_commitment)
        .member("vault_id", s.vault_id)
        .end_object();
    return out;
}

Result<AddressStatement> parse_address_statement(std::string_view text) {
    json::Document document;
    const auto root = document.parse(
        text, {.bytes = 320 * kMaxStatementAddresses, .depth = 4, .values = 8 * kMaxStatementAddresses});
    const auto malformed = [] { return invalid("the address statement is malformed"); };
    if (!root || !json::check_members(*root, {"addresses", "key_id", "nonce", "policy_digest",
                                              "redoubt_address_statement", "vault_commitment", "vault_id"}))
        return malformed();
    AddressStatement out;
    const auto version = root->get("redoubt_address_statement");
    const auto addresses = root->get("addresses");
    if (!version || version->u64() != 1 || !addresses || !addresses->is_array() ||
        addresses->size() > kMaxStatementAddresses || !read_text(*root, "key_id", out.key_id) ||
        !read_text(*root, "nonce", out.nonce) || !read_text(*root, "policy_digest", out.policy_digest) ||
        !read_text(*root, "vault_commitment", out.vault_commitment) ||
        !read_text(*root, "vault_id", out.vault_id))
        return malformed();
    for (const auto entry : *addresses) {
        auto& added = out.addresses.emplace_back();
        if (!json::check_members(entry, {"address", "path"}) || !read_text(entry, "address", added.address) ||
            !read_text(entry, "path", added.path))
            return malformed();
    }
    return out;
}

std::string encode_statement(const ImportOffer& offer) {
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("epoch", offer.epoch)
        .member("nonce", offer.nonce)
        .member("public_key", offer.public_key)
        .member("redoubt_import_offer", std::uint64_t{1})
        .member("vault_commitment", offer.vault_commitment)
        .member("vault_id", offer.vault_id)
        .end_object();
    return out;
}

Result<ImportOffer> parse_import_offer(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = 4096, .depth = 2, .values = 16});
    if (!root || !json::check_members(*root, {"epoch", "nonce", "public_key", "redoubt_import_offer",
                                              "vault_commitment", "vault_id"}))
        return invalid("the import offer is malformed");
    ImportOffer out;
    const auto version = root->get("redoubt_import_offer");
    const auto epoch = root->get("epoch");
    if (!epoch || !epoch->u64() || !version || version->u64() != 1 || !read_text(*root, "nonce", out.nonce) ||
        !read_text(*root, "public_key", out.public_key) ||
        !read_text(*root, "vault_commitment", out.vault_commitment) ||
        !read_text(*root, "vault_id", out.vault_id))
        return invalid("the import offer is malformed");
    out.epoch = *epoch->u64();
    return out;
}

std::string encode_statement(const SessionOffer& offer) {
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("challenge", offer.challenge)
        .member("nonce", offer.nonce)
        .member("public_key", offer.public_key)
        .member("redoubt_session_offer", std::uint64_t{1})
        .end_object();
    return out;
}

Result<SessionOffer> parse_session_offer(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = 4096, .depth = 2, .values = 16});
    if (!root || !json::check_members(*root, {"challenge", "nonce", "public_key", "redoubt_session_offer"}))
        return invalid("the session offer is malformed");
    SessionOffer out;
    const auto version = root->get("redoubt_session_offer");
    if (!version || version->u64() != 1 || !read_text(*root, "challenge", out.challenge) ||
        !read_text(*root, "nonce", out.nonce) || !read_text(*root, "public_key", out.public_key))
        return invalid("the session offer is malformed");
    return out;
}

std::string import_info(const ImportInfo& info) {
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("epoch", info.epoch)
        .member("exportable", info.exportable)
        .member("hd", info.hd)
        .member("key_id", info.key_id)
        .member("policy_digest", info.policy_digest)
        .member("raw_signing", info.raw_signing)
        .member("redoubt_import", std::uint64_t{1})
        .member("vault_id", info.vault_id)
        .end_object();
    return out;
}

std::string encode_statement(const VaultStatement& s) {
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("epoch", s.epoch)
        .member("nonce", s.nonce)
        .member("redoubt_vault_statement", std::uint64_t{1})
        .member("vault_commitment", s.vault_commitment)
        .member("vault_id", s.vault_id)
        .end_object();
    return out;
}

Result<VaultStatement> parse_vault_statement(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = 4096, .depth = 2, .values = 16});
    if (!root || !json::check_members(
                     *root, {"epoch", "nonce", "redoubt_vault_statement", "vault_commitment", "vault_id"}))
        return invalid("the vault statement is malformed");
    VaultStatement out;
    const auto version = root->get("redoubt_vault_statement");
    const auto epoch = root->get("epoch");
    if (!epoch || !epoch->u64() || !version || version->u64() != 1 || !read_text(*root, "nonce", out.nonce) ||
        !read_text(*root, "vault_commitment", out.vault_commitment) ||
        !read_text(*root, "vault_id", out.vault_id))
        return invalid("the vault statement is malformed");
    out.epoch = *epoch->u64();
    return out;
}

std::string encode_statement(const ExportStatement& s) {
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("address", s.address)
        .member("algorithm", s.algorithm)
        .member("ciphertext", s.ciphertext)
        .member("encapsulated_key", s.encapsulated_key)
        .member("key_id", s.key_id)
        .member("nonce", s.nonce)
        .member("policy_digest", s.policy_digest)
        .member("recipient", s.recipient)
        .member("recipient_public_key", s.recipient_public_key)
        .member("redoubt_export_statement", std::uint64_t{1})
        .member("vault_id", s.vault_id)
        .end_object();
    return out;
}

Result<ExportStatement> parse_export_statement(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = 4096, .depth = 2, .values = 32});
    if (!root ||
        !json::check_members(*root, {"address", "algorithm", "ciphertext", "encapsulated_key", "key_id",
                                     "nonce", "policy_digest", "recipient", "recipient_public_key",
                                     "redoubt_export_statement", "vault_id"}))
        return invalid("the export statement is malformed");
    ExportStatement out;
    const auto version = root->get("redoubt_export_statement");
    if (!version || version->u64() != 1 || !read_text(*root, "address", out.address) ||
        !read_text(*root, "algorithm", out.algorithm) || !read_text(*root, "ciphertext", out.ciphertext) ||
        !read_text(*root, "encapsulated_key", out.encapsulated_key) ||
        !read_text(*root, "key_id", out.key_id) || !read_text(*root, "nonce", out.nonce) ||
        !read_text(*root, "policy_digest", out.policy_digest) ||
        !read_text(*root, "recipient", out.recipient) ||
        !read_text(*root, "recipient_public_key", out.recipient_public_key) ||
        !read_text(*root, "vault_id", out.vault_id))
        return invalid("the export statement is malformed");
    return out;
}

std::string export_info(const ExportStatement& s) {
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("address", s.address)
        .member("algorithm", s.algorithm)
        .member("key_id", s.key_id)
        .member("policy_digest", s.policy_digest)
        .member("recipient", s.recipient)
        .member("redoubt_export", std::uint64_t{1})
        .member("vault_id", s.vault_id)
        .end_object();
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

namespace {

// A document of this purpose whose digest is the statement's.
Status verify_attested(std::string_view statement, ByteView document, std::string_view purpose,
                       const Pins& pins, UnixMs now) {
    REDOUBT_TRY(const auto attestation, verify_document(document, purpose, pins, now));
    REDOUBT_TRY(const auto user_data, nitro::parse_user_data(*attestation.user_data));
    if (user_data.digest != crypto::sha256(as_bytes(statement)))
        return fail(Code::AttestationUntrusted, "the statement is not the one that was attested");
    return {};
}

Status check_nonce(const std::string& repeated, const Pins& pins) {
    if (repeated != to_hex(pins.nonce))
        return fail(Code::AttestationUntrusted, "the statement repeats another nonce");
    return {};
}

} // namespace

Result<KeyStatement> verify_key_statement(std::string_view statement, ByteView document, const Pins& pins,
                                          UnixMs now) {
    REDOUBT_CHECK(verify_attested(statement, document, kPurposeKey, pins, now));
    REDOUBT_TRY(auto parsed, parse_statement(statement));
    REDOUBT_CHECK(check_nonce(parsed.nonce, pins));
    return parsed;
}

Result<ImportOffer> verify_import_offer(std::string_view statement, ByteView document, const Pins& pins,
                                        UnixMs now) {
    REDOUBT_CHECK(verify_attested(statement, document, kPurposeImport, pins, now));
    REDOUBT_TRY(auto parsed, parse_import_offer(statement));
    REDOUBT_CHECK(check_nonce(parsed.nonce, pins));
    return parsed;
}

Result<SessionOffer> verify_session_offer(std::string_view statement, ByteView document, const Pins& pins,
                                          UnixMs now) {
    REDOUBT_CHECK(verify_attested(statement, document, kPurposeSession, pins, now));
    REDOUBT_TRY(auto parsed, parse_session_offer(statement));
    REDOUBT_CHECK(check_nonce(parsed.nonce, pins));
    return parsed;
}

Result<VaultStatement> verify_vault_statement(std::string_view statement, ByteView document, const Pins& pins,
                                              UnixMs now) {
    REDOUBT_CHECK(verify_attested(statement, document, kPurposeVault, pins, now));
    REDOUBT_TRY(auto parsed, parse_vault_statement(statement));
    REDOUBT_CHECK(check_nonce(parsed.nonce, pins));
    return parsed;
}

Result<ExportStatement> verify_export_statement(std::string_view statement, ByteView document,
                                                const Pins& pins, UnixMs now) {
    REDOUBT_CHECK(verify_attested(statement, document, kPurposeExport, pins, now));
    REDOUBT_TRY(auto parsed, parse_export_statement(statement));
    REDOUBT_CHECK(check_nonce(parsed.nonce, pins));
    return parsed;
}

Result<AddressStatement> verify_address_statement(std::string_view statement, ByteView document,
                                                  const Pins& pins, UnixMs now) {
    REDOUBT_CHECK(verify_attested(statement, document, kPurposeAddresses, pins, now));
    REDOUBT_TRY(auto parsed, parse_address_statement(statement));
    REDOUBT_CHECK(check_nonce(parsed.nonce, pins));
    return parsed;
}

} // namespace redoubt::trust
