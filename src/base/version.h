// SPDX-License-Identifier: Apache-2.0
// The version that this program was built as.
#pragma once

#include <string_view>

namespace redoubt {

std::string_view version() noexcept; // "0.1.0"

} // namespace redoubt
