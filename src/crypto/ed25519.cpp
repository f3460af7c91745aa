// SPDX-License-Identifier: Apache-2.0
#include "crypto/ed25519.h"

#include "crypto/openssl.h"

#include <utility>

namespace redoubt::crypto {

Ed25519Key::Ed25519Key(evp_pkey_st* key) : key_(key) {
    std::size_t size = public_key_.size();
    require_openssl(EVP_PKEY_get_raw_public_key(key, public_key_.data(), &size) == 1 &&
                    size == public_key_.size());
}

Ed25519Key::Ed25519Key(Ed25519Key&& other) noexcept
    : key_(std::exchange(other.key_, nullptr)), public_key_(other.public_key_) {}

Ed25519Key& Ed25519Key::operator=(Ed25519Key&& other) noexcept {
    if (this != &other) {
        EVP_PKEY_free(key_);
        key_ = std::exchange(other.key_, nullptr);
        public_key_ = other.public_key_;
    }
    return *this;
}

Ed25519Key::~Ed25519Key() {
    EVP_PKEY_free(key_); // overwrites the private key
}

Ed25519Key Ed25519Key::generate(Random& random) {
    return from_seed(random.secret(32));
}

Ed25519Key Ed25519Key::from_seed(const Secret& seed) {
    const ByteView bytes = seed.view(SecretAccess("make an Ed25519 key of its seed"));
    EVP_PKEY* const key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size());
    require_openssl(key != nullptr);
    return Ed25519Key(key);
}

ByteArray<64> Ed25519Key::sign(ByteView message) const {
    const DigestContext context(EVP_MD_CTX_new());
    ByteArray<64> out;
    std::size_t size = out.size();
    require_openssl(context != nullptr &&
                    EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key_, nullptr) ==
                        1 &&
                    EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()) == 1 &&
                    size == out.size());
    return out;
}

} // namespace redoubt::crypto
