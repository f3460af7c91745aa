// SPDX-License-Identifier: Apache-2.0
// GenerateDataKey and GenerateDataKeyWithoutPlaintext.
#include "devcloud/kms_operations.h"

namespace redoubt::devcloud {

namespace {

struct DataKey {
    KeyRecord key;
    Secret plaintext;
    Bytes blob;
};

Reply<DataKey> make_data_key(KmsCall& kms, const Recipient* recipient) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto spec, kms.input.string("KeySpec", {1, 64}));
    REDOUBT_TRY(const auto number, kms.input.integer("NumberOfBytes", 1, 1024));
    if (spec && *spec != "AES_256" && *spec != "AES_128")
        return refuse_value(*spec, "KeySpec", "Member must satisfy enum value set: [AES_256, AES_128]");
    if (spec.has_value() == number.has_value())
        return refuse_input("Please specify either number of bytes or key spec.");
    const std::size_t size = number ? *number : *spec == "AES_256" ? 32 : 16;
    REDOUBT_TRY(const auto context, read_context(kms));
    DataKey made;
    REDOUBT_TRY(made.key, find_key(kms, key_id, Named::KeyOrAlias));
    KeyQuestion question;
    question.context = &context;
    question.recipient = recipient;
    question.other_accounts = question.grantable = true;
    question.values.add("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    REDOUBT_CHECK(authorise(kms, made.key, std::move(question)));
    REDOUBT_CHECK(check_usable(made.key));
    REDOUBT_CHECK(check_dry_run(kms));
    made.plaintext = kms.cloud.random.secret(size);
    REDOUBT_TRY(made.blob, seal_under(kms, made.key, context, made.plaintext));
    return made;
}

} // namespace

Reply<std::string> generate_data_key(KmsCall& kms) {
    REDOUBT_TRY(const auto recipient, read_logged_recipient(kms));
    REDOUBT_TRY(const auto made, make_data_key(kms, recipient ? &*recipient : nullptr));
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("CiphertextBlob", to_base64(made.blob));
    REDOUBT_CHECK(write_plaintext(kms, writer, "Plaintext", recipient, made.plaintext));
    writer.member("KeyId", made.key.arn).member("KeyMaterialId", made.key.material_id).end_object();
    return body;
}

Reply<std::string> generate_data_key_without_plaintext(KmsCall& kms) {
    REDOUBT_TRY(const auto made, make_data_key(kms, nullptr));
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("CiphertextBlob", to_base64(made.blob))
        .member("KeyId", made.key.arn)
        .member("KeyMaterialId", made.key.material_id)
        .end_object();
    return body;
}

} // namespace redoubt::devcloud
