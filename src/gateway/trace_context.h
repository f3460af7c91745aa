// SPDX-License-Identifier: Apache-2.0
// W3C Trace Context (https://www.w3.org/TR/trace-context/) and request ids: what ties a line in our logs to
// whatever the client calls the same request. Both come from clients and prove nothing. Pure functions, but
// for the ids that they draw.
#pragma once

#include "base/inline_text.h"
#include "net/http.h"

#include <optional>
#include <string>
#include <string_view>

namespace redoubt::gateway {

using RequestId = InlineText<64>; // as long as one may be between gateway and enclave (wire/message.h)

struct TraceParent {
    std::string trace_id;  // 32 lower-case hexadecimal digits, not all zero
    std::string parent_id; // 16, not all zero
    std::uint8_t flags = 0;
    bool sampled() const noexcept { return (flags & 1) != 0; }
};

// Of a "traceparent" field's value. Version 00 exactly as the standard has it; of a later version its first
// four fields, as the standard wants; version ff and whatever else is malformed: nothing.
std::optional<TraceParent> parse_trace_parent(std::string_view value) noexcept;

// The same trace, with us as the parent: version 00, a new parent id from the kernel's generator, and of the
// flags "sampled" alone.
std::string next_trace_parent(const TraceParent& from);

// What goes on to others for this request: nothing where none came, where it came twice or where it cannot be
// read, and then its "tracestate" counts for nothing, too.
std::string trace_parent_for(const net::HttpRequest& request);

// "x-request-id", if it stands there once and is 1 to 64 of A-Z a-z 0-9 . _ -; else 32 hexadecimal digits
// from the kernel's generator.
RequestId request_id_for(const net::HttpRequest& request);

} // namespace redoubt::gateway
