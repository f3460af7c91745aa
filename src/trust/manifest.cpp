// SPDX-License-Identifier: Apache-2.0
#include "trust/manifest.h"

#include "base/json.h"
#include "nitro/nsm.h"

#include <algorithm>
#include <initializer_list>

namespace redoubt::trust {

namespace {

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::ManifestInvalid, text);
}

// json::check_members with the manifest's own code.
Status members(const json::Value& object, std::initializer_list<std::string_view> allowed) {
    if (const auto status = json::check_members(object, allowed); !status)
        return invalid(
            "the manifest has a member that this version does not know, or a value where an object belongs");
    return {};
}

Result<std::vector<ManifestKmsKey>> kms_keys(const json::Value& list) {
    std::vector<ManifestKmsKey> out;
    if (!list.is_array() || list.size() == 0 || list.size() > 16)
        return invalid("manifest: kms_keys must be a list of 1 to 16 keys");
    for (const auto entry : list) {
        REDOUBT_CHECK(members(entry, {"arn", "purpose"}));
        const auto arn = entry.get("arn");
        const auto purpose = entry.get("purpose");
        if (!arn || !arn->is_string() || !arn->text().starts_with("arn:") || arn->text().size() > 256)
            return invalid("manifest: kms_keys[].arn must be a KMS key's full ARN");
        if (!purpose || !purpose->is_string() ||
            (purpose->text() != "vault" && purpose->text() != "reference"))
            return invalid("manifest: kms_keys[].purpose must be \"vault\" or \"reference\"");
        for (const auto& other : out)
            if (other.arn == arn->text())
                return invalid("manifest: a KMS key is named twice; each has one purpose");
        out.push_back({std::string(arn->text()),
                       purpose->text() == "vault" ? KmsPurpose::Vault : KmsPurpose::Reference});
    }
    return out;
}

// Of owners and of principals: people's public keys, each under an id.
Result<std::vector<ManifestOwner>> people(const json::Value& list, std::size_t most) {
    std::vector<ManifestOwner> out;
    if (!list.is_array() || list.size() > most)
        return invalid("manifest: owners must be a list of at most 16, principals one of at most 64");
    for (const auto entry : list) {
        REDOUBT_CHECK(members(entry, {"id", "algorithm", "public_key"}));
        const auto id = entry.get("id");
        const auto algorithm = entry.get("algorithm");
        const auto key = entry.get("public_key");
        if (!id || !id->is_string() || id->text().empty() || id->text().size() > 64)
            return invalid("manifest: the id of an owner or a principal must be a text of 1 to 64 bytes");
        if (!algorithm || !algorithm->is_string() ||
            (algorithm->text() != "ed25519" && algorithm->text() != "ecdsa-p256-sha256"))
            return invalid("manifest: the algorithm of an owner or a principal must be \"ed25519\" or "
                           "\"ecdsa-p256-sha256\"");
        if (!key || !key->is_string())
            return invalid("manifest: the public_key of an owner or a principal must be hexadecimal");
        auto bytes = from_hex(key->text());
        const bool ed25519 = algorithm->text() == "ed25519";
        if (!bytes || bytes->size() != (ed25519 ? 32u : 65u) || (!ed25519 && (*bytes)[0] != 4))
            return invalid("manifest: an owner's or a principal's public_key must be 32 bytes (Ed25519) or "
                           "65 bytes (P-256, "
                           "uncompressed), in hexadecimal");
        for (const auto& other : out)
            if (other.id == id->text() || other.public_key == *bytes)
                return invalid("manifest: an owner or a principal is named twice");
        out.push_back({std::string(id->text()), ed25519 ? OwnerAlgorithm::Ed25519 : OwnerAlgorithm::EcdsaP256,
                       std::move(*bytes)});
    }
    return out;
}

Result<std::map<ByteArray<16>, Hash32>> commitments(const json::Value& object) {
    std::map<ByteArray<16>, Hash32> out;
    if (!object.is_object() || object.size() > 64)
        return invalid("manifest: vault_commitments must be an object of at most 64 vaults");
    for (const auto member : object) {
        ByteArray<16> id;
        Hash32 commitment;
        if (!member.name().starts_with("vault-") || !from_hex_exact(member.name().substr(6), id) ||
            !member.is_string() || !from_hex_exact(member.text(), commitment))
            return invalid("manifest: vault_commitments maps \"vault-<32 hex digits>\" to 64 hex digits");
        if (!out.emplace(id, commitment).second)
            return invalid("manifest: vault_commitments names a vault twice");
    }
    return out;
}

