// SPDX-License-Identifier: Apache-2.0
#include "api/operation_parts.h"

#include <algorithm>

namespace redoubt::api {

namespace {

constexpr json::Limits kBodyLimits{.bytes = 1 << 20, .depth = 32, .values = 1 << 16};

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

} // namespace

// application/json, with no parameter or charset=utf-8.
Status need_json(std::string_view content_type, bool may_be_absent) {
    if (content_type.empty() && may_be_absent)
        return {};
    const std::size_t semicolon = content_type.find(';');
    const std::string_view type = trimmed(content_type.substr(0, semicolon));
    std::string_view parameter;
    if (semicolon != std::string_view::npos)
        parameter = trimmed(content_type.substr(semicolon + 1));
    if (!equal_ignoring_case(type, "application/json") ||
        !(parameter.empty() || equal_ignoring_case(parameter, "charset=utf-8")))
        return fail(Code::UnsupportedMedia, "send the body as content-type: application/json");
    return {};
}

Status need_method(const Request& request, std::string_view method, FixedText text) {
    if (request.method != method)
        return fail(Code::MethodNotAllowed, text);
    return {};
}

Status no_query(const Request& request) {
    if (request.has_query)
        return fail(Code::UnknownField, "this route takes no query; remove it");
    return {};
}

Result<Bytes> parse_nonce(std::string_view text) {
    if (text.starts_with("0x"))
        text.remove_prefix(2);
    if (text.empty() || text.size() > 2 * kMaxNonce)
        return fail(Code::InvalidField, "nonce must be 1 to 512 bytes in hexadecimal");
    auto bytes = from_hex(text);
    if (!bytes)
        return fail(Code::InvalidField, "nonce must be 1 to 512 bytes in hexadecimal");
    return std::move(*bytes);
}

Result<json::Value> parse_body(const Request& request, json::Document& scratch) {
    if (request.body.empty())
        return fail(Code::BadJson, "the request has no body; send a JSON object");
    REDOUBT_TRY(const json::Value body, scratch.parse(request.body, kBodyLimits));
    if (!body.is_object())
        return fail(Code::BadJson, "the body must be a JSON object");
    return body;
}

Result<policy::Document> read_policy(const json::Value& policy) {
    auto document = policy::parse_document(policy.raw());
    if (!document)
        document.error().context.clear();
    return document;
}

Result<bool> optional_bool(const json::Value& body, std::string_view name, FixedText invalid) {
    const auto value = body.get(name);
    if (!value)
        return false;
    if (!value->is_bool())
        return fail(Code::InvalidField, invalid);
    return value->boolean();
}

Result<Bytes> optional_nonce(const json::Value& body) {
    const auto nonce = body.get("nonce");
    if (!nonce)
        return Bytes();
    if (!nonce->is_string())
        return fail(Code::InvalidField, "nonce must be 1 to 512 bytes in hexadecimal");
    return parse_nonce(nonce->text());
}

} // namespace redoubt::api
