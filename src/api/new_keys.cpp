// SPDX-License-Identifier: Apache-2.0
// What makes keys and vaults, changes them, and exports them: bodies of /v1/keys, /v1/keys/import,
// /v1/keys/adopt, /v1/vaults and the lifecycle actions of /v1/keys/{id}.
#include "api/operation_parts.h"

#include <algorithm>

namespace redoubt::api {

namespace {

constexpr std::size_t kMaxSecretId = 2048; // Secrets Manager: SecretId

Result<std::string_view> vault_id_of(const json::Value& body, FixedText invalid) {
    REDOUBT_TRY(const auto id, optional_text(body, "vault_id", invalid));
    if (!id.empty() && !sealed::parse_vault_id(id))
        return fail(Code::InvalidField, invalid);
    return id;
}

Result<std::string_view> client_token_of(const json::Value& body) {
    const auto value = body.get("client_token");
    if (!value)
        return std::string_view();
    if (!value->is_string() || !sealed::valid_client_token(value->text()))
        return fail(Code::InvalidField, "client_token must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -");
    return value->text();
}

// What every new key has.
Result<NewKey> common_of(const json::Value& body) {
    NewKey out;
    REDOUBT_TRY(out.client_token, client_token_of(body));
    REDOUBT_TRY(out.vault_id, vault_id_of(body, "vault_id must be vault- and 32 hex digits"));
    if (const auto label = body.get("label")) {
        REDOUBT_TRY(out.label, label_of(*label));
    }
    if (const auto tags = body.get("tags")) {
        REDOUBT_TRY(out.tags, tags_of(*tags));
    }
    REDOUBT_TRY(out.authorization, authorization_of(body));
    REDOUBT_TRY(out.nonce, optional_nonce(body));
    return out;
}

// What keys that are created or imported have, too.
Result<NewKey> new_key_of(const json::Value& body) {
    REDOUBT_TRY(NewKey out, common_of(body));
    REDOUBT_TRY(out.exportable, optional_bool(body, "exportable", "exportable must be true or false"));
    REDOUBT_TRY(out.hd, optional_bool(body, "hd", "hd must be true or false"));
    REDOUBT_TRY(out.raw_signing, optional_bool(body, "raw_signing", "raw_signing must be true or false"));
    if (const auto policy = body.get("policy")) {
        REDOUBT_TRY(out.policy, read_policy(*policy));
    }
    return out;
}

struct LifecycleAction {
    std::string_view name;
    ChangeKey::What what;
};
constexpr LifecycleAction kChanges[] = {{"update", ChangeKey::What::Describe},
                                        {"enable", ChangeKey::What::Enable},
                                        {"disable", ChangeKey::What::Disable},
                                        {"schedule-deletion", ChangeKey::What::ScheduleDeletion},
                                        {"cancel-deletion", ChangeKey::What::CancelDeletion}};

// Any number of 32 bits.
Result<std::optional<std::uint32_t>> optional_u32(const json::Value& body, std::string_view name,
                                                  FixedText invalid) {
    const auto value = body.get(name);
    if (!value)
        return std::nullopt;
    const auto number = value->u64();
    if (!number || *number > UINT32_MAX)
        return fail(Code::InvalidField, invalid);
    return static_cast<std::uint32_t>(*number);
}

Result<Operation> change(ChangeKey::What what, const std::optional<json::Value>& body,
                         std::string_view key_id) {
    ChangeKey out{key_id, what, {}, {}, {}, {}, {}};
    if (!body && what == ChangeKey::What::Describe)
        return fail(Code::MissingField, "the body needs label or tags, or both");
    if (!body)
        return out;
    switch (what) {
    case ChangeKey::What::Describe:
        REDOUBT_CHECK(json::check_members(*body, {"label", "tags", "revision", "nonce"}));
        break;
    case ChangeKey::What::ScheduleDeletion:
        REDOUBT_CHECK(json::check_members(*body, {"wait_seconds", "revision", "nonce"}));
        break;
    default:
        REDOUBT_CHECK(json::check_members(*body, {"revision", "nonce"}));
    }
    if (const auto label = body->get("label")) {
        REDOUBT_TRY(out.label, label_of(*label));
    }
    if (const auto tags = body->get("tags")) {
        REDOUBT_TRY(out.tags, tags_of(*tags));
    }
    if (what == ChangeKey::What::Describe && !out.label && !out.tags)
        return fail(Code::MissingField, "the body needs label or tags, or both");
    REDOUBT_TRY(out.wait_seconds,
                optional_u32(*body, "wait_seconds", "wait_seconds must be 0 to 31536000, a year"));
    if (out.wait_seconds > kMaxDeletionWait)
        return fail(Code::InvalidField, "wait_seconds must be 0 to 31536000, a year");
    REDOUBT_TRY(out.revision, optional_u32(*body, "revision", "revision must be the key's, as it is shown"));
    REDOUBT_TRY(out.nonce, optional_nonce(*body));
    return out;
}

Result<Operation> move(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"vault_id", "authorization", "nonce"}));
    MoveKey out;
    out.key_id = key_id;
    REDOUBT_TRY(out.vault_id,
                vault_id_of(body, "vault_id must be vault- and 32 hex digits: where the key goes"));
    if (out.vault_id.empty())
        return fail(Code::MissingField, "the body needs vault_id: where the key goes");
    REDOUBT_TRY(out.authorization, authorization_of(body));
    REDOUBT_TRY(out.nonce, optional_nonce(body));
    return out;
}

