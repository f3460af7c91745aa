// SPDX-License-Identifier: Apache-2.0
#include "api/operation_parts.h"

namespace redoubt::api {

namespace {

constexpr std::size_t kMaxSecretId = 2048; // Secrets Manager: SecretId

Status no_body(const Request& request) {
    if (!request.body.empty())
        return fail(Code::BadRequest, "this route takes no body; remove it");
    return {};
}

// The query "nonce=HEX" and nothing else.
Result<std::optional<Bytes>> nonce_query(const Request& request) {
    if (!request.has_query)
        return std::nullopt;
    constexpr std::string_view kName = "nonce=";
    if (!request.query.starts_with(kName) || request.query.find('&') != std::string_view::npos)
        return fail(Code::UnknownField, "the only query member that this route knows is nonce");
    REDOUBT_TRY(auto nonce, parse_nonce(request.query.substr(kName.size())));
    return nonce;
}

Result<Operation> create_key(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(no_query(request));
    CreateKey out;
    if (request.body.empty())
        return out;
    REDOUBT_CHECK(need_json(request.content_type, false));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    REDOUBT_CHECK(json::check_members(body, {"exportable", "hd", "nonce", "raw_signing"}));
    REDOUBT_TRY(out.exportable, optional_bool(body, "exportable", "exportable must be true or false"));
    REDOUBT_TRY(out.hd, optional_bool(body, "hd", "hd must be true or false"));
    REDOUBT_TRY(out.raw_signing, optional_bool(body, "raw_signing", "raw_signing must be true or false"));
    REDOUBT_TRY(out.nonce, optional_nonce(body));
    return out;
}

// What the sealed secret is, is bound to it: the client seals with the same members as HPKE's info.
Result<Operation> import_key(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(need_method(request, "POST", "keys are imported with POST"));
    REDOUBT_CHECK(no_query(request));
    REDOUBT_CHECK(need_json(request.content_type, false));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    REDOUBT_CHECK(json::check_members(
        body, {"ciphertext", "encapsulated_key", "exportable", "hd", "nonce", "raw_signing", "vault_id"}));
    ImportKey out;
    const auto vault_id = body.get("vault_id");
    if (!vault_id || !vault_id->is_string())
        return fail(Code::MissingField, "an import needs vault_id, as the offer says it");
    out.vault_id = vault_id->text();
    REDOUBT_TRY(out.exportable, optional_bool(body, "exportable", "exportable must be true or false"));
    REDOUBT_TRY(out.hd, optional_bool(body, "hd", "hd must be true or false"));
    REDOUBT_TRY(out.raw_signing, optional_bool(body, "raw_signing", "raw_signing must be true or false"));
    REDOUBT_TRY(out.nonce, optional_nonce(body));
    const auto encapsulated = body.get("encapsulated_key");
    const auto ciphertext = body.get("ciphertext");
    if (!encapsulated || !ciphertext)
        return fail(Code::MissingField, "an import needs encapsulated_key and ciphertext, sealed by HPKE");
    auto bytes = ciphertext->is_string() ? from_hex0x(ciphertext->text()) : std::nullopt;
    if (!encapsulated->is_string() || !encapsulated->text().starts_with("0x") ||
        !from_hex_exact(encapsulated->text().substr(2), out.encapsulated) || !bytes ||
        bytes->size() > kMaxImportCiphertext)
        return fail(Code::InvalidField,
                    "encapsulated_key is 0x and 64 digits, ciphertext 0x-hex of up to 80 bytes");
    out.ciphertext = std::move(*bytes);
    return out;
}

Result<Operation> keys_route(const Request& request, json::Document& scratch) {
    constexpr std::string_view kPrefix = "/v1/keys/";
    if (request.path == "/v1/keys") {
        REDOUBT_CHECK(need_method(request, "POST", "keys are created with POST and listed with GET"));
        return create_key(request, scratch);
    }
    if (request.path == "/v1/keys/import")
        return import_key(request, scratch);
    std::string_view id = request.path.substr(kPrefix.size());
    const std::size_t slash = id.find('/');
    if (slash != std::string_view::npos && slash != 0)
        return key_action(request, id.substr(0, slash), id.substr(slash + 1), scratch);
    if (!id.empty() && slash == std::string_view::npos) {
        REDOUBT_CHECK(need_method(request, "GET", "a key is shown with GET"));
        REDOUBT_CHECK(no_body(request));
        REDOUBT_TRY(auto nonce, nonce_query(request));
        return DescribeKey{id, std::move(nonce)};
    }
    return fail(Code::NotFound, "there is no such route; docs/api.md lists them");
}

Result<std::string_view> secret_id(const json::Value& body) {
    const auto id = body.get("secret_id");
    if (!id || !id->is_string() || id->text().empty() || id->text().size() > kMaxSecretId)
        return fail(Code::InvalidField, "secret_id must be a secret's name or ARN");
    return id->text();
}

Result<Operation> reference_sign(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(need_json(request.content_type, true));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    const auto payload = body.get("transaction_payload");
    if (!payload || !body.get("secret_id"))
        return fail(Code::MissingField, "transaction_payload or secret_id are missing");
    REDOUBT_CHECK(json::check_members(body, {"transaction_payload", "secret_id"}));
    REDOUBT_TRY(const auto id, secret_id(body));
    REDOUBT_TRY(auto parsed, ethereum::transaction_from_reference_json(*payload));
    return ReferenceSignTransaction{id, std::move(parsed)};
}

Result<Operation> reference_hash(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(need_json(request.content_type, true));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    const auto hash = body.get("hash");
    if (!hash || !body.get("secret_id"))
        return fail(Code::MissingField, "hash or secret_id are missing");
    REDOUBT_CHECK(json::check_members(body, {"hash", "secret_id"}));
    REDOUBT_TRY(const auto id, secret_id(body));
    ReferenceSignHash out{id, {}};
    std::string_view digits = hash->is_string() ? hash->text() : std::string_view();
    if (digits.starts_with("0x"))
        digits.remove_prefix(2);
    if (!from_hex_exact(digits, out.hash))
        return fail(Code::InvalidField, "Hash must be 32 bytes (64 hex chars)");
    return out;
}

Result<Operation> reference_generate(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(need_json(request.content_type, true));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    const auto id = body.get("key_id");
    if (!id)
        return fail(Code::MissingField, "Missing 'key_id' field");
    REDOUBT_CHECK(json::check_members(body, {"key_id"}));
    if (!id->is_string() || id->text().empty() || id->text().size() > 2048)
        return fail(Code::InvalidField, "key_id must be a KMS key's ARN or id");
    return ReferenceGenerateKey{id->text()};
}

bool is_ours(std::string_view path) noexcept {
    return path == "/v1" || path.starts_with("/v1/") || path == "/health" || path == "/healthz";
}

} // namespace

bool is_legacy_path(std::string_view path) noexcept {
    return !is_ours(path) && path != "/" && path != "/sign_transaction" && path != "/sign_hash" &&
           path != "/generate_key";
}

Result<Operation> parse_operation(const Request& request, json::Document& scratch) {
    const bool offer = request.path == "/v1/import";
    if (offer || request.path == "/v1/attestation") {
        REDOUBT_CHECK(need_method(request, "GET", "an attestation is asked for with GET"));
        REDOUBT_CHECK(no_body(request));
        REDOUBT_TRY(auto nonce, nonce_query(request));
        if (!nonce)
            return fail(Code::MissingField,
                        "the query needs nonce=HEX, so that the document is shown to be fresh");
        if (offer)
            return OfferImport{std::move(*nonce)};
        return Attest{std::move(*nonce)};
    }
    if (request.path == "/v1/keys" || request.path.starts_with("/v1/keys/"))
        return keys_route(request, scratch);
    if (is_ours(request.path))
        return fail(Code::NotFound, "there is no such route; docs/api.md lists them");
    if (request.method != "POST") {
        if (is_legacy_path(request.path))
            return fail(Code::NotFound, "there is no such route; docs/api.md lists them");
        return fail(Code::MethodNotAllowed, "this route takes POST");
    }
    REDOUBT_CHECK(no_query(request));
    if (request.path == "/sign_hash")
        return reference_hash(request, scratch);
    if (request.path == "/generate_key")
        return reference_generate(request, scratch);
    return reference_sign(request, scratch);
}

} // namespace redoubt::api
