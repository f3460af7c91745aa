// SPDX-License-Identifier: Apache-2.0
// How long a client says that it waits: "Prefer: wait=SECONDS" (RFC 7240, section 4.3). A pure function.
#pragma once

#include "net/http.h"

#include <cstdint>
#include <optional>

namespace redoubt::gateway {

// Milliseconds, 1'000 … kLongestWaitMs; nothing: no such preference, or one that cannot be read, which the
// RFC has a server ignore. Of several the first counts (section 2).
std::optional<std::int64_t> preferred_wait_ms(const net::HttpRequest& request);

inline constexpr std::int64_t kLongestWaitMs = 3'600'000;

} // namespace redoubt::gateway