Result<Operation> export_key(const json::Value& body, std::string_view key_id) {
    REDOUBT_CHECK(json::check_members(body, {"recipient", "nonce"}));
    ExportKey out;
    out.key_id = key_id;
    REDOUBT_TRY(out.recipient,
                optional_text(body, "recipient", "recipient must be an id of the key's policy"));
    REDOUBT_TRY(out.nonce, optional_nonce(body));
    if (out.recipient.empty() || out.nonce.empty())
        return fail(Code::MissingField,
                    "an export needs recipient, an id of the key's policy, and a nonce to attest it with");
    return out;
}

} // namespace

Result<std::string_view> optional_text(const json::Value& body, std::string_view name, FixedText invalid) {
    const auto value = body.get(name);
    if (!value)
        return std::string_view();
    if (!value->is_string())
        return fail(Code::InvalidField, invalid);
    return value->text();
}

Result<std::string> label_of(const json::Value& value) {
    if (!value.is_string() || !sealed::valid_label(value.text()))
        return fail(Code::InvalidField, "label must be up to 128 bytes of text without control characters");
    return std::string(value.text());
}

// {"team":"payments", …}
Result<std::vector<sealed::Tag>> tags_of(const json::Value& value) {
    constexpr FixedText kInvalid =
        "tags must be an object of up to 16 texts: names of 1 to 64 bytes, values of "
        "up to 256, without control characters";
    if (!value.is_object() || value.size() > sealed::kMaxTags)
        return fail(Code::InvalidField, kInvalid);
    std::vector<sealed::Tag> out;
    for (const auto member : value) {
        if (!member.is_string())
            return fail(Code::InvalidField, kInvalid);
        out.push_back({std::string(member.name()), std::string(member.text())});
    }
    std::ranges::sort(out);
    if (!sealed::valid_tags(out))
        return fail(Code::InvalidField, kInvalid);
    return out;
}

Result<std::optional<trust::SignedAuthorization>> authorization_of(const json::Value& body) {
    const auto value = body.get("authorization");
    if (!value)
        return std::nullopt;
    REDOUBT_TRY(auto parsed, trust::parse_signed_authorization(*value));
    return parsed;
}

Result<Operation> create_key(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(no_query(request));
    if (request.body.empty())
        return CreateKey{};
    REDOUBT_CHECK(need_json(request.content_type, false));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    REDOUBT_CHECK(json::check_members(body, {"authorization", "client_token", "exportable", "hd", "label",
                                             "nonce", "policy", "raw_signing", "tags", "vault_id"}));
    REDOUBT_TRY(auto key, new_key_of(body));
    return CreateKey{std::move(key)};
}

// What the sealed secret is, is bound to it: the client seals with the same members as HPKE's info.
Result<Operation> import_key(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(need_method(request, "POST", "keys are imported with POST"));
    REDOUBT_CHECK(no_query(request));
    REDOUBT_CHECK(need_json(request.content_type, false));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    REDOUBT_CHECK(json::check_members(body, {"authorization", "ciphertext", "client_token",
                                             "encapsulated_key", "exportable", "hd", "label", "nonce",
                                             "policy", "raw_signing", "tags", "vault_id"}));
    ImportKey out;
    REDOUBT_TRY(out.key, new_key_of(body));
    if (out.key.vault_id.empty())
        return fail(Code::MissingField, "an import needs vault_id, as the offer says it");
    if (out.key.client_token.empty())
        return fail(Code::MissingField, "an import needs client_token: the key's id, which the sealed secret "
                                        "is bound to, comes of it");
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

Result<Operation> adopt_key(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(need_method(request, "POST", "reference keys are adopted with POST"));
    REDOUBT_CHECK(no_query(request));
    REDOUBT_CHECK(need_json(request.content_type, false));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    REDOUBT_CHECK(
        json::check_members(body, {"authorization", "label", "nonce", "secret_id", "tags", "vault_id"}));
    AdoptKey out;
    REDOUBT_TRY(out.key, common_of(body));
    REDOUBT_TRY(out.secret_id, optional_text(body, "secret_id", "secret_id must be a secret's name or ARN"));
    if (out.secret_id.empty() || out.secret_id.size() > kMaxSecretId)
        return fail(Code::InvalidField, "secret_id must be a secret's name or ARN");
    return out;
}

Result<Operation> create_vault(const Request& request, json::Document& scratch) {
    REDOUBT_CHECK(no_query(request));
    REDOUBT_CHECK(need_json(request.content_type, false));
    REDOUBT_TRY(const json::Value body, parse_body(request, scratch));
    REDOUBT_CHECK(json::check_members(body, {"authorization", "client_token", "epoch", "nonce"}));
    CreateVault out;
    REDOUBT_TRY(out.client_token, client_token_of(body));
    if (out.client_token.empty())
        return fail(Code::MissingField,
                    "a vault needs client_token: its id comes of it, so that a repeat makes no second one");
    if (const auto epoch = body.get("epoch")) {
        out.epoch = epoch->u64();
        if (!out.epoch || *out.epoch > 9007199254740991u)
            return fail(Code::InvalidField, "epoch must be an integer from 0 to 2^53 - 1");
    }
    REDOUBT_TRY(out.authorization, authorization_of(body));
    REDOUBT_TRY(out.nonce, optional_nonce(body));
    return out;
}

bool is_lifecycle_action(std::string_view action) noexcept {
    return action == "move" || action == "export" ||
           std::ranges::any_of(kChanges, [&](const auto& change) { return change.name == action; });
}

Result<Operation> lifecycle_action(std::string_view action, const std::optional<json::Value>& body,
                                   std::string_view key_id) {
    for (const auto& [name, what] : kChanges)
        if (name == action)
            return change(what, body, key_id);
    if (!body)
        return fail(Code::MissingField, "this action needs a body; docs/api.md lists its members");
    return action == "move" ? move(*body, key_id) : export_key(*body, key_id);
}

} // namespace redoubt::api
