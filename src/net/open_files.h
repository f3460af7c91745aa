// SPDX-License-Identifier: Apache-2.0
// How many descriptors a process may have, which bounds its connections: a shell's usual limit of 1,024 is
// less than a server takes. Affects the whole process; call it before it serves.
#pragma once

#include <cstddef>

namespace redoubt::net {

// Raises the soft limit to the hard one, as far as `wanted` connections and what else a server has open need
// it. Returns how many connections fit: at most `wanted`, at least 64.
std::size_t connections_that_fit(std::size_t wanted) noexcept;

inline constexpr std::size_t kOtherDescriptors =
    512; // files, enclaves, stores, AWS, other listeners' clients

} // namespace redoubt::net
