// SPDX-License-Identifier: Apache-2.0
#include "aws/error_type.h"

#include "base/json.h"

#include <algorithm>

namespace redoubt::aws {

namespace {

constexpr std::size_t kMaxType = 64;

bool is_name_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

std::string bare_name(std::string_view text) {
    text = text.substr(0, text.find(':'));
    if (const auto hash = text.rfind('#'); hash != text.npos)
        text.remove_prefix(hash + 1);
    if (text.size() > kMaxType || !std::all_of(text.begin(), text.end(), is_name_character))
        return {};
    return std::string(text);
}

} // namespace

std::string aws_error_type(const net::HttpResponse& response) {
    json::Document document;
    const auto root = document.parse(as_text(response.body), {.bytes = 64 * 1024, .depth = 8, .values = 256});
    if (root)
        if (const auto type = root->get("__type"); type && type->is_string())
            if (auto name = bare_name(type->text()); !name.empty())
                return name;
    return bare_name(response.header("x-amzn-errortype"));
}

ErrorKind aws_error_kind(const net::HttpResponse& response, std::string_view type) noexcept {
    if (type == "AccessDeniedException" || type == "AccessDenied")
        return ErrorKind::Denied;
    // Credentials that AWS no longer knows (the role's session was revoked, the key deleted) are renewed like
    // expired ones. The names without "Exception" are the query protocol's.
    if (type == "ExpiredTokenException" || type == "ExpiredToken" || type == "UnrecognizedClientException" ||
        type == "InvalidClientTokenId")
        return ErrorKind::Expired;
    if (type.starts_with("Throttling") || type == "LimitExceededException" ||
        type == "RequestLimitExceeded" || type == "TooManyRequestsException" || response.status == 429)
        return ErrorKind::Throttled;
    if (type == "ResourceNotFoundException")
        return ErrorKind::Missing;
    return ErrorKind::Other;
}

} // namespace redoubt::aws
