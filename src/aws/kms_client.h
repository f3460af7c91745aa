// SPDX-License-Identifier: Apache-2.0
// AWS KMS from inside the enclave: x-amz-json-1.1 over TLS that ends here, SigV4, every call with a Recipient
// (an attestation document for this call's key). Design invariant 4: the host name comes from the ARN, KeyId
// is always the full ARN, the returned one must equal it, a reply that carries Plaintext is refused. The
// calls that take KmsDecryption, KmsDataKeySpec or a region are for other people's enclaves (kmstool), and an
// enclave of Redoubt's makes none of them.
//
// CMS content is AES-CBC without authentication, so a single reply proves nothing about the plaintext's
// integrity beyond TLS. Where the plaintext is not authenticated by its use, ask twice: `decrypt_confirmed`
// compares two independent replies.
//
// Blocking; not thread-safe: one per worker.
#pragma once

#include "aws/arn.h"
#include "aws/credentials.h"
#include "aws/kms_key_name.h"
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

// For tools that name keys as their user does, and a region by itself.
enum class KmsAlgorithm { SymmetricDefault, RsaesOaepSha1, RsaesOaepSha256 };
std::string_view kms_algorithm_name(KmsAlgorithm algorithm) noexcept; // "SYMMETRIC_DEFAULT"

struct KmsDecryption {
    std::string region;
    std::optional<KmsKeyName> key; // none: the ciphertext names its key, and any key may have opened it
    KmsAlgorithm algorithm = KmsAlgorithm::SymmetricDefault;
    Bytes ciphertext_blob;
    EncryptionContext context; // symmetric keys only
};
struct KmsDataKeySpec {
    std::string region;
    KmsKeyName key;
    std::size_t size = 32; // 32: AES_256; 16: AES_128
    EncryptionContext context;
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

    // One call each, and one reply: these are confirmed by nothing but TLS. `region` is one (is_region), and
    // the one of a named ARN. Errors: as above; KmsRefused for what KMS cannot be asked.
    Result<Secret> decrypt(const KmsDecryption& asked, const Credentials& credentials);
    Result<DataKey> generate_data_key(const KmsDataKeySpec& asked, const Credentials& credentials);
    Result<Secret> generate_random(const std::string& region, std::size_t size, // 1 to 1024
                                   const Credentials& credentials);

  private:
    Result<net::HttpResponse> call(std::string_view partition, const std::string& region,
                                   std::string_view operation, std::string body,
                                   const Credentials& credentials);
    Result<net::HttpResponse> call(const KmsKeyArn& key, std::string_view operation, std::string body,
                                   const Credentials& credentials);
    KmsClientOptions options_;
    const crypto::RecipientKey& recipient_;
    std::map<std::string, net::HttpClient> connections_; // by host
};

// Separated for tests and fuzzing: checks a reply to Decrypt, GenerateDataKey or GenerateRandom and opens it.
struct KmsReply {
    Secret plaintext;
    Bytes ciphertext_blob; // GenerateDataKey only
};
struct KmsExpectation {
    std::function<bool(std::string_view key_arn)> right_key; // empty: the reply names no key (GenerateRandom)
    KmsAlgorithm algorithm = KmsAlgorithm::SymmetricDefault;
    bool wants_ciphertext = false;
    std::optional<std::size_t> plaintext_size;
};
Result<KmsReply> open_kms_reply(const net::HttpResponse& response, const KmsExpectation& expected,
                                const crypto::RecipientKey& recipient);
// A Redoubt enclave's: that very key, and a data key of 32 bytes.
Result<KmsReply> open_kms_reply(const net::HttpResponse& response, const KmsKeyArn& key,
                                bool wants_ciphertext, const crypto::RecipientKey& recipient);

} // namespace redoubt::aws
