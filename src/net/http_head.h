// SPDX-License-Identifier: Apache-2.0
// What every version of HTTP asks of a request's head, so that a request is the same one whichever carried
// it.
#pragma once

#include "net/http.h"

namespace redoubt::net {

// Method and target, which are checked and taken apart. `limit`: of what HTTP/1.1's request line would have.
// Errors: BadRequest, UriTooLong.
Status take_request_line(HttpRequest& out, std::string_view method, std::string_view target,
                         std::size_t limit);
// The values of Host and Expect. Error: BadRequest.
Status take_host(HttpRequest& out, std::string_view value);
Status take_expectation(HttpRequest& out, std::string_view value);
// Content-Length: digits only, no leading zero, so that no two readers can read it differently.
bool parse_length(std::string_view text, std::uint64_t& out) noexcept;

inline constexpr std::size_t kFirstBodyBytes = 64 * 1024; // reserved at once; more only as it comes
inline constexpr std::size_t kUsualHeaders = 16;          // room made for them at once

} // namespace redoubt::net