Result<ReferenceKeys> reference_keys(const json::Value& value) {
    ReferenceKeys out;
    if (value.is_string() && value.text() == "any") {
        out.mode = ReferenceKeys::Mode::Any;
        return out;
    }
    if (value.is_string() && value.text() == "none")
        return out;
    if (!value.is_array() || value.size() > 10'000)
        return invalid(
            "manifest: reference_keys must be \"none\", \"any\", or a list of {address, policy_digest}");
    out.mode = ReferenceKeys::Mode::Listed;
    for (const auto entry : value) {
        REDOUBT_CHECK(members(entry, {"address", "policy_digest", "raw_signing"}));
        const auto address = entry.get("address");
        const auto digest = entry.get("policy_digest");
        ByteArray<20> address_bytes;
        Hash32 digest_bytes;
        if (!address || !address->is_string() || !address->text().starts_with("0x") ||
            !from_hex_exact(address->text().substr(2), address_bytes) || !digest || !digest->is_string() ||
            !from_hex_exact(digest->text(), digest_bytes))
            return invalid(
                "manifest: reference_keys[] needs an address (0x and 40 hex digits) and a policy_digest "
                "(64 hex digits)");
        const auto raw = entry.get("raw_signing");
        if (raw && !raw->is_bool())
            return invalid("manifest: reference_keys[].raw_signing must be true or false");
        if (!out.by_address.emplace(address_bytes, ReferenceKeys::Entry{digest_bytes, raw && raw->boolean()})
                 .second)
            return invalid("manifest: reference_keys names an address twice");
    }
    return out;
}

Status limit(const json::Value& object, std::string_view name, std::uint32_t lowest, std::uint32_t highest,
             std::uint32_t& out) {
    const auto value = object.get(name);
    if (!value)
        return {};
    const auto number = value->u64();
    if (!number || *number < lowest || *number > highest)
        return invalid("manifest: a value of limits is out of its range");
    out = static_cast<std::uint32_t>(*number);
    return {};
}

Result<Limits> limits(const json::Value& object) {
    Limits out;
    REDOUBT_CHECK(members(object, {"deletion_wait_seconds", "vault_lease_seconds", "key_cache_entries",
                                   "key_cache_seconds", "max_transaction_gas"}));
    REDOUBT_CHECK(limit(object, "deletion_wait_seconds", 0, 31'536'000, out.deletion_wait_seconds));
    REDOUBT_CHECK(limit(object, "max_transaction_gas", 0, UINT32_MAX, out.max_transaction_gas));
    REDOUBT_CHECK(limit(object, "vault_lease_seconds", 10, 86'400, out.vault_lease_seconds));
    REDOUBT_CHECK(limit(object, "key_cache_entries", 1, 10'000'000, out.key_cache_entries));
    REDOUBT_CHECK(limit(object, "key_cache_seconds", 1, 86'400, out.key_cache_seconds));
    return out;
}

Result<std::vector<std::string>> authorities(const json::Value& list) {
    std::vector<std::string> out;
    if (!list.is_array() || list.size() > 64)
        return invalid("manifest: authorities must be a list of at most 64 names");
    for (const auto entry : list) {
        if (!entry.is_string() || entry.text().empty() || entry.text().size() > 255)
            return invalid("manifest: authorities[] must be host or host:port");
        out.emplace_back(entry.text());
    }
    return out;
}

Result<bool> boolean(const json::Value& value) {
    if (!value.is_bool())
        return invalid("manifest: require_policy and verify_before_release are true or false");
    return value.boolean();
}

} // namespace

crypto::Hash48 Manifest::digest() const noexcept {
    return crypto::sha384(as_bytes(canonical));
}

const ManifestKmsKey* Manifest::find_kms_key(std::string_view arn) const noexcept {
    const auto found =
        std::find_if(kms_keys.begin(), kms_keys.end(), [&](const auto& key) { return key.arn == arn; });
    return found == kms_keys.end() ? nullptr : &*found;
}

const ManifestOwner* Manifest::find_principal(std::string_view id) const noexcept {
    const auto found = std::ranges::find(principals, id, &ManifestOwner::id);
    return found == principals.end() ? nullptr : &*found;
}

Result<Manifest> parse_manifest(std::string_view text) {
    json::Document document;
    const auto parsed = document.parse(text, {.bytes = kMaxManifest, .depth = 8, .values = 1 << 16});
    if (!parsed)
        return invalid("the manifest is not strict JSON of at most 256 KiB");
    const json::Value& root = *parsed;
    REDOUBT_CHECK(members(root, {"redoubt_manifest", "kms_keys", "owners", "principals", "min_epoch",
                                 "vault_commitments", "reference_keys", "require_policy",
                                 "verify_before_release", "limits", "authorities"}));
    const auto version = root.get("redoubt_manifest");
    if (!version || version->u64() != 1)
        return invalid("manifest: redoubt_manifest must be 1");
    Manifest out;
    const auto keys = root.get("kms_keys");
    if (!keys)
        return invalid("manifest: kms_keys is missing");
    REDOUBT_TRY(out.kms_keys, kms_keys(*keys));
    if (const auto value = root.get("owners")) {
        REDOUBT_TRY(out.owners, people(*value, 16));
    }
    if (const auto value = root.get("principals")) {
        REDOUBT_TRY(out.principals, people(*value, 64));
    }
    if (const auto value = root.get("min_epoch")) {
        const auto number = value->u64();
        if (!number || *number > 9007199254740991u)
            return invalid("manifest: min_epoch must be an integer from 0 to 2^53 - 1");
        out.min_epoch = *number;
    }
    if (const auto value = root.get("vault_commitments")) {
        REDOUBT_TRY(out.vault_commitments, commitments(*value));
    }
    if (const auto value = root.get("reference_keys")) {
        REDOUBT_TRY(out.reference_keys, reference_keys(*value));
    }
    if (const auto value = root.get("require_policy")) {
        REDOUBT_TRY(out.require_policy, boolean(*value));
    }
    if (const auto value = root.get("verify_before_release")) {
        REDOUBT_TRY(out.verify_before_release, boolean(*value));
    }
    if (const auto value = root.get("limits")) {
        REDOUBT_TRY(out.limits, limits(*value));
    }
    if (const auto value = root.get("authorities")) {
        REDOUBT_TRY(out.authorities, authorities(*value));
    }
    if (out.require_policy && out.reference_keys.mode == ReferenceKeys::Mode::Any)
        return invalid(
            "manifest: reference_keys \"any\" cannot stand with require_policy; list the addresses");
    auto canonical = json::canonical(root);
    if (!canonical)
        return invalid("manifest: numbers must be integers from 0 to 2^53 - 1");
    out.canonical = std::move(*canonical);
    return out;
}

} // namespace redoubt::trust
