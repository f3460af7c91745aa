// SPDX-License-Identifier: Apache-2.0
// AWS KMS from inside the enclave: x-amz-json-1.1 over TLS that ends here, SigV4, every call with a Recipient
// (an attestation document for this call's key). Design invariant 4: the host name comes from the ARN, KeyId
// is always the full ARN, the returned one must equal it, a reply that carries Plaintext is refused.
//
// CMS content is AES-CBC without authentication, so a single reply proves nothing about the plaintext's
// integrity beyond TLS. Where the plaintext is not authenticated by its use, ask twice: `decrypt_confirmed`
// compares two independent replies.
//
// Blocking; not thread-safe: one per worker.
#pragma once

#include "aws/arn.h"
#include "aws/credentials.h"
#include "crypto/recipient_key.h"
#include "net/http_client.h"

#include <functional>
#include <map>

namespace redoubt::aws {

struct KmsClientOptions {
    net::Endpoint proxy; // byte proxy towards the KMS host, e.g. vsock:3:8000
    std::map<std::string, net::Endpoint> proxies_by_region; // where a region has a proxy of its own
    const net::TlsContext* tls;                             // the image's CA roots, and no others
    std::string endpoint_suffix; // empty: by the ARN's partition; development images: their own
    int timeout_ms = 5'000;      // a call
    std::function<UnixMs()> now; // trusted time, for SigV4
    // A fresh attestation document with this public key. Error: NsmFailed, TooManyRequests.
    std::function<Result<Bytes>(ByteView public_key_der)> attest;
};

using EncryptionContext = std::map<std::string, std::string>;

struct DataKey {
    Secret plaintext;
    Bytes ciphertext_blob;
};

class KmsClient {
  public:
    KmsClient(KmsClientOptions options, const crypto::RecipientKey& recipient);
    ~KmsClient();

    // Errors: KmsDenied (AccessDenied), CredentialsExpired, KmsRefused (other 4xx), KmsThrottled,
    // KmsUnavailable (5xx, connection), KmsTimeout, KmsReplyInvalid (anything the checks above refuse).
    Result<Secret> decrypt(const KmsKeyArn& key, ByteView ciphertext_blob, const EncryptionContext& context,
                           const Credentials& credentials);
    Result<Secret> decrypt_confirmed(const KmsKeyArn& key, ByteView ciphertext_blob,
                                     const EncryptionContext& context, const Credentials& credentials);
    // A 32-byte key (AES_256), confirmed by an attested Decrypt of the returned blob.
    Result<DataKey> generate_data_key(const KmsKeyArn& key, const EncryptionContext& context,
                                      const Credentials& credentials);

  private:
    Result<net::HttpResponse> call(const KmsKeyArn& key, std::string_view operation, std::string body,
                                   const Credentials& credentials);
    KmsClientOptions options_;
    const crypto::RecipientKey& recipient_;
    std::map<std::string, net::HttpClient> connections_; // by host
};

// Separated for tests and fuzzing: checks a reply to Decrypt or GenerateDataKey and opens it.
struct KmsReply {
    Secret plaintext;
    Bytes ciphertext_blob; // GenerateDataKey only
};
Result<KmsReply> open_kms_reply(const net::HttpResponse& response, const KmsKeyArn& key,
                                bool wants_ciphertext, const crypto::RecipientKey& recipient);

} // namespace redoubt::aws
