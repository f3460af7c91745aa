// SPDX-License-Identifier: Apache-2.0
// What is asked of policies and of sessions.
#include "api/operation_parts.h"

namespace redoubt::api {

namespace {

constexpr std::size_t kSessionCiphertext = 32 + 16;        // an HMAC key, and the tag
constexpr std::uint64_t kLastTime = 9'007'199'254'740'991; // 2^53 - 1

Result<policy::Document> policy_of(const json::Value& body) {
    const auto policy = body.get("policy");
    if (!policy)
        return fail(Code::MissingField, "the body needs policy: the document");
    return read_policy(*policy);
}

Result<json::Value> posted(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(no_query(request));
    REDOUBT_CHECK(need_json(request.content_type, false));
    return parse_body(request, scratch);
}

} // namespace

Result<Operation> put_policy(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(need_method(request, "POST", "policies are stored with POST"));
    REDOUBT_TRY(const json::Value body, posted(request, scratch));
    REDOUBT_CHECK(json::check_members(body, {"policy"}));
    REDOUBT_TRY(auto policy, policy_of(body));
    return PutPolicy{std::move(policy)};
}

Result<Operation> key_policy(const Request& request, std::string_view key_id, json::Document& scratch) {
    if (request.method == "GET" || request.method == "HEAD") {
        REDOUBT_CHECK(no_query(request));
        REDOUBT_CHECK(no_body(request));
        return ShowPolicy{key_id};
    }
    REDOUBT_CHECK(need_method(request, "POST", "a key's policy is shown with GET and changed with POST"));
    REDOUBT_TRY(const json::Value body, posted(request, scratch));
    REDOUBT_CHECK(json::check_members(body, {"authorization", "nonce", "policy"}));
    ChangePolicy out;
    out.key_id = key_id;
    REDOUBT_TRY(out.policy, policy_of(body));
    REDOUBT_TRY(auto authorization, authorization_of(body));
    if (!authorization)
        return fail(Code::MissingField,
                    "a change of policy needs authorization: the signatures of the "
                    "owners that the present policy names; `redoubt policy sign` makes it");
    out.authorization = std::move(*authorization);
    REDOUBT_TRY(out.nonce, optional_nonce(body));
    return out;
}

Result<Operation> key_session(const Request& request, std::string_view key_id, json::Document& scratch) {
    if (request.method == "GET" || request.method == "HEAD") {
        REDOUBT_CHECK(no_body(request));
        REDOUBT_TRY(auto nonce, nonce_query(request));
        if (!nonce)
            return fail(Code::MissingField,
                        "the query needs nonce=HEX, so that the offer is shown to be fresh");
        return OfferSession{key_id, std::move(*nonce)};
    }
    REDOUBT_CHECK(need_method(request, "POST", "a session is offered with GET and opened with POST"));
    REDOUBT_TRY(const json::Value body, posted(request, scratch));
    REDOUBT_CHECK(json::check_members(body, {"ciphertext", "encapsulated_key", "expires", "principal"}));
    OpenSession out;
    out.key_id = key_id;
    REDOUBT_TRY(out.principal,
                optional_text(body, "principal", "principal must be an id of the key's policy"));
    const auto expires = body.get("expires");
    const auto encapsulated = body.get("encapsulated_key");
    const auto ciphertext = body.get("ciphertext");
    if (out.principal.empty() || !expires || !encapsulated || !ciphertext)
        return fail(Code::MissingField,
                    "a session needs principal, expires, encapsulated_key and ciphertext, sealed by HPKE");
    const auto time = expires->u64();
    if (!time || *time > kLastTime)
        return fail(Code::InvalidField, "expires must be milliseconds since 1970, an integer");
    out.expires = static_cast<UnixMs>(*time);
    auto bytes = ciphertext->is_string() ? from_hex0x(ciphertext->text()) : std::nullopt;
    if (!encapsulated->is_string() || !encapsulated->text().starts_with("0x") ||
        !from_hex_exact(encapsulated->text().substr(2), out.encapsulated) || !bytes ||
        bytes->size() != kSessionCiphertext)
        return fail(Code::InvalidField,
                    "encapsulated_key is 0x and 64 digits, ciphertext 0x and 96: a key of 32 bytes, sealed");
    out.ciphertext = std::move(*bytes);
    return out;
}

} // namespace redoubt::api
