// SPDX-License-Identifier: Apache-2.0
// CreateAlias, UpdateAlias, DeleteAlias, ListAliases. An alias operation needs the permission on the alias
// (identity policies) and on each key it concerns (AWS KMS developer guide, "Controlling access to aliases").
#include "devcloud/kms_operations.h"

#include <algorithm>

namespace redoubt::devcloud {

namespace {

constexpr Size kAliasSize = {1, 256};
constexpr std::size_t kMaxAliases = 50; // per key; AWS KMS developer guide, "Quotas"
constexpr std::string_view kPrefix = "alias/";
constexpr std::string_view kAwsPrefix = "alias/aws/";

Reply<AliasRecord> read_alias(const KmsCall& kms, std::string_view wrong_type) {
    REDOUBT_TRY(const auto name, kms.input.required_string("AliasName", kAliasSize));
    const bool characters = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view(":/_-").find(c) != std::string_view::npos;
    });
    if (!characters)
        return refuse_value(name, "AliasName",
                            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$");
    if (!name.starts_with(kPrefix) || name.size() == kPrefix.size())
        return refuse(std::string(wrong_type), "Alias must start with the prefix \"alias/\". Please see "
                                               "https://docs.aws.amazon.com/kms/latest/developerguide/"
                                               "kms-alias.html");
    if (name.starts_with(kAwsPrefix))
        return refuse(wrong_type == "ValidationException" ? "AccessDeniedException" : std::string(wrong_type),
                      "Aliases of AWS managed keys cannot be changed.");
    AliasRecord alias;
    alias.account = kms.call.principal.account;
    alias.region = kms.call.region;
    alias.name = name;
    alias.created = alias.changed = kms.call.now;
    return alias;
}

// The key that an alias shall stand for.
Reply<KeyRecord> read_target(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("TargetKeyId", kKeyIdSize));
    if (key_id.starts_with("alias/") || key_id.find(":alias/") != std::string::npos)
        return refuse_input("Aliases must refer to keys. Not aliases");
    REDOUBT_TRY(auto key, find_key(kms, key_id, Named::KeyOnly));
    REDOUBT_CHECK(authorise(kms, key));
    REDOUBT_CHECK(check_not_pending(key));
    REDOUBT_TRY(const auto others,
                or_internal(kms.cloud.state.aliases.list(key.account, key.region, key.id, {0, kMaxAliases})));
    if (others.size() >= kMaxAliases)
        return refuse("LimitExceededException", "A key has at most 50 aliases.");
    return key;
}

Reply<AliasRecord> existing(const KmsCall& kms, const AliasRecord& alias) {
    REDOUBT_TRY(auto found,
                or_internal(kms.cloud.state.aliases.find(alias.account, alias.region, alias.name)));
    if (!found)
        return refuse("NotFoundException", "Alias " + alias.arn() + " is not found.");
    return std::move(*found);
}

// The permission on the key that the alias stands for.
Reply<void> authorise_target(KmsCall& kms, const AliasRecord& alias) {
    REDOUBT_TRY(const auto key, or_internal(kms.cloud.state.keys.find(alias.key_id)));
    if (!key)
        return refuse("NotFoundException", "Alias " + alias.arn() + " is not found.");
    kms.event.key_arn = key->arn;
    return authorise(kms, *key);
}

} // namespace

Reply<std::string> create_alias(KmsCall& kms) {
    REDOUBT_TRY(auto alias, read_alias(kms, "InvalidAliasNameException"));
    REDOUBT_CHECK(authorise_by_iam(kms, "", alias.arn()));
    REDOUBT_TRY(const auto key, read_target(kms));
    alias.key_id = key.id;
    REDOUBT_TRY(const bool created, or_internal(kms.cloud.state.aliases.create(alias)));
    if (!created)
        return refuse("AlreadyExistsException", "An alias with the name " + alias.arn() + " already exists");
    return "";
}

Reply<std::string> update_alias(KmsCall& kms) {
    REDOUBT_TRY(const auto asked, read_alias(kms, "ValidationException"));
    REDOUBT_CHECK(authorise_by_iam(kms, "", asked.arn()));
    REDOUBT_TRY(auto alias, existing(kms, asked));
    REDOUBT_CHECK(authorise_target(kms, alias));
    REDOUBT_TRY(const auto key, read_target(kms));
    alias.key_id = key.id;
    alias.changed = kms.call.now;
    REDOUBT_CHECK(or_internal(kms.cloud.state.aliases.point(alias)));
    return "";
}

Reply<std::string> delete_alias(KmsCall& kms) {
    REDOUBT_TRY(const auto asked, read_alias(kms, "ValidationException"));
    REDOUBT_CHECK(authorise_by_iam(kms, "", asked.arn()));
    REDOUBT_TRY(const auto alias, existing(kms, asked));
    REDOUBT_CHECK(authorise_target(kms, alias));
    REDOUBT_CHECK(or_internal(kms.cloud.state.aliases.remove(alias)));
    return "";
}

Reply<std::string> list_aliases(KmsCall& kms) {
    REDOUBT_CHECK(authorise_by_iam(kms));
    REDOUBT_TRY(const auto page, read_page(kms, 50));
    REDOUBT_TRY(const auto key_id, kms.input.string("KeyId", kKeyIdSize));
    const auto& account = kms.call.principal.account;
    std::string wanted;
    if (key_id) {
        REDOUBT_TRY(const auto key, find_key(kms, *key_id, Named::KeyOnly));
        if (key.account != account)
            return refuse("NotFoundException", "Key '" + key.arn + "' does not exist");
        wanted = key.id;
    }
    REDOUBT_TRY(auto aliases, or_internal(kms.cloud.state.aliases.list(account, kms.call.region, wanted,
                                                                       {page.after, page.limit + 1})));
    const bool truncated = cut_page(aliases, page);
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("Aliases").begin_array();
    for (const auto& alias : aliases)
        writer.begin_object()
            .member("AliasName", alias.name)
            .member("AliasArn", alias.arn())
            .member("TargetKeyId", alias.key_id)
            .key("CreationDate")
            .raw(epoch_seconds(alias.created))
            .key("LastUpdatedDate")
            .raw(epoch_seconds(alias.changed))
            .end_object();
    writer.end_array();
    write_page_end(writer, aliases, truncated);
    return body;
}

} // namespace redoubt::devcloud
