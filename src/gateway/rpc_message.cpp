// SPDX-License-Identifier: Apache-2.0
#include "gateway/rpc_message.h"

#include <algorithm>

namespace redoubt::gateway {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

RpcCode rpc_code(Code code) noexcept {
    if (code == Code::Overloaded || code == Code::TooManyRequests)
        return kRpcLimitExceeded;
    switch (http_status(code)) {
    case 400:
    case 413:
    case 415:
    case 422:
        return kRpcInvalidParams;
    case 401:
    case 403:
    case 421:
    case 429:
        return kRpcRejected;
    case 404:
    case 409:
        return kRpcServerError;
    case 408:
    case 502:
    case 503:
    case 504:
        return kRpcUnavailable;
    default:
        return kRpcInternal;
    }
}

std::string data_of(std::string_view code, std::string_view decision = {}) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("code", code);
    if (!decision.empty())
        writer.key("decision").raw(decision);
    writer.end_object();
    return out;
}

RpcFault fault(RpcCode number, Code code, FixedText text) {
    return rpc_fault(number, Error{code, text, {}});
}

bool is_method(std::string_view name) noexcept {
    return !name.empty() && name.size() <= kMaxRpcMethod && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '.';
    });
}

// The id is read first: whatever else is wrong with the call, its sender learns which it was.
std::optional<RpcFault> read_call(const json::Value& value, RpcCall& out) {
    out.id = "null";
    if (!value.is_object())
        return fault(kRpcInvalidRequest, Code::BadRequest, "a call must be a JSON object");
    const auto id = value.get("id");
    if (id && !id->is_string() && !id->is_number() && !id->is_null())
        return fault(kRpcInvalidRequest, Code::InvalidField, "id must be a string, a number or null");
    if (id)
        out.id = id->raw();
    for (const json::Value member : value)
        if (member.name() != "jsonrpc" && member.name() != "id" && member.name() != "method" &&
            member.name() != "params")
            return fault(kRpcInvalidRequest, Code::UnknownField,
                         "the members of a call are jsonrpc, id, method and params; remove the others");
    const auto version = value.get("jsonrpc");
    if (!version || !version->is_string() || version->text() != "2.0")
        return fault(kRpcInvalidRequest, Code::InvalidField, "jsonrpc must be \"2.0\"");
    const auto method = value.get("method");
    if (!method || !method->is_string() || !is_method(method->text()))
        return fault(kRpcInvalidRequest, Code::InvalidField, "method must be the name of a method");
    out.method = method->text();
    out.notification = !id;
    out.params = value.get("params");
    if (out.params && out.params->is_null())
        out.params.reset();
    if (out.params && !out.params->is_array())
        return fault(kRpcInvalidParams, Code::InvalidField, "params must be an array");
    return std::nullopt;
}

RpcFault parse_fault(const Error& error) {
    // The reader tells a name that stands twice apart by its sentence alone.
    const bool twice = error.text.view().find("same member twice") != std::string_view::npos;
    return rpc_fault(twice || error.code == Code::TooLarge ? kRpcInvalidRequest : kRpcParseError, error);
}

std::string_view trimmed(std::string_view text) noexcept {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool equal_ignoring_case(std::string_view text, std::string_view lower) noexcept {
    return std::ranges::equal(text, lower, [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + ('a' - 'A')) : a) == b;
    });
}

// Skips a string that begins at text[at]; its end, or npos.
std::size_t after_string(std::string_view text, std::size_t at) noexcept {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\')
            ++at;
        else if (text[at] == '"')
            return at + 1;
    }
    return std::string_view::npos;
}

} // namespace

RpcFault rpc_fault(RpcCode number, const Error& error) {
    const bool busy = error.code == Code::Overloaded || error.code == Code::ShuttingDown;
    return {number, std::string(error.text.view()), data_of(code_name(error.code)), busy};
}

RpcFault rpc_fault(const Error& error) {
    return rpc_fault(rpc_code(error.code), error);
}

