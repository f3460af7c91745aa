// SPDX-License-Identifier: Apache-2.0
#include "aws/kms_client.h"

#include "aws/kms_parts.h"
#include "aws/sigv4.h"
#include "base/json.h"

namespace redoubt::aws {

namespace {

// A reply holds a CMS blob and a ciphertext blob in base64, under 20 KiB together.
constexpr net::HttpLimits kReplyLimits{
    .request_line = 1024, .header_bytes = 16 * 1024, .headers = 64, .body = 64 * 1024};

std::unexpected<Error> connection_failed(Error error) {
    switch (error.code) {
    case Code::Timeout:
        return fail(Code::KmsTimeout, "KMS did not answer in time", std::move(error.context));
    case Code::ConnectFailed:
        return fail(Code::KmsUnavailable, "no connection to KMS; check the byte proxy",
                    std::move(error.context));
    case Code::TlsFailed:
        return fail(Code::KmsUnavailable, "no TLS connection to KMS that the image's roots vouch for",
                    std::move(error.context));
    case Code::Io:
        return fail(Code::KmsUnavailable, "the connection to KMS broke", std::move(error.context));
    default:
        return fail(Code::KmsReplyInvalid, "KMS's answer is malformed, cut short or too large",
                    std::move(error.context));
    }
}

} // namespace

void write_encryption_context(json::Writer& writer, const EncryptionContext& context) {
    if (context.empty())
        return;
    writer.key("EncryptionContext").begin_object();
    for (const auto& [name, value] : context)
        writer.member(name, std::string_view(value));
    writer.end_object();
}

void write_recipient(json::Writer& writer, ByteView attestation_document) {
    writer.key("Recipient")
        .begin_object()
        .member("KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256")
        .member("AttestationDocument", std::string_view(to_base64(attestation_document)))
        .end_object();
}

KmsClient::KmsClient(KmsClientOptions options, const crypto::RecipientKey& recipient)
    : options_(std::move(options)), recipient_(recipient) {}

KmsClient::~KmsClient() = default;

Result<net::HttpResponse> KmsClient::call(const KmsKeyArn& key, std::string_view operation, std::string body,
                                          const Credentials& credentials) {
    return call(key.partition, key.region, operation, std::move(body), credentials);
}

Result<net::HttpResponse> KmsClient::call(std::string_view partition, const std::string& region,
                                          std::string_view operation, std::string body,
                                          const Credentials& credentials) {
    const UnixMs now = options_.now();
    if (credentials.access_key_id.empty() || credentials.secret_access_key.empty())
        return fail(Code::CredentialsMissing, "there are no AWS credentials to call KMS with");
    if (credentials.expires != 0 && credentials.expires <= now)
        return fail(Code::CredentialsExpired, "the AWS credentials have expired");
    std::string suffix = options_.endpoint_suffix;
    if (suffix.empty()) {
        auto found = partition_suffix(partition);
        if (!found)
            return fail(Code::KmsRefused, "the KMS key's partition has no known endpoint");
        suffix = std::move(*found);
    }
    const std::string host = kms_host(region, suffix);

    net::HttpRequest request;
    request.method = "POST";
    request.target = request.path = "/";
    request.authority = host;
    request.headers = {{"content-type", "application/x-amz-json-1.1"},
                       {"x-amz-target", "TrentService." + std::string(operation)}};
    request.body = to_bytes(body);
    SigV4Options signing;
    signing.region = region;
    signing.service = "kms";
    REDOUBT_CHECK(sign_sigv4(request, credentials, signing, now));

    auto connection = connections_.find(host);
    if (connection == connections_.end()) {
        const auto own = options_.proxies_by_region.find(region);
        const net::Endpoint& proxy = own != options_.proxies_by_region.end() ? own->second : options_.proxy;
        connection =
            connections_.emplace(host, net::HttpClient(proxy, options_.tls, host, kReplyLimits)).first;
    }
    auto response = connection->second.send(request, options_.timeout_ms);
    for (auto& header : request.headers)
        wipe(header.value);
    if (!response) {
        // Whatever is left of this exchange must not be taken for the next one's answer.
        connection->second.close();
        return connection_failed(std::move(response).error());
    }
    return response;
}

Result<Secret> KmsClient::decrypt(const KmsKeyArn& key, ByteView ciphertext_blob,
                                  const EncryptionContext& context, const Credentials& credentials) {
    if (ciphertext_blob.empty() || ciphertext_blob.size() > kMaxCiphertextBlob)
        return fail(Code::KmsRefused, "a KMS ciphertext has 1 to 6144 bytes");
    REDOUBT_TRY(const Bytes attestation, options_.attest(recipient_.public_der()));
    std::string body;
    json::Writer writer(body);
    writer.begin_object()
        .member("KeyId", std::string_view(key.text))
        .member("CiphertextBlob", std::string_view(to_base64(ciphertext_blob)))
        .member("EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
    write_encryption_context(writer, context);
    write_recipient(writer, attestation);
    writer.end_object();
    REDOUBT_TRY(const auto response, call(key, "Decrypt", std::move(body), credentials));
    REDOUBT_TRY(auto reply, open_kms_reply(response, key, false, recipient_));
    return std::move(reply.plaintext);
}

Result<Secret> KmsClient::decrypt_confirmed(const KmsKeyArn& key, ByteView ciphertext_blob,
                                            const EncryptionContext& context,
                                            const Credentials& credentials) {
    REDOUBT_TRY(auto first, decrypt(key, ciphertext_blob, context, credentials));
    REDOUBT_TRY(const auto second, decrypt(key, ciphertext_blob, context, credentials));
    if (!equal_secrets(first, second))
        return fail(Code::KmsReplyInvalid, "KMS opened one ciphertext to two plaintexts");
    return first;
}

Result<DataKey> KmsClient::generate_data_key(const KmsKeyArn& key, const EncryptionContext& context,
                                             const Credentials& credentials) {
    REDOUBT_TRY(const Bytes attestation, options_.attest(recipient_.public_der()));
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("KeyId", std::string_view(key.text)).member("KeySpec", "AES_256");
    write_encryption_context(writer, context);
    write_recipient(writer, attestation);
    writer.end_object();
    REDOUBT_TRY(const auto response, call(key, "GenerateDataKey", std::move(body), credentials));
    REDOUBT_TRY(auto reply, open_kms_reply(response, key, true, recipient_));
    REDOUBT_TRY(const auto confirmed, decrypt(key, reply.ciphertext_blob, context, credentials));
    if (!equal_secrets(reply.plaintext, confirmed))
        return fail(Code::KmsReplyInvalid, "KMS's data key is not what its ciphertext opens to");
    return DataKey{std::move(reply.plaintext), std::move(reply.ciphertext_blob)};
}

} // namespace redoubt::aws
