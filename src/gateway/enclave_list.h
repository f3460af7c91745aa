// SPDX-License-Identifier: Apache-2.0
// The file that names a pool's enclaves, for pools that change while they serve: an endpoint a line, as
// --enclave takes it; empty lines and what follows a '#' are passed over. docs/pool.md.
#pragma once

#include "net/endpoint.h"

#include <string>
#include <vector>

namespace redoubt::gateway {

inline constexpr std::size_t kMaxEnclaveList = 64 * 1024; // bytes

// Error: Usage, with the line in its context.
Result<std::vector<net::Endpoint>> parse_enclave_list(std::string_view text);
// Errors: Io, and parse_enclave_list's.
Result<std::vector<net::Endpoint>> read_enclave_list(const std::string& path);

} // namespace redoubt::gateway
