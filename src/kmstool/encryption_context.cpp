// SPDX-License-Identifier: Apache-2.0
#include "kmstool/encryption_context.h"

#include "base/json.h"
#include "base/utf8.h"

namespace redoubt::kmstool {

namespace {

Status add_pair(std::string_view key, std::string_view value, aws::EncryptionContext& context) {
    if (key.empty())
        return fail(Code::Usage, "--encryption-context has a pair without a key");
    if (!is_utf8(key) || !is_utf8(value))
        return fail(Code::Usage, "--encryption-context is not UTF-8");
    if (!context.emplace(key, value).second)
        return fail(Code::Usage, "--encryption-context has a key twice");
    return {};
}

Status add_json(std::string_view text, aws::EncryptionContext& context) {
    json::Document document;
    const auto root =
        document.parse(text, {.bytes = 8 * kMaxContextBytes, .depth = 1, .values = kMaxContextBytes});
    if (!root || !root->is_object())
        return fail(Code::Usage, "--encryption-context begins with { and is not a JSON object of strings");
    for (const json::Value member : *root) {
        if (!member.is_string())
            return fail(Code::Usage,
                        "--encryption-context begins with { and is not a JSON object of strings");
        REDOUBT_CHECK(add_pair(member.name(), member.text(), context));
    }
    return {};
}

} // namespace

Status add_encryption_context(std::string_view value, aws::EncryptionContext& context) {
    if (value.empty())
        return fail(Code::Usage, "--encryption-context is empty");
    if (value.size() > 8 * kMaxContextBytes)
        return fail(Code::Usage, "--encryption-context has more than 8192 bytes of keys and values");
    if (value.front() == '{') {
        REDOUBT_CHECK(add_json(value, context));
    } else {
        for (std::size_t at = 0; at <= value.size();) {
            const std::size_t end = std::min(value.find(',', at), value.size());
            const std::string_view pair = value.substr(at, end - at);
            const std::size_t equals = pair.find('=');
            if (equals == pair.npos)
                return fail(Code::Usage, "--encryption-context takes KEY=VALUE[,KEY=VALUE] or a JSON object");
            REDOUBT_CHECK(add_pair(pair.substr(0, equals), pair.substr(equals + 1), context));
            at = end + 1;
        }
    }
    std::size_t bytes = 0;
    for (const auto& [name, text] : context)
        bytes += name.size() + text.size();
    if (bytes > kMaxContextBytes)
        return fail(Code::Usage, "--encryption-context has more than 8192 bytes of keys and values");
    return {};
}

} // namespace redoubt::kmstool
