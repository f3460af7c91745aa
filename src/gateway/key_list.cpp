// SPDX-License-Identifier: Apache-2.0
#include "gateway/key_list.h"

#include "base/json.h"
#include "ethereum/address.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace redoubt::gateway {

namespace {

constexpr std::size_t kDefaultLimit = 100, kMaxLimit = 1'000;

Status take_member(KeyPage& page, std::string_view name, std::string_view value) {
    if (name == "limit") {
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), page.limit);
        if (error != std::errc() || end != value.data() + value.size() || page.limit < 1 ||
            page.limit > kMaxLimit)
            return fail(Code::InvalidField, "limit must be 1 to 1000");
        return {};
    }
    if (name == "after") {
        page.after = sealed::parse_key_id(value);
        if (!page.after)
            return fail(Code::InvalidField, "after must be a key id as the list gives it");
        return {};
    }
    return fail(Code::UnknownField, "the query members that this route knows are limit and after");
}

} // namespace

Result<KeyPage> parse_key_page(std::string_view query) {
    KeyPage page{kDefaultLimit, std::nullopt};
    bool seen_limit = false, seen_after = false;
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view member = query.substr(0, end);
        query.remove_prefix(end < query.size() ? end + 1 : end);
        const std::size_t equals = member.find('=');
        if (equals == std::string_view::npos)
            return fail(Code::UnknownField, "the query members that this route knows are limit and after");
        bool& seen = member.starts_with("limit=") ? seen_limit : seen_after;
        if (std::exchange(seen, true))
            return fail(Code::InvalidField, "a query member stands twice");
        REDOUBT_CHECK(take_member(page, member.substr(0, equals), member.substr(equals + 1)));
    }
    return page;
}

std::string key_page_json(const std::vector<store::StoredKey>& keys, std::size_t limit) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().key("keys").begin_array();
    const std::size_t shown = std::min(keys.size(), limit);
    for (std::size_t i = 0; i < shown; ++i) {
        const sealed::KeyHead& head = keys[i].head;
        writer.begin_object()
            .member("key_id", sealed::key_id_text(head.id))
            .member("address", ethereum::to_checksum(head.address))
            .member("algorithm", sealed::algorithm_name(head.algorithm))
            .member("vault_id", sealed::vault_id_text(head.vault))
            .member("policy_digest", to_hex(head.policy_digest))
            .member("epoch", head.epoch)
            .member("exportable", (head.flags & sealed::kFlagExportable) != 0)
            .member("raw_signing", (head.flags & sealed::kFlagRawSigning) != 0)
            .member("created", to_iso8601(head.created))
            .end_object();
    }
    writer.end_array();
    if (keys.size() > limit)
        writer.member("next", sealed::key_id_text(keys[limit - 1].head.id));
    writer.end_object();
    return out;
}

} // namespace redoubt::gateway
