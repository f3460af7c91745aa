// SPDX-License-Identifier: Apache-2.0
// One process at a time uses a data folder: its file "lock", held by flock(2), which ends with the process.
#pragma once

#include "net/endpoint.h"

#include <string>

namespace redoubt::devcloud {

// Creates the folder (mode 0700) where it is absent. The lock lasts as long as the descriptor. Errors:
// Conflict (in use), Io.
Result<net::Fd> lock_data_folder(const std::string& data_dir);

} // namespace redoubt::devcloud
