// SPDX-License-Identifier: Apache-2.0
#include "trust/authorization.h"

#include "crypto/owner_signature.h"

#include <algorithm>

namespace redoubt::trust {

namespace {

constexpr std::uint64_t kMaxNumber = 9007199254740991u; // what a canonical form can say
constexpr std::size_t kMaxOwnerId = 64;                 // bytes, as the manifest has it

std::unexpected<Error> unauthorized(FixedText text) {
    return fail(Code::Unauthorized, text);
}

// In lower case, so that one document has one text.
template<std::size_t N>
bool is_hex(std::string_view text) noexcept {
    ByteArray<N> out;
    return from_hex_exact(text, out) &&
           std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; });
}

bool is_vault_id(std::string_view text) noexcept {
    return text.starts_with("vault-") && is_hex<16>(text.substr(6));
}

std::string text_of(const json::Value& object, std::string_view name) {
    const auto value = object.get(name);
    return value && value->is_string() ? std::string(value->text()) : std::string();
}

std::optional<std::uint64_t> number_of(const json::Value& object, std::string_view name) {
    const auto value = object.get(name);
    const auto number = value ? value->u64() : std::nullopt;
    return number && *number <= kMaxNumber ? number : std::nullopt;
}

// The members that belong to the operation, and no other.
Status read_operation(const json::Value& root, Authorization& out) {
    const auto only = [&](std::initializer_list<std::string_view> members) {
        return json::check_members(root, members).has_value();
    };
    if (out.operation == "vault-create") {
        const auto epoch = number_of(root, "epoch");
        out.vault_id = text_of(root, "vault_id");
        if (!only({"manifest", "not_after", "operation", "redoubt_authorization", "epoch", "vault_id"}) ||
            !epoch || !is_vault_id(out.vault_id))
            return unauthorized("an authorization to create a vault has vault_id (\"vault-\" and 32 hex "
                                "digits in lower case), epoch, and nothing else of its own");
        out.epoch = *epoch;
        return {};
    }
    if (out.operation == "vault-move") {
        out.from = text_of(root, "from");
        out.to = text_of(root, "to");
        if (!only({"manifest", "not_after", "operation", "redoubt_authorization", "from", "to"}) ||
            !is_vault_id(out.from) || !is_vault_id(out.to) || out.from == out.to)
            return unauthorized("an authorization to move keys has from and to, two vaults (\"vault-\" and "
                                "32 hex digits in lower case), and nothing else of its own");
        return {};
    }
    if (out.operation == "key-policy") {
        out.policy_digest = text_of(root, "policy_digest");
        if (!only({"manifest", "not_after", "operation", "redoubt_authorization", "policy_digest"}) ||
            !is_hex<32>(out.policy_digest))
            return unauthorized("an authorization of a key's policy has policy_digest (64 hex digits in "
                                "lower case), and nothing else of its own");
        return {};
    }
    if (out.operation == "policy-change") {
        out.key_id = text_of(root, "key_id");
        out.from_policy = text_of(root, "from_policy");
        out.to_policy = text_of(root, "to_policy");
        if (!only({"manifest", "not_after", "operation", "redoubt_authorization", "key_id", "from_policy",
                   "to_policy"}) ||
            !out.key_id.starts_with("key-") || !is_hex<16>(out.key_id.substr(4)) ||
            !is_hex<32>(out.from_policy) || !is_hex<32>(out.to_policy) || out.from_policy == out.to_policy)
            return unauthorized("an authorization to change a key's policy has key_id, from_policy and "
                                "to_policy (two digests of 64 hex digits in lower case), and nothing else "
                                "of its own");
        return {};
    }
    return unauthorized(
        "an authorization's operation is vault-create, vault-move, key-policy or policy-change");
}

bool verifies(const ManifestOwner& owner, std::string_view message, const ByteArray<64>& signature) {
    return owner.algorithm == OwnerAlgorithm::Ed25519
               ? crypto::verify_ed25519(owner.public_key, as_bytes(message), signature)
               : crypto::verify_p256(owner.public_key, as_bytes(message), signature);
}

} // namespace

std::string encode_authorization(const Authorization& authorization) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    if (authorization.operation == "vault-create")
        writer.member("epoch", authorization.epoch);
    const bool policy_change = authorization.operation == "policy-change";
    if (authorization.operation == "vault-move")
        writer.member("from", authorization.from);
    if (policy_change)
        writer.member("from_policy", authorization.from_policy).member("key_id", authorization.key_id);
    writer.member("manifest", to_hex(authorization.manifest))
        .key("not_after")
        .number(authorization.not_after)
        .member("operation", authorization.operation);
    if (authorization.operation == "key-policy")
        writer.member("policy_digest", authorization.policy_digest);
    writer.member("redoubt_authorization", std::uint64_t{1});
    if (authorization.operation == "vault-move")
        writer.member("to", authorization.to);
    if (policy_change)
        writer.member("to_policy", authorization.to_policy);
    if (authorization.operation == "vault-create")
        writer.member("vault_id", authorization.vault_id);
    writer.end_object();
    return out;
}

