// SPDX-License-Identifier: Apache-2.0
// What KMS's operations share: finding keys, their states, contexts, pages.
#include "devcloud/kms_operations.h"

#include <charconv>

namespace redoubt::devcloud {

namespace {

constexpr std::size_t kMaxContextBytes = 8192; // AWS KMS developer guide, "Quotas"

// "arn:aws:kms:REGION:ACCOUNT:REST".
struct Place {
    std::string region, account, rest;
};
std::optional<Place> split_arn(std::string_view arn) {
    constexpr std::string_view kPrefix = "arn:aws:kms:";
    if (!arn.starts_with(kPrefix))
        return std::nullopt;
    arn.remove_prefix(kPrefix.size());
    const auto first = arn.find(':');
    const auto second = first == std::string_view::npos ? first : arn.find(':', first + 1);
    if (second == std::string_view::npos)
        return std::nullopt;
    return Place{std::string(arn.substr(0, first)), std::string(arn.substr(first + 1, second - first - 1)),
                 std::string(arn.substr(second + 1))};
}

} // namespace

Reply<KeyRecord> find_key(KmsCall& kms, std::string_view key_id, Named named) {
    Place place{kms.call.region, kms.call.principal.account, std::string(key_id)};
    const bool arn = key_id.starts_with("arn:");
    const auto invalid = [&] {
        return refuse("NotFoundException", "Invalid keyId '" + std::string(key_id) + "'");
    };
    if (arn) {
        auto split = split_arn(key_id);
        if (!split)
            return invalid();
        place = std::move(*split);
        if (place.region != kms.call.region)
            return refuse("NotFoundException", "Invalid arn " + place.region);
    }
    const std::string prefix = "arn:aws:kms:" + place.region + ":" + place.account + ":";
    if (place.rest.starts_with("alias/")) {
        if (named == Named::KeyOnly)
            return invalid();
        REDOUBT_TRY(const auto alias,
                    or_internal(kms.cloud.state.aliases.find(place.account, place.region, place.rest)));
        if (!alias)
            return refuse("NotFoundException", "Alias " + prefix + place.rest + " is not found.");
        place.rest = alias->key_id;
    } else if (arn) {
        if (!place.rest.starts_with("key/"))
            return invalid();
        place.rest.erase(0, 4);
    }
    REDOUBT_TRY(auto found, or_internal(kms.cloud.state.keys.find(place.rest)));
    if (!found || found->account != place.account || found->region != place.region)
        return refuse("NotFoundException", "Key '" + prefix + "key/" + place.rest + "' does not exist");
    kms.event.key_arn = found->arn;
    return std::move(*found);
}

Reply<KeyRecord> authorised_key(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(auto key, find_key(kms, key_id, Named::KeyOnly));
    REDOUBT_CHECK(authorise(kms, key));
    return key;
}

Reply<void> check_not_pending(const KeyRecord& key) {
    if (key.pending_deletion())
        return refuse("KMSInvalidStateException", key.arn + " is pending deletion.");
    return {};
}

Reply<void> check_usable(const KeyRecord& key) {
    REDOUBT_CHECK(check_not_pending(key));
    if (!key.enabled)
        return refuse("DisabledException", key.arn + " is disabled.");
    return {};
}

Reply<void> check_dry_run(const KmsCall& kms) {
    REDOUBT_TRY(const bool dry_run, kms.input.boolean("DryRun"));
    if (dry_run)
        return refuse("DryRunOperationException",
                      "The request would have succeeded, but the DryRun option is set.");
    return {};
}

Reply<EncryptionContext> read_context(KmsCall& kms, std::string_view member) {
    REDOUBT_TRY(auto context, kms.input.string_map(member));
    std::size_t bytes = 0;
    for (const auto& [name, value] : context)
        bytes += name.size() + value.size();
    if (bytes > kMaxContextBytes)
        return refuse_input("The encryption context is longer than 8192 characters.");
    kms.event.encryption_context = context;
    return context;
}

Reply<void> check_algorithm(const KmsCall& kms, std::string_view member) {
    REDOUBT_TRY(const auto algorithm, kms.input.string(member, {1, 64}));
    if (!algorithm || *algorithm == "SYMMETRIC_DEFAULT")
        return {};
    if (*algorithm == "RSAES_OAEP_SHA_1" || *algorithm == "RSAES_OAEP_SHA_256" || *algorithm == "SM2PKE")
        return refuse("InvalidKeyUsageException",
                      "The algorithm " + *algorithm + " is incompatible with key spec SYMMETRIC_DEFAULT.");
    return refuse_value(*algorithm, member,
                        "Member must satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, "
                        "RSAES_OAEP_SHA_256, SM2PKE]");
}

Reply<std::optional<Recipient>> read_logged_recipient(KmsCall& kms) {
    REDOUBT_TRY(auto recipient, read_recipient(kms.cloud, kms.input, kms.call.now));
    if (recipient) {
        kms.event.module_id = recipient->attestation.module_id;
        kms.event.pcr0 = recipient_pcr(*recipient, 0);
        kms.event.pcr16 = recipient_pcr(*recipient, 16);
    }
    return recipient;
}

Reply<Secret> material_of(const KmsCall& kms, const std::string& key_id, const std::string& material_id) {
    REDOUBT_TRY(auto material, or_internal(kms.cloud.state.keys.material(key_id, material_id)));
    if (!material)
        return refuse("InvalidCiphertextException", "");
    return std::move(*material);
}

Reply<Bytes> seal_under(const KmsCall& kms, const KeyRecord& key, const EncryptionContext& context,
                        const Secret& plaintext) {
    REDOUBT_TRY(const auto material, material_of(kms, key.id, key.material_id));
    return seal_ciphertext(material, {key.id, key.material_id}, context,
                           plaintext.view(SecretAccess("encrypt under a development KMS key")),
                           kms.cloud.random);
}

Reply<void> write_plaintext(const KmsCall& kms, json::Writer& writer, std::string_view member,
                            const std::optional<Recipient>& recipient, const Secret& plaintext) {
    if (recipient) {
        REDOUBT_TRY(const auto blob, encrypt_for_recipient(kms.cloud, *recipient, plaintext));
        writer.member("CiphertextForRecipient", to_base64(blob));
    } else {
        auto text = to_base64(plaintext.view(SecretAccess("answer a KMS call without a recipient")));
        writer.member(member, text);
        wipe(text);
    }
    return {};
}

Reply<Page> read_page(const KmsCall& kms, std::size_t usual) {
    REDOUBT_TRY(const auto limit, kms.input.integer("Limit", 1, 1000));
    REDOUBT_TRY(const auto marker, kms.input.string("Marker", {1, 1024}));
    Page page{0, limit.value_or(usual)};
    if (marker) {
        const auto* end = marker->data() + marker->size();
        const auto [rest, error] = std::from_chars(marker->data(), end, page.after);
        if (error != std::errc{} || rest != end || page.after < 0)
            return refuse("InvalidMarkerException", "Could not deserialize marker");
    }
    return page;
}

} // namespace redoubt::devcloud
