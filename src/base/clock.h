// SPDX-License-Identifier: Apache-2.0
// Time as Redoubt uses it. Wall time is milliseconds since 1970-01-01T00:00:00Z. Inside the enclave wall time
// comes from the NSM's attestation timestamp (enclave/trusted_clock.h), never from here; the host side uses
// system_time_ms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace redoubt {

using UnixMs = std::int64_t;

UnixMs system_time_ms() noexcept;     // CLOCK_REALTIME
std::int64_t monotonic_ms() noexcept; // CLOCK_BOOTTIME: goes on while suspended
std::int64_t monotonic_us() noexcept;

// "2020-04-02T00:49:51Z" (ISO 8601, UTC, seconds) as AWS writes expirations; and SigV4's "20200402T004951Z".
std::string to_iso8601(UnixMs time);
std::string to_amz_date(UnixMs time);
std::optional<UnixMs>
from_iso8601(std::string_view text) noexcept; // fractions of a second accepted, "Z" only
std::optional<UnixMs> from_amz_date(std::string_view text) noexcept;

} // namespace redoubt