Result<Authorization> parse_authorization(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = kMaxAuthorization, .depth = 1, .values = 16});
    if (!root || !root->is_object())
        return unauthorized("an authorization is a JSON object of at most 4096 bytes");
    if (const auto version = root->get("redoubt_authorization"); !version || version->u64() != 1)
        return unauthorized("an authorization's redoubt_authorization must be 1");
    Authorization out;
    if (!from_hex_exact(text_of(*root, "manifest"), out.manifest))
        return unauthorized("an authorization's manifest must be the manifest's digest: 96 hex digits");
    const auto not_after = number_of(*root, "not_after");
    if (!not_after)
        return unauthorized("an authorization's not_after must be milliseconds since 1970, an integer");
    out.not_after = static_cast<UnixMs>(*not_after);
    out.operation = text_of(*root, "operation");
    REDOUBT_CHECK(read_operation(*root, out));
    // One document, one text: what is signed cannot be spelt in another way.
    if (json::canonical(*root) != text || encode_authorization(out) != text)
        return unauthorized("an authorization must be in canonical form: names in order, no white space, hex "
                            "digits in lower case");
    return out;
}

Result<Authorization> check_authorization(const Manifest& manifest,
                                          const SignedAuthorization& signed_document, UnixMs now) {
    return check_authorization(manifest, signed_document, now, manifest.owners, 1);
}

Result<Authorization> check_authorization(const Manifest& manifest,
                                          const SignedAuthorization& signed_document, UnixMs now,
                                          const std::vector<ManifestOwner>& owners, std::size_t threshold) {
    REDOUBT_TRY(auto authorization, parse_authorization(signed_document.document));
    const auto& signatures = signed_document.signatures;
    if (signatures.empty() || signatures.size() > kMaxOwnerSignatures)
        return unauthorized("an authorization has 1 to 16 signatures");
    const std::string message = std::string(kAuthorizationContext) + signed_document.document;
    for (auto at = signatures.begin(); at != signatures.end(); ++at) {
        if (std::any_of(signatures.begin(), at, [&](const auto& other) { return other.owner == at->owner; }))
            return unauthorized("an owner signed the authorization twice: leave one signature of each");
        const auto owner = std::find_if(owners.begin(), owners.end(),
                                        [&](const auto& known) { return known.id == at->owner; });
        if (owner == owners.end())
            return unauthorized("the authorization is signed by somebody whom the manifest (for a change of "
                                "policy: the key's policy) does not name among its owners");
        if (!verifies(*owner, message, at->signature))
            return unauthorized("a signature of the authorization does not verify with its owner's key");
    }
    if (signatures.size() < threshold)
        return fail(Code::Forbidden,
                    "fewer owners have signed than the key's policy demands: add their signatures");
    if (authorization.manifest != manifest.digest())
        return fail(Code::Forbidden,
                    "the authorization is for another manifest: have it signed for this one");
    if (now >= authorization.not_after)
        return fail(Code::Forbidden, "the authorization is no longer valid: have a new one signed");
    return authorization;
}

Result<SignedAuthorization> parse_signed_authorization(const json::Value& value) {
    const auto document = value.get("document");
    const auto signatures = value.get("signatures");
    if (!json::check_members(value, {"document", "signatures"}) || !document || !document->is_string() ||
        document->text().size() > kMaxAuthorization || !signatures || !signatures->is_array() ||
        signatures->size() == 0 || signatures->size() > kMaxOwnerSignatures)
        return unauthorized("a signed authorization is {\"document\": its text, \"signatures\": a list of 1 "
                            "to 16}");
    SignedAuthorization out{std::string(document->text()), {}};
    for (const auto entry : *signatures) {
        OwnerSignature signature;
        signature.owner = text_of(entry, "owner");
        if (!json::check_members(entry, {"owner", "signature"}) || signature.owner.empty() ||
            signature.owner.size() > kMaxOwnerId ||
            !from_hex_exact(text_of(entry, "signature"), signature.signature))
            return unauthorized("a signature of an authorization is {\"owner\": an id of the manifest, "
                                "\"signature\": 128 hex digits}");
        out.signatures.push_back(std::move(signature));
    }
    return out;
}

std::string encode_signed_authorization(const SignedAuthorization& signed_document) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("document", signed_document.document).key("signatures").begin_array();
    for (const auto& signature : signed_document.signatures)
        writer.begin_object()
            .member("owner", signature.owner)
            .member("signature", to_hex(signature.signature))
            .end_object();
    writer.end_array().end_object();
    return out;
}

} // namespace redoubt::trust
