// SPDX-License-Identifier: Apache-2.0
// src/CMakeLists.txt tells this file alone which library it links: the library does not say.
#include "crypto/secp256k1.h"

#ifndef REDOUBT_SECP256K1_VERSION
#define REDOUBT_SECP256K1_VERSION "unknown"
#endif

namespace redoubt::crypto {

std::string_view secp256k1_library() noexcept {
    return REDOUBT_SECP256K1_VERSION;
}

} // namespace redoubt::crypto
