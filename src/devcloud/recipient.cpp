// SPDX-License-Identifier: Apache-2.0
#include "devcloud/recipient.h"

#include "crypto/cms.h"

namespace redoubt::devcloud {

namespace {

constexpr std::string_view kAlgorithm = "RSAES_OAEP_SHA_256";

} // namespace

Reply<std::optional<Recipient>> read_recipient(const Cloud& cloud, const Input& input, UnixMs now) {
    REDOUBT_TRY(const auto parameter, input.object("Recipient"));
    if (!parameter)
        return std::nullopt;
    REDOUBT_TRY(const auto algorithm, parameter->required_string("KeyEncryptionAlgorithm", {1, 64}));
    if (algorithm != kAlgorithm)
        return refuse_value(algorithm, "recipient.keyEncryptionAlgorithm",
                            "Member must satisfy enum value set: [RSAES_OAEP_SHA_256]");
    // Limit: KMS service model, AttestationDocumentType.
    REDOUBT_TRY(const auto document, parameter->required_blob("AttestationDocument", {1, 262'144}));

    auto attestation = nitro::verify_attestation(document.view(SecretAccess("verify a public document")),
                                                 cloud.settings.attestation_root_der, now);
    if (!attestation)
        return refuse_input("The attestation document is not valid: " +
                            std::string(attestation.error().text.view()));
    if (!attestation->public_key || attestation->public_key->empty())
        return refuse_input("The attestation document has no public key.");
    Recipient recipient;
    recipient.public_key = *attestation->public_key;
    recipient.attestation = std::move(*attestation);
    return recipient;
}

std::string recipient_pcr(const Recipient& recipient, std::uint16_t index) {
    const auto& pcrs = recipient.attestation.pcrs;
    const auto found = pcrs.find(index);
    if (recipient.attestation.debug())
        return found == pcrs.end() && index > 2 ? std::string() : std::string(96, '0');
    return found == pcrs.end() ? std::string() : to_hex(found->second);
}

void add_attestation_values(const Recipient& recipient, ConditionValues& values) {
    for (std::uint16_t index = 0; index < nitro::kPcrCount; ++index) {
        auto value = recipient_pcr(recipient, index);
        if (value.empty())
            continue;
        if (index == 0)
            values.add("kms:RecipientAttestation:ImageSha384", value);
        values.add("kms:RecipientAttestation:PCR" + std::to_string(index), std::move(value));
    }
}

Reply<Bytes> encrypt_for_recipient(const Cloud& cloud, const Recipient& recipient, const Secret& plaintext) {
    auto blob = crypto::make_enveloped_data(
        recipient.public_key, plaintext.view(SecretAccess("encrypt to an attested key")), cloud.random);
    if (!blob)
        return refuse_input("The attestation document's public key cannot be used: " +
                            std::string(blob.error().text.view()));
    return std::move(*blob);
}

} // namespace redoubt::devcloud
