// SPDX-License-Identifier: Apache-2.0
#include "aws/error_type.h"
#include "aws/kms_parts.h"
#include "base/json.h"
#include "crypto/cms.h"

namespace redoubt::aws {

namespace {

constexpr std::size_t kDataKeySize = 32; // AES_256

std::unexpected<Error> refused(FixedText text) {
    return fail(Code::KmsReplyInvalid, text);
}

// KMS's own words go nowhere: they may name what the caller must not learn. The type alone is kept, for the
// host's logs.
std::unexpected<Error> kms_error(const net::HttpResponse& response) {
    std::string type = aws_error_type(response);
    const ErrorKind kind = aws_error_kind(response, type);
    if (kind == ErrorKind::Throttled)
        return fail(Code::KmsThrottled, "KMS asks for fewer requests; try again later", std::move(type));
    if (response.status >= 500)
        return fail(Code::KmsUnavailable, "KMS has an internal failure; try again later", std::move(type));
    if (response.status < 400)
        return refused("KMS answered with a status that is neither success nor failure");
    if (kind == ErrorKind::Denied)
        return fail(Code::KmsDenied,
                    "KMS denies the operation; check the key policy's PCR0 and PCR16, and the role",
                    std::move(type));
    if (kind == ErrorKind::Expired)
        return fail(Code::CredentialsExpired, "the AWS credentials have expired or are no longer known",
                    std::move(type));
    return fail(Code::KmsRefused, "KMS refused the request", std::move(type));
}

// A string member that is there and not null.
std::optional<std::string_view> string_member(const json::Value& object, std::string_view name) {
    const auto value = object.get(name);
    if (!value || !value->is_string())
        return std::nullopt;
    return value->text();
}

} // namespace

// The root's unknown members are let pass: AWS adds members over time (KeyMaterialId came that way).
Result<KmsReply> open_kms_reply(const net::HttpResponse& response, const KmsExpectation& expected,
                                const crypto::RecipientKey& recipient) {
    if (response.status != 200)
        return kms_error(response);
    json::Document document;
    const auto root = document.parse(as_text(response.body), {.bytes = 64 * 1024, .depth = 8, .values = 256});
    if (!root || !root->is_object())
        return refused("KMS's answer is not the JSON object that it should be");

    if (const auto plaintext = root->get("Plaintext"); plaintext && !plaintext->is_null())
        return refused("KMS answered with a plaintext although a recipient was named");
    const auto key_arn = string_member(*root, "KeyId");
    if (expected.right_key && (!key_arn || !expected.right_key(*key_arn)))
        return refused("KMS answered for another key than the one that was asked");
    if (root->get("EncryptionAlgorithm") &&
        string_member(*root, "EncryptionAlgorithm") != kms_algorithm_name(expected.algorithm))
        return refused("KMS used another encryption algorithm than the one that was asked");

    KmsReply out;
    if (expected.wants_ciphertext) {
        const auto text = string_member(*root, "CiphertextBlob");
        auto blob = text ? from_base64(*text) : std::nullopt;
        if (!blob || blob->empty() || blob->size() > kMaxCiphertextBlob)
            return refused("KMS's answer has no data key ciphertext of 1 to 6144 bytes");
        out.ciphertext_blob = std::move(*blob);
    }
    const auto text = string_member(*root, "CiphertextForRecipient");
    const auto enveloped = text ? from_base64(*text) : std::nullopt;
    if (!enveloped)
        return refused("KMS's answer has no ciphertext for the recipient");
    REDOUBT_TRY(out.plaintext, crypto::open_enveloped_data(recipient, *enveloped));
    if (expected.plaintext_size && out.plaintext.size() != *expected.plaintext_size)
        return refused("KMS's data key or random string does not have the size that was asked");
    return out;
}

Result<KmsReply> open_kms_reply(const net::HttpResponse& response, const KmsKeyArn& key,
                                bool wants_ciphertext, const crypto::RecipientKey& recipient) {
    KmsExpectation expected;
    expected.right_key = [&](std::string_view key_arn) { return key_arn == key.text; };
    expected.wants_ciphertext = wants_ciphertext;
    if (wants_ciphertext)
        expected.plaintext_size = kDataKeySize;
    return open_kms_reply(response, expected, recipient);
}

} // namespace redoubt::aws
