// SPDX-License-Identifier: Apache-2.0
#include "net/open_files.h"

#include <algorithm>
#include <sys/resource.h>

namespace redoubt::net {

std::size_t connections_that_fit(std::size_t wanted) noexcept {
    constexpr std::size_t kLeast = 64;
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return std::max(kLeast, std::min<std::size_t>(wanted, 512));
    const rlim_t needed = wanted + kOtherDescriptors;
    if (limit.rlim_cur < needed) {
        rlimit higher = limit;
        higher.rlim_cur = std::min(needed, limit.rlim_max);
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
            limit = higher;
    }
    const std::size_t have = std::min<rlim_t>(limit.rlim_cur, needed);
    // With few, half of them: better fewer clients than none of the rest.
    const std::size_t fit = have >= 2 * kOtherDescriptors ? have - kOtherDescriptors : have / 2;
    return std::max(kLeast, std::min(wanted, fit));
}

} // namespace redoubt::net
