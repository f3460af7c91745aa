// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include "store/names.h"

#include <algorithm>

namespace redoubt::store {

bool KeyFilter::matches(const sealed::KeyHead& head) const {
    return (!vault || head.vault == *vault) && (!address || head.address == *address) &&
           (!state || head.state == *state) && (!label || head.label == *label) &&
           std::ranges::all_of(tags, [&](const sealed::Tag& tag) {
               return std::ranges::find(head.tags, tag) != head.tags.end();
           });
}

std::vector<Result<std::optional<Bytes>>> Store::get_keys(std::span<const sealed::KeyId> ids) {
    std::vector<Result<std::optional<Bytes>>> out;
    out.reserve(ids.size());
    for (const auto& id : ids)
        out.push_back(get_key(id));
    return out;
}

bool valid_secrets_prefix(std::string_view prefix) noexcept {
    const auto allowed = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               std::string_view("/_+=.@-").find(c) != std::string_view::npos;
    };
    return !prefix.empty() && prefix.size() <= kMaxSecretsPrefix && std::ranges::all_of(prefix, allowed);
}

std::optional<std::string> secrets_store_prefix(const std::string& target) {
    if (!target.starts_with(kSecretsTarget))
        return std::nullopt;
    std::string prefix = target.substr(kSecretsTarget.size());
    if (!valid_secrets_prefix(prefix))
        return std::nullopt;
    return prefix;
}

Result<std::unique_ptr<Store>> open_store(const std::string& target) {
    if (target.starts_with("postgresql://") || target.starts_with("postgres://"))
        return open_postgres_store(target);
    // Never taken for a file: a misspelt prefix would quietly make a SQLite store of that name.
    if (target.starts_with(kSecretsTarget)) {
        if (!secrets_store_prefix(target))
            return bad_secrets_prefix();
        return fail(
            Code::StoreFailed,
            "a store in Secrets Manager needs an AWS region and credentials; only the gateway opens it");
    }
    return open_sqlite_store(target);
}

} // namespace redoubt::store
