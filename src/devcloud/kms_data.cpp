// SPDX-License-Identifier: Apache-2.0
// Encrypt, Decrypt, GenerateDataKey. Limits: the KMS service model.
#include "devcloud/kms_operations.h"

namespace redoubt::devcloud {

namespace {

constexpr Size kKeyIdSize = {1, 2048};
constexpr std::size_t kMaxContextBytes = 8192; // AWS KMS developer guide, "Quotas"

Reply<EncryptionContext> read_context(KmsCall& kms) {
    REDOUBT_TRY(auto context, kms.input.string_map("EncryptionContext"));
    std::size_t bytes = 0;
    for (const auto& [name, value] : context)
        bytes += name.size() + value.size();
    if (bytes > kMaxContextBytes)
        return refuse_input("The encryption context is longer than 8192 characters.");
    kms.event.encryption_context = context;
    return context;
}

// Grants come with a later stage: no token can be valid.
Reply<void> check_common(KmsCall& kms) {
    REDOUBT_TRY(const auto tokens, kms.input.strings("GrantTokens", {0, 10}));
    if (!tokens.empty())
        return refuse("InvalidGrantTokenException", "The grant token is not valid.");
    REDOUBT_TRY(const auto algorithm, kms.input.string("EncryptionAlgorithm", {1, 64}));
    if (!algorithm || *algorithm == "SYMMETRIC_DEFAULT")
        return {};
    if (*algorithm == "RSAES_OAEP_SHA_1" || *algorithm == "RSAES_OAEP_SHA_256" || *algorithm == "SM2PKE")
        return refuse("InvalidKeyUsageException",
                      "The algorithm " + *algorithm + " is incompatible with key spec SYMMETRIC_DEFAULT.");
    return refuse_value(*algorithm, "EncryptionAlgorithm",
                        "Member must satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, "
                        "RSAES_OAEP_SHA_256, SM2PKE]");
}

// After every other check, before anything happens.
Reply<void> check_dry_run(const KmsCall& kms) {
    REDOUBT_TRY(const bool dry_run, kms.input.boolean("DryRun"));
    if (dry_run)
        return refuse("DryRunOperationException",
                      "The request would have succeeded, but the DryRun option is set.");
    return {};
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

// "Plaintext" without a recipient, "CiphertextForRecipient" with one: never both.
Reply<void> write_plaintext(const KmsCall& kms, json::Writer& writer,
                            const std::optional<Recipient>& recipient, const Secret& plaintext) {
    if (recipient) {
        REDOUBT_TRY(const auto blob, encrypt_for_recipient(kms.cloud, *recipient, plaintext));
        writer.member("CiphertextForRecipient", to_base64(blob));
    } else {
        auto text = to_base64(plaintext.view(SecretAccess("answer a KMS call without a recipient")));
        writer.member("Plaintext", text);
        wipe(text);
    }
    return {};
}

std::unexpected<ServiceError> foreign_ciphertext() {
    ServiceError error;
    error.type = "AccessDeniedException";
    error.message = "The ciphertext refers to a customer master key that does not exist, does not exist in "
                    "this region, or you are not allowed to access.";
    error.capital_message = true;
    error.detail = "the ciphertext names a key that this devcloud does not have";
    return std::unexpected(std::move(error));
}

} // namespace

Reply<std::string> encrypt(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto plaintext, kms.input.required_blob("Plaintext", {1, 4096}));
    REDOUBT_TRY(const auto context, read_context(kms));
    REDOUBT_CHECK(check_common(kms));
    REDOUBT_TRY(const auto key, find_key(kms, key_id));
    REDOUBT_CHECK(authorise(kms, key, context, std::nullopt));
    REDOUBT_CHECK(check_enabled(key));
    REDOUBT_CHECK(check_dry_run(kms));
    REDOUBT_TRY(const auto material, material_of(kms, key.id, key.material_id));
    const auto blob = seal_ciphertext(material, {key.id, key.material_id}, context,
                                      plaintext.view(SecretAccess("encrypt under a development KMS key")),
                                      kms.cloud.random);

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
    REDOUBT_TRY(const auto blob_member, kms.input.required_blob("CiphertextBlob", {1, 6144}));
    const auto blob = blob_member.view(SecretAccess("read a ciphertext"));
    REDOUBT_TRY(const auto wanted_key, kms.input.string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto context, read_context(kms));
    REDOUBT_CHECK(check_common(kms));
    REDOUBT_TRY(const auto recipient, read_logged_recipient(kms));

    const auto names = read_ciphertext_names(blob);
    if (!names)
        return refuse("InvalidCiphertextException", "");
    if (wanted_key) {
        REDOUBT_TRY(const auto wanted, find_key(kms, *wanted_key));
        if (wanted.id != names->key_id)
            return refuse(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation.");
    }
    REDOUBT_TRY(const auto found, or_internal(kms.cloud.state.keys.find(names->key_id)));
    if (!found)
        return foreign_ciphertext();
    const auto& key = *found;
    kms.event.key_arn = key.arn;
    REDOUBT_CHECK(authorise(kms, key, context, recipient));
    REDOUBT_CHECK(check_enabled(key));
    REDOUBT_TRY(const auto material, material_of(kms, key.id, names->material_id));
    const auto plaintext = open_ciphertext(material, blob, context);
    if (!plaintext)
        return refuse("InvalidCiphertextException", "");
    REDOUBT_CHECK(check_dry_run(kms));

    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("KeyId", key.arn);
    REDOUBT_CHECK(write_plaintext(kms, writer, recipient, *plaintext));
    writer.member("EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
        .member("KeyMaterialId", names->material_id)
        .end_object();
    return body;
}

Reply<std::string> generate_data_key(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto spec, kms.input.string("KeySpec", {1, 64}));
    REDOUBT_TRY(const auto number, kms.input.integer("NumberOfBytes", 1, 1024));
    if (spec && *spec != "AES_256" && *spec != "AES_128")
        return refuse_value(*spec, "KeySpec", "Member must satisfy enum value set: [AES_256, AES_128]");
    if (spec.has_value() == number.has_value())
        return refuse_input("Please specify either number of bytes or key spec.");
    const std::size_t size = number ? *number : *spec == "AES_256" ? 32 : 16;
    REDOUBT_TRY(const auto context, read_context(kms));
    REDOUBT_CHECK(check_common(kms));
    REDOUBT_TRY(const auto recipient, read_logged_recipient(kms));
    REDOUBT_TRY(const auto key, find_key(kms, key_id));
    REDOUBT_CHECK(authorise(kms, key, context, recipient));
    REDOUBT_CHECK(check_enabled(key));
    REDOUBT_CHECK(check_dry_run(kms));

    const auto plaintext = kms.cloud.random.secret(size);
    REDOUBT_TRY(const auto material, material_of(kms, key.id, key.material_id));
    const auto blob =
        seal_ciphertext(material, {key.id, key.material_id}, context,
                        plaintext.view(SecretAccess("wrap a fresh data key")), kms.cloud.random);
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("CiphertextBlob", to_base64(blob));
    REDOUBT_CHECK(write_plaintext(kms, writer, recipient, plaintext));
    writer.member("KeyId", key.arn).member("KeyMaterialId", key.material_id).end_object();
    return body;
}

} // namespace redoubt::devcloud
