// SPDX-License-Identifier: Apache-2.0
// The system calls that a serving enclave process needs, and no others (seccomp-BPF, all threads). No file is
// opened, nothing is executed, no socket other than `socket_family` is made after this.
#pragma once

#include "base/result.h"

namespace redoubt::enclave {

// Sets no_new_privs and installs the filter for every thread of the process. To open a file fails with
// EACCES, for glibc tries to by itself; any other forbidden call ends the process. Error: Internal (the
// kernel has no seccomp).
Status enter_sandbox(int socket_family);

} // namespace redoubt::enclave
