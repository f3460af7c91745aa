// SPDX-License-Identifier: Apache-2.0
// TagResource, UntagResource, ListResourceTags.
#include "devcloud/kms_operations.h"

namespace redoubt::devcloud {

namespace {

constexpr std::size_t kMaxTags = 50; // AWS KMS developer guide, "Quotas"

std::unexpected<ServiceError> reserved() {
    return refuse("TagException", "Tags beginning with aws: are reserved.");
}

} // namespace

Reply<std::string> tag_resource(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    if (!kms.input.member("Tags"))
        return refuse_value("null", "Tags", "Member must not be null");
    REDOUBT_TRY(const auto tags, kms.input.tags("Tags", "TagKey", "TagValue", "TagException"));
    REDOUBT_TRY(const auto key, find_key(kms, key_id, Named::KeyOnly));
    KeyQuestion question;
    for (const auto& [name, value] : tags) {
        if (name.starts_with("aws:"))
            return reserved();
        question.values.add("aws:RequestTag/" + name, value);
        question.values.add("aws:TagKeys", name);
    }
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    REDOUBT_CHECK(check_not_pending(key));
    REDOUBT_TRY(auto all, or_internal(kms.cloud.state.keys.tags(key.id)));
    for (const auto& [name, value] : tags)
        all.insert_or_assign(name, value);
    if (all.size() > kMaxTags)
        return refuse("LimitExceededException", "A key has at most 50 tags.");
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.add_tags(key.id, tags)));
    return "";
}

Reply<std::string> untag_resource(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    if (!kms.input.member("TagKeys"))
        return refuse_value("null", "TagKeys", "Member must not be null");
    REDOUBT_TRY(const auto names, kms.input.strings("TagKeys", {0, kMaxTags}));
    REDOUBT_TRY(const auto key, find_key(kms, key_id, Named::KeyOnly));
    KeyQuestion question;
    for (const auto& name : names) {
        if (name.starts_with("aws:"))
            return reserved();
        if (name.empty() || name.size() > 128)
            return refuse_value(name, "TagKeys", "Member must have length between 1 and 128");
        question.values.add("aws:TagKeys", name);
    }
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    REDOUBT_CHECK(check_not_pending(key));
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.remove_tags(key.id, names)));
    return "";
}

Reply<std::string> list_resource_tags(KmsCall& kms) {
    REDOUBT_TRY(const auto page, read_page(kms, 50));
    REDOUBT_TRY(const auto key, authorised_key(kms));
    REDOUBT_TRY(const auto tags, or_internal(kms.cloud.state.keys.tags(key.id)));
    // Tags are told by name; the marker is how many were.
    struct Numbered {
        std::int64_t sequence;
        std::string name, value;
    };
    std::vector<Numbered> told;
    std::int64_t number = 0;
    for (const auto& [name, value] : tags)
        if (++number > page.after && told.size() <= page.limit)
            told.push_back({number, name, value});
    const bool truncated = cut_page(told, page);
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("Tags").begin_array();
    for (const auto& tag : told)
        writer.begin_object().member("TagKey", tag.name).member("TagValue", tag.value).end_object();
    writer.end_array();
    write_page_end(writer, told, truncated);
    return body;
}

} // namespace redoubt::devcloud
