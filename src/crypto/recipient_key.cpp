// SPDX-License-Identifier: Apache-2.0
#include "crypto/recipient_key.h"

#include "crypto/openssl.h"

#include <openssl/rsa.h>

#include <utility>

namespace redoubt::crypto {

namespace {

constexpr int kBits = 2048;
constexpr std::size_t kModulusSize = 256;

bool is_rsa_2048(const EVP_PKEY* key) noexcept {
    return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) == kBits;
}

// SHA-256 for the label's hash and for MGF1; the label stays empty.
bool use_oaep_sha256(EVP_PKEY_CTX* context) noexcept {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1;
}

Bytes public_der_of(EVP_PKEY* key) {
    std::uint8_t* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    require_openssl(size > 0);
    Bytes out(der, der + size);
    OPENSSL_free(der);
    return out;
}

} // namespace

RecipientKey::RecipientKey(evp_pkey_st* key) : key_(key), public_der_(public_der_of(key)) {}

RecipientKey::RecipientKey(RecipientKey&& other) noexcept
    : key_(std::exchange(other.key_, nullptr)), public_der_(std::move(other.public_der_)) {}

RecipientKey& RecipientKey::operator=(RecipientKey&& other) noexcept {
    if (this != &other) {
        EVP_PKEY_free(key_);
        key_ = std::exchange(other.key_, nullptr);
        public_der_ = std::move(other.public_der_);
    }
    return *this;
}

RecipientKey::~RecipientKey() {
    EVP_PKEY_free(key_); // overwrites the private numbers
}

Result<RecipientKey> RecipientKey::generate() {
    EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(kBits));
    if (key == nullptr) {
        forget_openssl_errors();
        return fail(Code::Internal, "the recipient key could not be made");
    }
    return RecipientKey(key);
}

Result<RecipientKey> RecipientKey::from_pkcs8(ByteView der) {
    const auto refused = [] {
        forget_openssl_errors();
        return fail(Code::KeyInvalid, "the recipient key is not an RSA key of 2048 bits in PKCS#8 form");
    };
    if (der.size() > 4096)
        return refused();
    const std::uint8_t* at = der.data();
    const Pkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
    if (info == nullptr || at != der.data() + der.size())
        return refused();
    Pkey key(EVP_PKCS82PKEY(info.get()));
    if (key == nullptr || !is_rsa_2048(key.get()))
        return refused();
    return RecipientKey(key.release());
}

Result<Secret> RecipientKey::decrypt_oaep(ByteView ciphertext) const {
    // A context for each call: the key itself is only read, so threads may share it.
    const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_, nullptr));
    require_openssl(context != nullptr && EVP_PKEY_decrypt_init(context.get()) == 1 &&
                    use_oaep_sha256(context.get()));
    Secret buffer(kModulusSize);
    const auto out = buffer.mutable_view(SecretAccess("decrypt what KMS sent"));
    std::size_t size = out.size();
    if (ciphertext.size() != kModulusSize ||
        EVP_PKEY_decrypt(context.get(), out.data(), &size, ciphertext.data(), ciphertext.size()) != 1) {
        forget_openssl_errors();
        return fail(Code::KmsReplyInvalid,
                    "what KMS encrypted does not open with this enclave's recipient key");
    }
    return Secret::copy_of(out.first(size));
}

Result<Bytes> encrypt_oaep(ByteView public_der, ByteView plaintext) {
    const auto refused = [] {
        forget_openssl_errors();
        return fail(Code::InvalidField,
                    "the recipient's public key must be an RSA key of 2048 bits, as SubjectPublicKeyInfo");
    };
    if (public_der.size() > 4096)
        return refused();
    const std::uint8_t* at = public_der.data();
    const Pkey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(public_der.size())));
    if (key == nullptr || at != public_der.data() + public_der.size() || !is_rsa_2048(key.get()))
        return refused();
    const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    require_openssl(context != nullptr && EVP_PKEY_encrypt_init(context.get()) == 1 &&
                    use_oaep_sha256(context.get()));
    Bytes out(kModulusSize);
    std::size_t size = out.size();
    if (EVP_PKEY_encrypt(context.get(), out.data(), &size, plaintext.data(), plaintext.size()) != 1 ||
        size != kModulusSize) {
        forget_openssl_errors();
        return fail(Code::InvalidField,
                    "RSA-2048 with OAEP-SHA-256 encrypts at most 190 bytes to a sound key");
    }
    return out;
}

} // namespace redoubt::crypto
