// SPDX-License-Identifier: Apache-2.0
// How watchdogs find minders: by the files of the slots in the folder of sockets and logs.
//   NAME-CID.minder.sock  where the slot's minder listens, while there is one
//   NAME-CID.minder.lock  held (flock) by whoever starts the slot's minder, and then by it; the file stays
//   NAME-CID.minder.log   what the minder says
// Errors: RunnerFailed.
#pragma once

#include "base/result.h"
#include "net/endpoint.h"

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace redoubt::host {

std::string minder_socket(const std::string& directory, const std::string& name, std::uint32_t cid);
std::string minder_lock(const std::string& directory, const std::string& name, std::uint32_t cid);
std::string minder_log(const std::string& directory, const std::string& name, std::uint32_t cid);

// The CIDs of NAME for which there is such a socket.
std::vector<std::uint32_t> minders_of(const std::string& directory, const std::string& name);

// The slot's lock; an error while another process has it: it starts or minds an enclave there.
Result<net::Fd> lock_slot(const std::string& path);

// A connection to the minder that listens there, and a pidfd of it. No socket: nobody listens. A socket
// without a listener is removed where nobody holds the slot's lock.
struct FoundMinder {
    net::Fd socket, pidfd;
    pid_t pid = -1;
};
FoundMinder find_minder(const std::string& directory, const std::string& name, std::uint32_t cid);

// Ends every minder of the folder with its enclave, those that are just starting included, and waits:
// SIGTERM, and SIGKILL for what has not ended by `limit_ms`. For after the watchdog has ended, however that
// came. Blocks. Empty name: of all names. Returns how many there were.
std::size_t end_minders(const std::string& directory, const std::string& name, int limit_ms);

} // namespace redoubt::host
