// SPDX-License-Identifier: Apache-2.0
#include "net/http_head.h"

#include "net/http_grammar.h"

#include <charconv>

namespace redoubt::net {

namespace {

constexpr std::size_t kMaxMethod = 32;
constexpr std::size_t kRestOfLine = 10; // two spaces and "HTTP/1.1"

} // namespace

Status take_request_line(HttpRequest& out, std::string_view method, std::string_view target,
                         std::size_t limit) {
    if (!is_token(method) || method.size() > kMaxMethod)
        return fail(Code::BadRequest, "the method is malformed");
    if (method.size() + target.size() + kRestOfLine > limit)
        return fail(Code::UriTooLong, "the request line is longer than the limit; shorten the path");
    if (!is_origin_form(target))
        return fail(Code::BadRequest,
                    "the request target must be a path, with other characters percent-encoded");
    out.method = method;
    out.target = target;
    const auto question = target.find('?');
    out.path = target.substr(0, question);
    out.has_query = question != std::string_view::npos;
    if (out.has_query)
        out.query = target.substr(question + 1);
    return {};
}

Status take_host(HttpRequest& out, std::string_view value) {
    if (!is_authority(value))
        return fail(Code::BadRequest, "the Host header is not HOST or HOST:PORT");
    out.authority = value;
    return {};
}

Status take_expectation(HttpRequest& out, std::string_view value) {
    if (!equals_ignoring_case(value, "100-continue"))
        return fail(Code::BadRequest, "the only expectation understood is 100-continue");
    out.expect_continue = true;
    return {};
}

bool parse_length(std::string_view text, std::uint64_t& out) noexcept {
    if (text.empty() || (text.size() > 1 && text[0] == '0'))
        return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

} // namespace redoubt::net
