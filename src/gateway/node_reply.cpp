// SPDX-License-Identifier: Apache-2.0
#include "gateway/node_reply.h"

#include "base/json.h"
#include "base/utf8.h"

#include <charconv>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kMaxMessage = 1'024;
// A block with all its transactions has some hundred thousand values.
constexpr json::Limits kLimits{NodeClient::kMaxReply, 64, 1u << 20};
constexpr FixedText kNoAnswer = "the node's answer is no JSON-RPC answer; check that the address is a node's";

// At most `most` bytes, and no half character at the end.
std::string cut(std::string_view text, std::size_t most) {
    text = text.substr(0, most);
    std::size_t whole = 0;
    while (whole < text.size()) {
        const std::size_t length = utf8_length(text, whole);
        if (length == 0)
            break;
        whole += length;
    }
    return std::string(text.substr(0, whole));
}

bool is_busy(int status) noexcept {
    return status == 401 || status == 403 || status == 429 || status >= 500;
}

std::unexpected<Error> no_answer(int status) {
    if (is_busy(status))
        return fail(Code::NodeUnavailable, "the node does not serve this gateway now",
                    "HTTP status " + std::to_string(status));
    return fail(Code::NodeRefused, kNoAnswer, "HTTP status " + std::to_string(status));
}

Result<NodeReply::Refusal> read_error(const json::Value& error) {
    const auto code = error.get("code");
    const auto message = error.get("message");
    if (!error.is_object() || !code || !code->is_number())
        return fail(Code::NodeRefused, kNoAnswer);
    NodeReply::Refusal out;
    const std::string_view digits = code->text();
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), out.code);
    if (failed != std::errc() || end != digits.data() + digits.size())
        return fail(Code::NodeRefused, kNoAnswer);
    if (message && message->is_string())
        out.message = cut(message->text(), kMaxMessage);
    if (const auto data = error.get("data"); data && !data->is_null())
        out.data = data->raw();
    return out;
}

} // namespace

std::string node_request(std::uint64_t id, std::string_view method, std::string_view params) {
    std::string out;
    json::Writer(out)
        .begin_object()
        .member("jsonrpc", "2.0")
        .member("id", id)
        .member("method", method)
        .key("params")
        .raw(params)
        .end_object();
    return out;
}

Result<NodeReply> read_node_reply(int status, std::string_view body, std::uint64_t id) {
    json::Document document;
    const auto root = document.parse(body, kLimits);
    if (!root || !root->is_object())
        return no_answer(status);
    const auto version = root->get("jsonrpc");
    const auto result = root->get("result");
    auto error = root->get("error");
    // Some nodes say both of a success.
    if (error && error->is_null() && result)
        error.reset();
    const auto echoed = root->get("id");
    if (!version || version->text() != "2.0" || !version->is_string() ||
        (result.has_value() == error.has_value()))
        return no_answer(status);
    // A node that could not read the id answers null: that is an error's only.
    if (!echoed || !(echoed->u64() == id || (error && echoed->is_null())))
        return no_answer(status);
    NodeReply out;
    if (error) {
        REDOUBT_TRY(auto refusal, read_error(*error));
        if (status == 429 || status >= 500)
            return fail(Code::NodeUnavailable, "the node does not serve this gateway now",
                        "HTTP status " + std::to_string(status));
        out.error = std::move(refusal);
        return out;
    }
    if (status != 200)
        return no_answer(status);
    out.result = result->raw();
    return out;
}

} // namespace redoubt::gateway
