// SPDX-License-Identifier: Apache-2.0
#include "client/principal_key.h"

#include "client/spec.h"
#include "crypto/openssl.h"
#include "crypto/owner_signature.h"

#include <algorithm>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

namespace redoubt::bench {

PrincipalKey::PrincipalKey(const Secret& pem) {
    // Whether it is one of the two kinds, and signs for its own public key.
    if (const auto known = crypto::sign_with_pem(pem, {}); !known)
        die(known.error().describe());
    const ByteView text = pem.view(SecretAccess("read a bench's private key"));
    const std::unique_ptr<BIO, crypto::Releaser<BIO_free_all>> bio(
        BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    key_.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    crypto::require_openssl(key_ != nullptr);
}

ByteArray<64> PrincipalKey::sign(ByteView message) const {
    const bool ed25519 = EVP_PKEY_is_a(key_.get(), "ED25519") == 1;
    const crypto::DigestContext context(EVP_MD_CTX_new());
    std::uint8_t made[128];
    std::size_t size = sizeof made;
    crypto::require_openssl(context != nullptr &&
                            EVP_DigestSignInit_ex(context.get(), nullptr, ed25519 ? nullptr : "SHA256",
                                                  nullptr, nullptr, key_.get(), nullptr) == 1 &&
                            EVP_DigestSign(context.get(), made, &size, message.data(), message.size()) == 1);
    ByteArray<64> out{};
    if (ed25519) {
        std::copy_n(made, out.size(), out.begin());
        return out;
    }
    const std::uint8_t* at = made;
    const std::unique_ptr<ECDSA_SIG, crypto::Releaser<ECDSA_SIG_free>> numbers(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
    crypto::require_openssl(numbers != nullptr &&
                            BN_bn2binpad(ECDSA_SIG_get0_r(numbers.get()), out.data(), 32) == 32 &&
                            BN_bn2binpad(ECDSA_SIG_get0_s(numbers.get()), out.data() + 32, 32) == 32);
    return out;
}

} // namespace redoubt::bench
