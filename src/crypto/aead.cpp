// SPDX-License-Identifier: Apache-2.0
#include "crypto/aead.h"

#include "crypto/openssl.h"

#include <climits>

namespace redoubt::crypto {

namespace {

// OpenSSL counts in int.
constexpr std::size_t kMostBytes = INT_MAX - kAeadTagSize;

const EVP_CIPHER* method() noexcept {
    static const EVP_CIPHER* const cipher = [] {
        const EVP_CIPHER* fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
        require_openssl(fetched != nullptr);
        return fetched;
    }();
    return cipher;
}

} // namespace

Bytes aead_seal(const Secret& key, const ByteArray<12>& nonce, ByteView aad, ByteView plaintext) {
    require_openssl(key.size() == kAeadKeySize && plaintext.size() <= kMostBytes && aad.size() <= kMostBytes);
    const CipherContext context(EVP_CIPHER_CTX_new());
    require_openssl(context != nullptr &&
                    EVP_EncryptInit_ex2(context.get(), method(),
                                        key.view(SecretAccess("seal with AES-GCM")).data(), nonce.data(),
                                        nullptr) == 1);
    int n = 0;
    // The empty plaintext or AAD is never passed on: OpenSSL gives null pointers a meaning of their own.
    if (!aad.empty())
        require_openssl(
            EVP_EncryptUpdate(context.get(), nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
    Bytes out(plaintext.size() + kAeadTagSize);
    if (!plaintext.empty())
        require_openssl(EVP_EncryptUpdate(context.get(), out.data(), &n, plaintext.data(),
                                          static_cast<int>(plaintext.size())) == 1);
    std::uint8_t* const tag = out.data() + plaintext.size();
    require_openssl(EVP_EncryptFinal_ex(context.get(), tag, &n) == 1 && n == 0);
    require_openssl(
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kAeadTagSize), tag) == 1);
    return out;
}

Result<Secret> aead_open(const Secret& key, const ByteArray<12>& nonce, ByteView aad, ByteView sealed) {
    const auto refused = [] {
        return fail(Code::RecordInvalid,
                    "the sealed data does not open: it was altered, or belongs elsewhere");
    };
    if (key.size() != kAeadKeySize || sealed.size() < kAeadTagSize || sealed.size() > kMostBytes ||
        aad.size() > kMostBytes)
        return refused();
    const ByteView ciphertext = sealed.first(sealed.size() - kAeadTagSize);
    auto tag = *to_array<kAeadTagSize>(sealed.last(kAeadTagSize));

    const CipherContext context(EVP_CIPHER_CTX_new());
    require_openssl(context != nullptr &&
                    EVP_DecryptInit_ex2(context.get(), method(),
                                        key.view(SecretAccess("open with AES-GCM")).data(), nonce.data(),
                                        nullptr) == 1);
    int n = 0;
    if (!aad.empty())
        require_openssl(
            EVP_DecryptUpdate(context.get(), nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
    Secret out(ciphertext.size());
    if (!ciphertext.empty())
        require_openssl(EVP_DecryptUpdate(context.get(),
                                          out.mutable_view(SecretAccess("decrypt into the secret")).data(),
                                          &n, ciphertext.data(), static_cast<int>(ciphertext.size())) == 1);
    require_openssl(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                                        tag.data()) == 1);
    std::uint8_t nothing[16]; // GCM has no final block to write
    if (EVP_DecryptFinal_ex(context.get(), nothing, &n) != 1) {
        forget_openssl_errors();
        return refused();
    }
    return out;
}

} // namespace redoubt::crypto
