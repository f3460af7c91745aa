// SPDX-License-Identifier: Apache-2.0
// Encrypt, Decrypt, ReEncrypt, GenerateRandom. Limits: the KMS service model.
#include "devcloud/kms_operations.h"

namespace redoubt::devcloud {

namespace {

constexpr Size kCiphertextSize = {1, 6144};

std::unexpected<ServiceError> foreign_ciphertext() {
    ServiceError error;
    error.type = "AccessDeniedException";
    error.message = "The ciphertext refers to a customer master key that does not exist, does not exist in "
                    "this region, or you are not allowed to access.";
    error.capital_message = true;
    error.detail = "the ciphertext names a key that this devcloud does not have in this region";
    return std::unexpected(std::move(error));
}

// DryRunModifiers: IGNORE_CIPHERTEXT asks about the permission alone.
Reply<bool> ignores_ciphertext(const KmsCall& kms) {
    REDOUBT_TRY(const auto modifiers, kms.input.strings("DryRunModifiers", {0, 1}));
    REDOUBT_TRY(const bool dry_run, kms.input.boolean("DryRun"));
    for (const auto& modifier : modifiers)
        if (modifier != "IGNORE_CIPHERTEXT")
            return refuse_value(modifier, "DryRunModifiers",
                                "Member must satisfy enum value set: [IGNORE_CIPHERTEXT]");
    if (!modifiers.empty() && !dry_run)
        return refuse_input("DryRunModifiers can be used with DryRun only.");
    return !modifiers.empty();
}

// Which member of Decrypt or ReEncrypt says what.
struct SourceNames {
    std::string_view key_id, context, algorithm;
    std::string action;
};

struct Source {
    KeyRecord key;
    std::string material_id;
    std::optional<Secret> plaintext; // nullopt: a dry run that ignores the ciphertext
};

// Finds, authorises and opens a ciphertext.
Reply<Source> open_source(KmsCall& kms, const SourceNames& names, const Recipient* recipient) {
    REDOUBT_TRY(const bool ignore, ignores_ciphertext(kms));
    REDOUBT_TRY(const auto blob_member, kms.input.blob("CiphertextBlob", kCiphertextSize));
    if (!blob_member && !ignore)
        return refuse_value("null", "CiphertextBlob", "Member must not be null");
    REDOUBT_TRY(const auto wanted_key, kms.input.string(names.key_id, kKeyIdSize));
    REDOUBT_TRY(const auto context, read_context(kms, names.context));
    REDOUBT_CHECK(check_algorithm(kms, names.algorithm));

    Source source;
    std::optional<CiphertextNames> inside;
    if (ignore) {
        if (!wanted_key)
            return refuse_input("A dry run that ignores the ciphertext needs a " + std::string(names.key_id) +
                                ".");
        REDOUBT_TRY(source.key, find_key(kms, *wanted_key, Named::KeyOrAlias));
    } else {
        inside = read_ciphertext_names(blob_member->view(SecretAccess("read a ciphertext")));
        if (!inside)
            return refuse("InvalidCiphertextException", "");
        if (wanted_key) {
            REDOUBT_TRY(const auto wanted, find_key(kms, *wanted_key, Named::KeyOrAlias));
            if (wanted.id != inside->key_id)
                return refuse(
                    "IncorrectKeyException",
                    "The key ID in the request does not identify a CMK that can perform this operation.");
        }
        REDOUBT_TRY(auto found, or_internal(kms.cloud.state.keys.find(inside->key_id)));
        if (!found || found->region != kms.call.region)
            return foreign_ciphertext();
        source.key = std::move(*found);
    }
    kms.event.key_arn = source.key.arn;
    KeyQuestion question;
    question.action = names.action;
    question.context = &context;
    question.recipient = recipient;
    question.other_accounts = question.grantable = true;
    question.values.add("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    REDOUBT_CHECK(authorise(kms, source.key, std::move(question)));
    REDOUBT_CHECK(check_usable(source.key));
    if (ignore) {
        source.material_id = source.key.material_id;
        return source;
    }
    source.material_id = inside->material_id;
    REDOUBT_TRY(const auto material, material_of(kms, source.key.id, source.material_id));
    source.plaintext =
        open_ciphertext(material, blob_member->view(SecretAccess("read a ciphertext")), context);
    if (!source.plaintext)
        return refuse("InvalidCiphertextException", "");
    return source;
}

} // namespace

Reply<std::string> encrypt(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto plaintext, kms.input.required_blob("Plaintext", {1, 4096}));
    REDOUBT_TRY(const auto context, read_context(kms));
    REDOUBT_CHECK(check_algorithm(kms, "EncryptionAlgorithm"));
    REDOUBT_TRY(const auto key, find_key(kms, key_id, Named::KeyOrAlias));
    KeyQuestion question;
    question.context = &context;
    question.other_accounts = question.grantable = true;
    question.values.add("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    REDOUBT_CHECK(check_usable(key));
    REDOUBT_CHECK(check_dry_run(kms));
    REDOUBT_TRY(const auto blob, seal_under(kms, key, context, plaintext));

    std::string body;
    json::Writer(body)
        .begin_object()
        .member("CiphertextBlob", to_base64(blob))
        .member("KeyId", key.arn)
        .member("EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
        .end_object();
    return body;
}

Reply<std::string> decrypt(KmsCall& kms) {
    REDOUBT_TRY(const auto recipient, read_logged_recipient(kms));
    REDOUBT_TRY(const auto source,
                open_source(kms, {"KeyId", "EncryptionContext", "EncryptionAlgorithm", "kms:Decrypt"},
                            recipient ? &*recipient : nullptr));
    REDOUBT_CHECK(check_dry_run(kms));

    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("KeyId", source.key.arn);
    REDOUBT_CHECK(write_plaintext(kms, writer, "Plaintext", recipient, *source.plaintext));
    writer.member("EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
        .member("KeyMaterialId", source.material_id)
        .end_object();
    return body;
}

Reply<std::string> re_encrypt(KmsCall& kms) {
    REDOUBT_TRY(const auto destination_id, kms.input.required_string("DestinationKeyId", kKeyIdSize));
    REDOUBT_CHECK(check_algorithm(kms, "DestinationEncryptionAlgorithm"));
    REDOUBT_TRY(const auto destination, find_key(kms, destination_id, Named::KeyOrAlias));
    REDOUBT_TRY(const auto source, open_source(kms,
                                               {"SourceKeyId", "SourceEncryptionContext",
                                                "SourceEncryptionAlgorithm", "kms:ReEncryptFrom"},
                                               nullptr));
    REDOUBT_TRY(const auto context, read_context(kms, "DestinationEncryptionContext"));
    KeyQuestion question;
    question.action = "kms:ReEncryptTo";
    question.context = &context;
    question.other_accounts = question.grantable = true;
    question.values.add("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    question.values.add("kms:ReEncryptOnSameKey", source.key.id == destination.id ? "true" : "false");
    REDOUBT_CHECK(authorise(kms, destination, std::move(question)));
    REDOUBT_CHECK(check_usable(destination));
    REDOUBT_CHECK(check_dry_run(kms));
    REDOUBT_TRY(const auto blob, seal_under(kms, destination, context, *source.plaintext));

    std::string body;
    json::Writer(body)
        .begin_object()
        .member("CiphertextBlob", to_base64(blob))
        .member("SourceKeyId", source.key.arn)
        .member("KeyId", destination.arn)
        .member("SourceEncryptionAlgorithm", "SYMMETRIC_DEFAULT")
        .member("DestinationEncryptionAlgorithm", "SYMMETRIC_DEFAULT")
        .member("SourceKeyMaterialId", source.material_id)
        .member("DestinationKeyMaterialId", destination.material_id)
        .end_object();
    return body;
}

Reply<std::string> generate_random(KmsCall& kms) {
    REDOUBT_TRY(const auto number, kms.input.integer("NumberOfBytes", 1, 1024));
    REDOUBT_TRY(const auto store, kms.input.string("CustomKeyStoreId", {1, 64}));
    REDOUBT_TRY(const auto recipient, read_logged_recipient(kms));
    ConditionValues values;
    if (recipient)
        add_attestation_values(*recipient, values);
    REDOUBT_CHECK(authorise_by_iam(kms, "", "*", std::move(values)));
    if (store)
        return refuse("CustomKeyStoreNotFoundException",
                      "The custom key store " + *store + " does not exist.");
    if (!number)
        return refuse_value("null", "NumberOfBytes", "Member must not be null");
    const auto plaintext = kms.cloud.random.secret(*number);
    std::string body;
    json::Writer writer(body);
    writer.begin_object();
    REDOUBT_CHECK(write_plaintext(kms, writer, "Plaintext", recipient, plaintext));
    writer.end_object();
    return body;
}

} // namespace redoubt::devcloud