RpcFault rpc_fault_of_body(std::string_view refusal) {
    json::Document document;
    const auto body = document.parse(refusal);
    const auto text = body ? body->get("error") : std::nullopt;
    const auto name = body ? body->get("code") : std::nullopt;
    const auto code = name && name->is_string() ? code_from_name(name->text()) : std::nullopt;
    if (!code || !text || !text->is_string())
        return rpc_fault(Error{Code::Internal, "the enclave's answer could not be read", {}});
    const auto decision = body->get("decision");
    return {rpc_code(*code), std::string(text->text()),
            data_of(name->text(), decision ? decision->raw() : std::string_view()),
            *code == Code::Overloaded || *code == Code::ShuttingDown};
}

RpcFault rpc_fault(const net::HttpResponse& refusal) {
    return rpc_fault_of_body(as_text(refusal.body));
}

bool is_json_type(std::string_view content_type) noexcept {
    const std::size_t semicolon = content_type.find(';');
    std::string_view parameter;
    if (semicolon != std::string_view::npos)
        parameter = trimmed(content_type.substr(semicolon + 1));
    return equal_ignoring_case(trimmed(content_type.substr(0, semicolon)), "application/json") &&
           (parameter.empty() || equal_ignoring_case(parameter, "charset=utf-8"));
}

bool looks_like_rpc(std::string_view body) noexcept {
    std::size_t at = body.find_first_not_of(kSpace);
    if (at == std::string_view::npos)
        return false;
    if (body[at] == '[')
        return true;
    if (body[at] != '{')
        return false;
    // The names of the outermost object.
    std::size_t depth = 0;
    bool name_next = true;
    while (at < body.size()) {
        const char c = body[at];
        if (c == '"') {
            const std::size_t end = after_string(body, at);
            if (end == std::string_view::npos)
                return false;
            if (depth == 1 && name_next && body.substr(at, end - at) == "\"jsonrpc\"")
                return true;
            name_next = false;
            at = end;
            continue;
        }
        if (c == '{' || c == '[')
            ++depth;
        else if (c == '}' || c == ']')
            --depth;
        else if (c == ',' && depth == 1)
            name_next = true;
        if (depth == 0)
            return false;
        ++at;
    }
    return false;
}

std::expected<RpcBody, RpcFault> parse_rpc(json::Document& document, std::string_view body) {
    const auto root = document.parse(body);
    if (!root)
        return std::unexpected(parse_fault(root.error()));
    RpcBody out;
    out.batch = root->is_array();
    if (!out.batch) {
        out.calls.resize(1);
        out.calls[0].fault = read_call(*root, out.calls[0]);
        return out;
    }
    if (root->size() == 0)
        return std::unexpected(fault(kRpcInvalidRequest, Code::BadRequest, "the batch has no calls"));
    if (root->size() > kMaxRpcBatch)
        return std::unexpected(
            fault(kRpcInvalidRequest, Code::TooLarge, "the batch has more than 1,000 calls; send several"));
    out.calls.resize(root->size());
    std::size_t i = 0;
    for (const json::Value value : *root) {
        out.calls[i].fault = read_call(value, out.calls[i]);
        ++i;
    }
    return out;
}

std::string rpc_answer(std::string_view id, std::string_view result) {
    constexpr std::size_t kAround = 48; // more than the rest has
    std::string out;
    out.reserve(id.size() + result.size() + kAround);
    json::Writer writer(out);
    writer.begin_object().member("jsonrpc", "2.0").key("id").raw(id).key("result").raw(result).end_object();
    return out;
}

std::string rpc_answer(std::string_view id, const RpcFault& fault) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("jsonrpc", "2.0").key("id").raw(id).key("error").begin_object();
    writer.key("code").number(fault.code).member("message", fault.message);
    if (!fault.data.empty())
        writer.key("data").raw(fault.data);
    writer.end_object().end_object();
    return out;
}

} // namespace redoubt::gateway
