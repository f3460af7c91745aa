// SPDX-License-Identifier: Apache-2.0
// The KMS client's calls for keys named as KMS's callers name them, and GenerateRandom. AWS KMS API
// Reference.
#include "aws/kms_parts.h"
#include "base/json.h"

#include <array>

namespace redoubt::aws {

namespace {

constexpr std::size_t kMaxRandom = 1024; // GenerateRandom: NumberOfBytes

// The region becomes a part of the host's name, so it is checked even where the caller has.
Status check_region(const std::string& region, const KmsKeyName* key) {
    if (!is_region(region))
        return fail(Code::KmsRefused, "that is not the name of an AWS region");
    if (key != nullptr && !key->region.empty() &&
        (key->region != region || key->partition != partition_of_region(region)))
        return fail(Code::KmsRefused, "the KMS key's ARN is of another region than the one that is asked");
    return {};
}

} // namespace

std::string_view kms_algorithm_name(KmsAlgorithm algorithm) noexcept {
    constexpr std::array<std::string_view, 3> kNames{"SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1",
                                                     "RSAES_OAEP_SHA_256"};
    return kNames[static_cast<std::size_t>(algorithm)];
}

Result<Secret> KmsClient::decrypt(const KmsDecryption& asked, const Credentials& credentials) {
    const KmsKeyName* const key = asked.key ? &*asked.key : nullptr;
    REDOUBT_CHECK(check_region(asked.region, key));
    if (asked.ciphertext_blob.empty() || asked.ciphertext_blob.size() > kMaxCiphertextBlob)
        return fail(Code::KmsRefused, "a KMS ciphertext has 1 to 6144 bytes");
    if (asked.algorithm != KmsAlgorithm::SymmetricDefault && (key == nullptr || !asked.context.empty()))
        return fail(Code::KmsRefused,
                    "a ciphertext of an asymmetric key needs that key's name and has no encryption context");
    REDOUBT_TRY(const Bytes attestation, options_.attest(recipient_.public_der()));
    std::string body;
    json::Writer writer(body);
    writer.begin_object();
    if (key != nullptr)
        writer.member("KeyId", std::string_view(key->text));
    writer.member("CiphertextBlob", std::string_view(to_base64(asked.ciphertext_blob)))
        .member("EncryptionAlgorithm", kms_algorithm_name(asked.algorithm));
    write_encryption_context(writer, asked.context);
    write_recipient(writer, attestation);
    writer.end_object();
    REDOUBT_TRY(const auto response, call(partition_of_region(asked.region), asked.region, "Decrypt",
                                          std::move(body), credentials));
    KmsExpectation expected;
    expected.right_key = [&](std::string_view arn) { return may_be_key(arn, key, asked.region); };
    expected.algorithm = asked.algorithm;
    REDOUBT_TRY(auto reply, open_kms_reply(response, expected, recipient_));
    return std::move(reply.plaintext);
}

Result<DataKey> KmsClient::generate_data_key(const KmsDataKeySpec& asked, const Credentials& credentials) {
    REDOUBT_CHECK(check_region(asked.region, &asked.key));
    if (asked.size != 16 && asked.size != 32)
        return fail(Code::KmsRefused, "a data key has 16 or 32 bytes");
    REDOUBT_TRY(const Bytes attestation, options_.attest(recipient_.public_der()));
    std::string body;
    json::Writer writer(body);
    writer.begin_object()
        .member("KeyId", std::string_view(asked.key.text))
        .member("KeySpec", asked.size == 32 ? "AES_256" : "AES_128");
    write_encryption_context(writer, asked.context);
    write_recipient(writer, attestation);
    writer.end_object();
    REDOUBT_TRY(const auto response, call(partition_of_region(asked.region), asked.region, "GenerateDataKey",
                                          std::move(body), credentials));
    KmsExpectation expected;
    expected.right_key = [&](std::string_view arn) { return may_be_key(arn, &asked.key, asked.region); };
    expected.wants_ciphertext = true;
    expected.plaintext_size = asked.size;
    REDOUBT_TRY(auto reply, open_kms_reply(response, expected, recipient_));
    return DataKey{std::move(reply.plaintext), std::move(reply.ciphertext_blob)};
}

Result<Secret> KmsClient::generate_random(const std::string& region, std::size_t size,
                                          const Credentials& credentials) {
    REDOUBT_CHECK(check_region(region, nullptr));
    if (size == 0 || size > kMaxRandom)
        return fail(Code::KmsRefused, "KMS gives 1 to 1024 random bytes");
    REDOUBT_TRY(const Bytes attestation, options_.attest(recipient_.public_der()));
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("NumberOfBytes", static_cast<std::uint64_t>(size));
    write_recipient(writer, attestation);
    writer.end_object();
    REDOUBT_TRY(const auto response,
                call(partition_of_region(region), region, "GenerateRandom", std::move(body), credentials));
    KmsExpectation expected;
    expected.plaintext_size = size;
    REDOUBT_TRY(auto reply, open_kms_reply(response, expected, recipient_));
    return std::move(reply.plaintext);
}

} // namespace redoubt::aws
