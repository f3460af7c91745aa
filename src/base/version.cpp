// SPDX-License-Identifier: Apache-2.0
// src/CMakeLists.txt tells this file alone, so that a new version compiles nothing else.
#include "base/version.h"

#ifndef REDOUBT_VERSION
#define REDOUBT_VERSION "unknown"
#endif

namespace redoubt {

std::string_view version() noexcept {
    return REDOUBT_VERSION;
}

} // namespace redoubt
