// SPDX-License-Identifier: Apache-2.0
#include "api/operation_parts.h"

namespace redoubt::api {

namespace {

constexpr std::size_t kMaxSecretId = 2048; // Secrets Manager: SecretId

Result<Operation> keys_route(const Request& request, json::Document& scratch) {
    constexpr std::string_view kPrefix = "/v1/keys/";
    if (request.path == "/v1/keys") {
        REDOUBT_CHECK(need_method(request, "POST", "keys are created with POST and listed with GET"));
        return create_key(request, scratch);
    }
    if (request.path == "/v1/keys/import")
        return import_key(request, scratch);
    if (request.path == "/v1/keys/adopt")
        return adopt_key(request, scratch);
    std::string_view id = request.path.substr(kPrefix.size());
    const std::size_t slash = id.find('/');
    if (slash != std::string_view::npos && slash != 0 && id.substr(slash + 1) == "policy")
        return key_policy(request, id.substr(0, slash), scratch);
    if (slash != std::string_view::npos && slash != 0 && id.substr(slash + 1) == "session")
        return key_session(request, id.substr(0, slash), scratch);
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

// "nonce=HEX" and, after it, "vault_id=vault-…".
Result<Operation> offer_import(const Request& request) {
    REDOUBT_CHECK(need_method(request, "GET", "an import is offered with GET"));
    REDOUBT_CHECK(no_body(request));
    OfferImport out;
    Request nonce = request;
    constexpr std::string_view kVault = "&vault_id=";
    if (const std::size_t at = request.query.find(kVault); at != std::string_view::npos) {
        out.vault_id = request.query.substr(at + kVault.size());
        nonce.query = request.query.substr(0, at);
        if (!sealed::parse_vault_id(out.vault_id))
            return fail(Code::InvalidField, "vault_id must be vault- and 32 hex digits, at the query's end");
    }
    REDOUBT_TRY(auto given, nonce_query(nonce));
    if (!given)
        return fail(Code::MissingField, "the query needs nonce=HEX, so that the offer is shown to be fresh");
    out.nonce = std::move(*given);
    return out;
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

Status no_body(const Request& request) {
    if (!request.body.empty())
        return fail(Code::BadRequest, "this route takes no body; remove it");
    return {};
}

Result<std::optional<Bytes>> nonce_query(const Request& request) {
    if (!request.has_query)
        return std::nullopt;
    constexpr std::string_view kName = "nonce=";
    if (!request.query.starts_with(kName) || request.query.find('&') != std::string_view::npos)
        return fail(Code::UnknownField, "the only query member that this route knows is nonce");
    REDOUBT_TRY(auto nonce, parse_nonce(request.query.substr(kName.size())));
    return nonce;
}

bool is_legacy_path(std::string_view path) noexcept {
    return !is_ours(path) && path != "/" && path != "/sign_transaction" && path != "/sign_hash" &&
           path != "/generate_key";
}

Result<Operation> parse_operation(const Request& request, json::Document& scratch) {
    if (request.path == "/v1/import")
        return offer_import(request);
    if (request.path == "/v1/attestation") {
        REDOUBT_CHECK(need_method(request, "GET", "an attestation is asked for with GET"));
        REDOUBT_CHECK(no_body(request));
        REDOUBT_TRY(auto nonce, nonce_query(request));
        if (!nonce)
            return fail(Code::MissingField,
                        "the query needs nonce=HEX, so that the document is shown to be fresh");
        return Attest{std::move(*nonce)};
    }
    if (request.path == "/v1/attestation/tls" || request.path.starts_with("/v1/tls/"))
        return tls_route(request, scratch);
    if (request.path == "/v1/challenge") {
        REDOUBT_CHECK(need_method(request, "GET", "a challenge is asked for with GET"));
        REDOUBT_CHECK(no_query(request));
        REDOUBT_CHECK(no_body(request));
        return GiveChallenge{};
    }
    if (request.path == "/v1/policies")
        return put_policy(request, scratch);
    if (request.path == "/v1/vaults") {
        REDOUBT_CHECK(need_method(request, "POST", "vaults are created with POST and listed with GET"));
        return create_vault(request, scratch);
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
