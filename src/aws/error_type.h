// SPDX-License-Identifier: Apache-2.0
// What kind of error an AWS JSON service (x-amz-json-1.1) answered with.
#pragma once

#include "net/http.h"

#include <string>

namespace redoubt::aws {

// "AccessDeniedException", from the body's __type or else from x-amzn-ErrorType, without a namespace
// ("com.amazonaws.kms#…") or URL ("…:http://…"). Empty when neither is a name of letters, digits, '_' and '.'
// of at most 64 characters.
std::string aws_error_type(const net::HttpResponse& response);

// Expired: the credentials must be renewed (expired, or no longer known to AWS).
enum class ErrorKind { Denied, Expired, Throttled, Missing, Other };
ErrorKind aws_error_kind(const net::HttpResponse& response, std::string_view type) noexcept;

} // namespace redoubt::aws
