// SPDX-License-Identifier: Apache-2.0
// Somebody with a key: a principal, or an owner.
#pragma once

#include "crypto/owner_signature.h"
#include "policy/principal.h"
#include "trust/authorization.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

namespace redoubt::enclave::tests {

struct Person {
    std::string id;
    bool ed25519;
    Secret pem;
    Bytes public_key;

    Person(std::string name, bool ed) : id(std::move(name)), ed25519(ed) {
        EVP_PKEY* key = ed ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                           : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
        BIO* bio = BIO_new(BIO_s_mem());
        PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
        char* text = nullptr;
        const long size = BIO_get_mem_data(bio, &text);
        pem = Secret::copy_of(as_bytes(std::string_view(text, static_cast<std::size_t>(size))));
        BIO_free(bio);
        EVP_PKEY_free(key);
        public_key = crypto::sign_with_pem(pem, {})->public_key;
    }
    policy::PublicKey key() const {
        return {ed25519 ? policy::KeyAlgorithm::Ed25519 : policy::KeyAlgorithm::EcdsaP256, public_key};
    }
    // As policies have it, and with no "0x" manifests.
    std::string entry(const std::string& digits_begin = "0x") const {
        return R"({"id":")" + id + R"(","algorithm":")" + (ed25519 ? "ed25519" : "ecdsa-p256-sha256") +
               R"(","public_key":")" + digits_begin + to_hex(public_key) + "\"}";
    }
    Bytes sign(std::string_view text) const {
        return to_bytes(crypto::sign_with_pem(pem, as_bytes(text))->signature);
    }
    // As an owner.
    std::string authorise(const trust::Authorization& authorization) const {
        trust::SignedAuthorization out;
        out.document = trust::encode_authorization(authorization);
        const std::string message = std::string(trust::kAuthorizationContext) + out.document;
        out.signatures.push_back({id, crypto::sign_with_pem(pem, as_bytes(message))->signature});
        return trust::encode_signed_authorization(out);
    }
};

} // namespace redoubt::enclave::tests
