// SPDX-License-Identifier: Apache-2.0
#include "trust/key_policy.h"

#include "base/json.h"

namespace redoubt::trust {

namespace {

constexpr std::string_view kImageKey = "kms:RecipientAttestation:ImageSha384"; // PCR0
constexpr std::string_view kManifestKey = "kms:RecipientAttestation:PCR16";

void strings(json::Writer& writer, std::string_view name, std::initializer_list<std::string_view> values) {
    writer.key(name).begin_array();
    for (const auto value : values)
        writer.string(value);
    writer.end_array();
}

void begin_statement(json::Writer& writer, std::string_view sid, std::string_view effect,
                     std::string_view principal) {
    writer.begin_object().member("Sid", sid).member("Effect", effect);
    if (principal == "*")
        writer.member("Principal", "*");
    else
        writer.key("Principal").begin_object().member("AWS", principal).end_object();
}

// Denies the attested operations wherever `key` is none of the pinned values; a request without an
// attestation has no such key at all, and a negated operator matches then too.
void deny_unless_pinned(json::Writer& writer, std::string_view sid, std::string_view key,
                        const std::vector<MeasurementPair>& pairs, crypto::Hash48 MeasurementPair::*value) {
    begin_statement(writer, sid, "Deny", "*");
    strings(writer, "Action",
            {"kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateRandom", "kms:DeriveSharedSecret"});
    writer.member("Resource", "*")
        .key("Condition")
        .begin_object()
        .key("StringNotEqualsIgnoreCase")
        .begin_object();
    writer.key(key).begin_array();
    for (const auto& pair : pairs)
        writer.string(to_hex(pair.*value));
    writer.end_array().end_object().end_object().end_object();
}

} // namespace

std::string render_key_policy(const KeyPolicyInput& input) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("Version", "2012-10-17").key("Statement").begin_array();

    begin_statement(writer, "AdministerWithoutUse", "Allow", input.administrator);
    strings(writer, "Action",
            {"kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:ListKeyPolicies",
             "kms:GetKeyRotationStatus", "kms:EnableKeyRotation", "kms:UpdateKeyDescription",
             "kms:TagResource", "kms:UntagResource", "kms:ListResourceTags", "kms:EnableKey",
             "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"});
    writer.member("Resource", "*").end_object();

    if (input.purpose == KmsPurpose::Reference) {
        // set_key of the AWS sample: whoever administers stores a key's ciphertext.
        begin_statement(writer, "EncryptReferenceKeys", "Allow", input.administrator);
        strings(writer, "Action", {"kms:Encrypt"});
        writer.member("Resource", "*").end_object();
    }

    for (std::size_t i = 0; i < input.pairs.size(); ++i) {
        begin_statement(writer, "UseByMeasuredEnclave" + std::to_string(i + 1), "Allow", input.user);
        strings(writer, "Action", {"kms:Decrypt", "kms:GenerateDataKey"});
        writer.member("Resource", "*")
            .key("Condition")
            .begin_object()
            .key("StringEqualsIgnoreCase")
            .begin_object()
            .member(kImageKey, to_hex(input.pairs[i].pcr0))
            .member(kManifestKey, to_hex(input.pairs[i].pcr16))
            .end_object()
            .end_object()
            .end_object();
    }

    deny_unless_pinned(writer, "DenyOtherImages", kImageKey, input.pairs, &MeasurementPair::pcr0);
    deny_unless_pinned(writer, "DenyOtherManifests", kManifestKey, input.pairs, &MeasurementPair::pcr16);

    // Nobody can plant a data key whose plaintext he knows, or hand the key's use on.
    begin_statement(writer, "DenyPlantingAndGrants", "Deny", "*");
    if (input.purpose == KmsPurpose::Vault)
        strings(writer, "Action",
                {"kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKeyWithoutPlaintext",
                 "kms:GenerateDataKeyPair*", "kms:CreateGrant"});
    else
        strings(writer, "Action",
                {"kms:ReEncrypt*", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyPair*",
                 "kms:CreateGrant"});
    writer.member("Resource", "*").end_object();

    writer.end_array().end_object();
    return out;
}

} // namespace redoubt::trust
