// SPDX-License-Identifier: Apache-2.0
// The RSA-2048 key that KMS encrypts to (Recipient.AttestationDocument's public_key). Made in the enclave,
// never leaves it.
#pragma once

#include "base/result.h"
#include "base/secret.h"

#include <memory>

struct evp_pkey_st; // OpenSSL's EVP_PKEY

namespace redoubt::crypto {

class RecipientKey {
  public:
    static Result<RecipientKey> generate();               // RSA-2048, about 100 ms
    static Result<RecipientKey> from_pkcs8(ByteView der); // for tests with published keys
    RecipientKey(RecipientKey&&) noexcept;
    RecipientKey& operator=(RecipientKey&&) noexcept;
    ~RecipientKey();

    const Bytes& public_der() const noexcept { return public_der_; } // SubjectPublicKeyInfo
    // RSAES-OAEP, SHA-256 for both hash and MGF1, empty label. Error: KmsReplyInvalid.
    Result<Secret> decrypt_oaep(ByteView ciphertext) const;

  private:
    explicit RecipientKey(evp_pkey_st* key);
    evp_pkey_st* key_ = nullptr;
    Bytes public_der_;
};

// RSAES-OAEP-SHA256 to a SubjectPublicKeyInfo: what KMS does. For devcloud and tests. Error: InvalidField.
Result<Bytes> encrypt_oaep(ByteView public_der, ByteView plaintext);

} // namespace redoubt::crypto
