// SPDX-License-Identifier: Apache-2.0
#include "policy/document.h"

#include "base/json.h"
#include "crypto/hash.h"

#include <algorithm>

namespace redoubt::policy {

namespace {

constexpr std::size_t kMaxId = 64;
constexpr std::uint64_t kLastTime = 9'007'199'254'740'991; // 2^53 - 1

std::unexpected<Error> invalid(FixedText text) {
    return fail(Code::InvalidField, text);
}

bool valid_id(std::string_view id) noexcept {
    return !id.empty() && id.size() <= kMaxId && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    });
}

// "0x" and 64 digits in lower case: one key, one spelling, so one digest.
std::optional<ByteArray<32>> read_key(const json::Value& value) noexcept {
    ByteArray<32> out;
    const std::string_view text = value.is_string() ? value.text() : std::string_view();
    if (!text.starts_with("0x") || !from_hex_exact(text.substr(2), out) ||
        std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; }))
        return std::nullopt;
    return out;
}

bool is_text(const std::optional<json::Value>& value, std::string_view text) noexcept {
    return value && value->is_string() && value->text() == text;
}

// A rule that this version would not evaluate must not look as if it did.
Status check_rules(const std::optional<json::Value>& rules) {
    if (rules && rules->is_array() && rules->size() == 1) {
        const json::Value rule = *rules->begin();
        if (json::check_members(rule, {"effect", "name"}) && is_text(rule.get("effect"), "allow") &&
            is_text(rule.get("name"), "open"))
            return {};
    }
    return invalid("policy: rules must be exactly [{\"effect\":\"allow\",\"name\":\"open\"}], the one rule "
                   "that this version evaluates");
}

Result<std::vector<ExportRecipient>> read_recipients(const json::Value& list) {
    std::vector<ExportRecipient> out;
    // An empty list would be a second document that says the same as none.
    if (!list.is_array() || list.size() == 0 || list.size() > kMaxRecipients)
        return invalid("policy: export_recipients must be a list of 1 to 16 recipients, or left out");
    for (const auto entry : list) {
        const auto id = entry.get("id");
        const auto public_key = entry.get("public_key");
        if (!json::check_members(entry, {"id", "public_key"}))
            return invalid("policy: export_recipients[] has id and public_key, and nothing else");
        if (!id || !id->is_string() || !valid_id(id->text()))
            return invalid("policy: export_recipients[].id must be 1 to 64 of A-Z a-z 0-9 . _ -");
        const auto key = public_key ? read_key(*public_key) : std::nullopt;
        if (!key)
            return invalid("policy: export_recipients[].public_key must be an X25519 key: 0x and 64 hex "
                           "digits in lower case");
        for (const auto& other : out)
            if (other.id == id->text() || other.public_key == *key)
                return invalid("policy: export_recipients names a recipient twice");
        out.push_back({std::string(id->text()), *key});
    }
    return out;
}

} // namespace

const ExportRecipient* Document::find_recipient(std::string_view id) const noexcept {
    const auto found = std::find_if(export_recipients.begin(), export_recipients.end(),
                                    [&](const auto& recipient) { return recipient.id == id; });
    return found == export_recipients.end() ? nullptr : &*found;
}

Result<Document> parse_document(std::string_view text) {
    json::Document document;
    const auto root = document.parse(text, {.bytes = kMaxDocument, .depth = 4, .values = 256});
    if (!root)
        return invalid("the policy is not strict JSON of at most 64 KiB");
    if (!json::check_members(*root, {"redoubt_policy", "rules", "not_after", "export_recipients"}))
        return invalid("the policy has a member that this version does not know, or is no object");
    if (const auto version = root->get("redoubt_policy"); !version || version->u64() != 1)
        return invalid("policy: redoubt_policy must be 1");
    REDOUBT_CHECK(check_rules(root->get("rules")));
    Document out;
    if (const auto time = root->get("not_after")) {
        const auto ms = time->u64();
        if (!ms || *ms == 0 || *ms > kLastTime)
            return invalid(
                "policy: not_after must be milliseconds since 1970, an integer from 1 to 2^53 - 1");
        out.not_after = static_cast<UnixMs>(*ms);
    }
    if (const auto list = root->get("export_recipients")) {
        REDOUBT_TRY(out.export_recipients, read_recipients(*list));
    }
    REDOUBT_TRY(out.canonical, json::canonical(*root));
    out.digest = crypto::sha256(as_bytes(out.canonical));
    return out;
}

Result<Document> open_document(ByteView stored, const Hash32& digest) {
    if (crypto::sha256(stored) != digest)
        return fail(Code::RecordInvalid, "the policy that came with the key is not the one it is bound to");
    auto document = parse_document(as_text(stored));
    if (!document || document->canonical != as_text(stored))
        return fail(Code::PolicyRequired,
                    "the key's policy is one that this version does not evaluate: use a version that does");
    return document;
}

} // namespace redoubt::policy
