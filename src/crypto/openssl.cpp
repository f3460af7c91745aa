// SPDX-License-Identifier: Apache-2.0
#include "crypto/openssl.h"

#include <openssl/err.h>

#include <cstdio>
#include <cstdlib>

namespace redoubt::crypto {

void openssl_failed() noexcept {
    std::fputs("redoubt: OpenSSL failed where only a lack of memory can make it fail\n", stderr);
    std::abort();
}

void forget_openssl_errors() noexcept {
    ERR_clear_error();
}

} // namespace redoubt::crypto
