// SPDX-License-Identifier: Apache-2.0
// Owning handles for the OpenSSL objects of this floor, and the one way to treat a failure that no input can
// cause (out of memory, a build without the algorithm): end the process.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

namespace redoubt::crypto {

template<auto release>
struct Releaser {
    template<class T>
    void operator()(T* object) const noexcept {
        release(object);
    }
};

using DigestContext = std::unique_ptr<EVP_MD_CTX, Releaser<EVP_MD_CTX_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Releaser<EVP_MAC_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Releaser<EVP_CIPHER_CTX_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Releaser<EVP_PKEY_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;
using Pkcs8 = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Releaser<PKCS8_PRIV_KEY_INFO_free>>;

[[noreturn]] void openssl_failed() noexcept;

inline void require_openssl(bool ok) noexcept {
    if (!ok)
        openssl_failed();
}

// A failed operation leaves entries in the thread's error queue, and TLS code reads that queue to tell a
// closed connection from a failed one: whoever turns an OpenSSL failure into a Result empties it.
void forget_openssl_errors() noexcept;

} // namespace redoubt::crypto
