// SPDX-License-Identifier: Apache-2.0
#include "crypto/random.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <sys/random.h>

namespace redoubt::crypto {

void SystemRandom::fill(std::span<std::uint8_t> out) {
    while (!out.empty()) {
        const ssize_t n = getrandom(out.data(), out.size(), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            std::fputs("redoubt: the kernel's random generator does not deliver\n", stderr);
            std::abort();
        }
        out = out.subspan(static_cast<std::size_t>(n));
    }
}

} // namespace redoubt::crypto
