// SPDX-License-Identifier: Apache-2.0
// A file that the operator named: read whole, once at the start and again at each reload.
#pragma once

#include "base/result.h"

#include <string>

namespace redoubt::gateway {

// At least one and at most `limit` bytes. Error: Io, with the path as its context.
Result<std::string> read_input_file(const std::string& path, std::size_t limit);

} // namespace redoubt::gateway
