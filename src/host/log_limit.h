// SPDX-License-Identifier: Apache-2.0
// Log files that other programs write stay short.
#pragma once

#include <cstddef>
#include <string>

namespace redoubt::host {

inline constexpr std::size_t kLogLimit = std::size_t{1} << 20; // bytes

// If the file is longer than `limit`, its last `limit` bytes take the place of PATH.1, and it becomes empty.
// Its writers must append (O_APPEND): they go on at its beginning. What they write between the copy and the
// cut is lost. It is cut also where PATH.1 cannot be written. True: it was cut.
bool shorten_log(const std::string& path, std::size_t limit = kLogLimit);

} // namespace redoubt::host
