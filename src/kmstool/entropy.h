// SPDX-License-Identifier: Apache-2.0
// A young enclave's kernel may have little randomness of its own (older enclave kernels do not draw it from
// the NSM), and its getrandom(2) then waits. AWS's tool seeds the kernel before it makes keys, and so does
// this one.
#pragma once

#include "nitro/nsm.h"

namespace redoubt::kmstool {

// Mixes what one GetRandom gives into the kernel's generator: credited where this process may
// (CAP_SYS_ADMIN), else uncredited, which getrandom(2) does not wait less for, but which is never worse than
// nothing. Errors: NsmFailed, Io. Going on after an error is safe: an unseeded kernel makes callers wait.
Status seed_kernel_random(nitro::Nsm& nsm, const char* device = "/dev/random");

} // namespace redoubt::kmstool
