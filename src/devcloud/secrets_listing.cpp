// SPDX-License-Identifier: Apache-2.0
#include "devcloud/pattern.h"
#include "devcloud/secrets_operations.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace redoubt::devcloud {

namespace {

constexpr std::uint64_t kMaxPage = 100;
constexpr Size kTokenSize = {1, 4096};
constexpr Size kFilterCount = {0, 10}, kFilterValues = {1, 10}, kFilterValueSize = {0, 512};

std::unexpected<ServiceError> bad_token() {
    return refuse("InvalidNextTokenException", "Invalid token");
}

struct Listed {
    SecretRecord secret;
    Tags tags;
};

struct Filter {
    std::string key;
    std::vector<std::string> values;
};

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool holds_ignoring_case(std::string_view text, std::string_view word) {
    for (std::size_t at = 0; at + word.size() <= text.size(); ++at)
        if (equal_ignoring_case(text.substr(at, word.size()), word))
            return true;
    return false;
}

// Filter key "all": each word of the value is somewhere in some attribute.
bool any_attribute_holds(const Listed& entry, std::string_view value) {
    while (!value.empty()) {
        const auto word = value.substr(0, value.find(' '));
        value.remove_prefix(std::min(value.size(), word.size() + 1));
        const auto in = [&](std::string_view text) { return holds_ignoring_case(text, word); };
        if (!word.empty() && !in(entry.secret.name) && !in(entry.secret.description) &&
            std::none_of(entry.tags.begin(), entry.tags.end(),
                         [&](const auto& tag) { return in(tag.first) || in(tag.second); }))
            return false;
    }
    return true;
}

bool matches_value(const Listed& entry, std::string_view key, std::string_view value) {
    const auto some_tag = [&](auto&& matches) {
        return std::any_of(entry.tags.begin(), entry.tags.end(), matches);
    };
    if (key == "name")
        return entry.secret.name.starts_with(value);
    if (key == "description")
        return starts_with_ignoring_case(entry.secret.description, value);
    if (key == "tag-key")
        return some_tag([&](const auto& tag) { return tag.first.starts_with(value); });
    if (key == "tag-value")
        return some_tag([&](const auto& tag) { return tag.second.starts_with(value); });
    if (key == "all")
        return any_attribute_holds(entry, value);
    return false; // primary-region, owning-service: no secret here has one
}

// One of the values fits, or one that begins with '!' does not.
bool passes(const Listed& entry, const Filter& filter) {
    return std::any_of(filter.values.begin(), filter.values.end(), [&](std::string_view value) {
        const bool negated = value.starts_with('!');
        if (negated)
            value.remove_prefix(1);
        return matches_value(entry, filter.key, value) != negated;
    });
}

Reply<std::vector<Filter>> read_filters(const Input& input) {
    static constexpr std::array<std::string_view, 7> kKeys = {
        "description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"};
    std::vector<Filter> filters;
    const auto list = input.member("Filters");
    if (!list)
        return filters;
    if (!list->is_array())
        return refuse("SerializationException", "The member 'Filters' must be an array");
    if (list->size() > kFilterCount.max)
        return refuse_value("", "Filters", "Member must have length less than or equal to 10");
    for (const auto element : *list) {
        if (!element.is_object())
            return refuse("SerializationException", "The member 'Filters' must be an array of objects");
        const Input filter(element);
        REDOUBT_TRY(auto key, filter.string("Key", {0, 64}));
        if (!key || std::find(kKeys.begin(), kKeys.end(), *key) == kKeys.end())
            return refuse_value(key.value_or(""), "filters",
                                "Member must satisfy enum value set: [all, name, tag-key, description, "
                                "tag-value, primary-region, owning-service]");
        REDOUBT_TRY(auto values, filter.strings("Values", kFilterValues));
        if (values.empty())
            return refuse("InvalidParameterException", "Invalid filter values for key: " + *key);
        for (const auto& value : values)
            if (value.size() > kFilterValueSize.max)
                return refuse_value("", "filters", "Member must have length less than or equal to 512");
        filters.push_back({std::move(*key), std::move(values)});
    }
    return filters;
}

Reply<void> sort_secrets(const Input& input, std::vector<Listed>& secrets) {
    REDOUBT_TRY(const auto order, input.string("SortOrder", {0, 16}));
    REDOUBT_TRY(const auto by, input.string("SortBy", {0, 32}));
    if (order && *order != "asc" && *order != "desc")
        return refuse_value(*order, "SortOrder", "Member must satisfy enum value set: [asc, desc]");
    const auto sort_by = [&](auto field) {
        std::stable_sort(secrets.begin(), secrets.end(),
                         [&](const Listed& a, const Listed& b) { return field(a.secret) < field(b.secret); });
    };
    if (by && *by == "name")
        sort_by([](const SecretRecord& secret) -> const std::string& { return secret.name; });
    else if (by && *by == "last-changed-date")
        sort_by([](const SecretRecord& secret) { return secret.changed; });
    else if (by && *by == "last-accessed-date")
        sort_by([](const SecretRecord& secret) { return secret.accessed; });
    else if (by && *by != "created-date")
        return refuse_value(*by, "SortBy",
                            "Member must satisfy enum value set: [created-date, last-accessed-date, "
                            "last-changed-date, name]");
    if (order && *order == "desc")
        std::reverse(secrets.begin(), secrets.end());
    return {};
}

Reply<void> write_description(SecretsCall& secrets, json::Writer& writer, const Listed& entry,
                              std::string_view stages_member) {
    const auto& secret = entry.secret;
    REDOUBT_TRY(const auto versions, or_internal(secrets.store().stages_by_version(secret.arn)));
    writer.begin_object().member("ARN", secret.arn).member("Name", secret.name);
    if (!secret.description.empty())
        writer.member("Description", secret.description);
    if (!secret.kms_key_id.empty())
        writer.member("KmsKeyId", secret.kms_key_id);
    writer.key("LastChangedDate").raw(epoch_seconds(secret.changed));
    if (secret.accessed != 0)
        writer.key("LastAccessedDate").raw(epoch_seconds(secret.accessed));
    if (secret.deletion != 0)
        writer.key("DeletedDate").raw(epoch_seconds(secret.deletion));
    writer.key("CreatedDate").raw(epoch_seconds(secret.created));
    writer.key("Tags").begin_array();
    for (const auto& [name, value] : entry.tags)
        writer.begin_object().member("Key", name).member("Value", value).end_object();
    writer.end_array();
    writer.key(stages_member).begin_object();
    for (const auto& [id, stages] : versions) {
        writer.key(id);
        write_strings(writer, stages);
    }
    writer.end_object().end_object();
    return {};
}

} // namespace

Reply<std::string> describe_secret(SecretsCall& secrets) {
    REDOUBT_TRY(auto secret, find_secret(secrets, Deleted::Allowed));
    REDOUBT_TRY(auto tags, or_internal(secrets.store().tags(secret.arn)));
    std::string body;
    json::Writer writer(body);
    REDOUBT_CHECK(
        write_description(secrets, writer, {std::move(secret), std::move(tags)}, "VersionIdsToStages"));
    return body;
}

Reply<std::string> list_secrets(SecretsCall& secrets) {
    const auto& input = secrets.input;
    REDOUBT_TRY(const auto limit, input.integer("MaxResults", 1, kMaxPage));
    REDOUBT_TRY(const auto token, input.string("NextToken", kTokenSize));
    REDOUBT_TRY(const bool with_deleted, input.boolean("IncludePlannedDeletion"));
    REDOUBT_TRY(const auto filters, read_filters(input));
    REDOUBT_CHECK(authorise_by_identity(secrets, "*"));

    REDOUBT_TRY(auto found,
                or_internal(secrets.store().list(secrets.call.principal.account, secrets.call.region)));
    std::vector<Listed> listed;
    for (auto& secret : found) {
        if (secret.deletion != 0 && !with_deleted)
            continue;
        REDOUBT_TRY(auto tags, or_internal(secrets.store().tags(secret.arn)));
        Listed entry{std::move(secret), std::move(tags)};
        if (std::all_of(filters.begin(), filters.end(),
                        [&](const Filter& filter) { return passes(entry, filter); }))
            listed.push_back(std::move(entry));
    }
    REDOUBT_CHECK(sort_secrets(input, listed));

    // The token is the sequence number of the last secret told, which stays when others come and go.
    auto next = listed.begin();
    if (token) {
        std::int64_t last = 0;
        const auto* end = token->data() + token->size();
        const auto [rest, error] = std::from_chars(token->data(), end, last);
        if (error != std::errc{} || rest != end || last < 0)
            return bad_token();
        const bool by_creation = !input.member("SortBy") && !input.member("SortOrder");
        next = std::find_if(listed.begin(), listed.end(), [&](const Listed& entry) {
            return by_creation ? entry.secret.sequence > last : entry.secret.sequence == last;
        });
        if (!by_creation) {
            if (next == listed.end())
                return bad_token();
            ++next;
        }
    }
    std::uint64_t left = limit.value_or(kMaxPage);
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("SecretList").begin_array();
    std::int64_t last = 0;
    for (; next != listed.end() && left > 0; ++next, --left) {
        REDOUBT_CHECK(write_description(secrets, writer, *next, "SecretVersionsToStages"));
        last = next->secret.sequence;
    }
    writer.end_array();
    if (next != listed.end())
        writer.member("NextToken", std::to_string(last));
    writer.end_object();
    return body;
}

Reply<std::string> list_secret_version_ids(SecretsCall& secrets) {
    const auto& input = secrets.input;
    REDOUBT_TRY(const auto limit, input.integer("MaxResults", 1, kMaxPage));
    REDOUBT_TRY(const auto token, input.string("NextToken", kTokenSize));
    REDOUBT_TRY(const bool deprecated, input.boolean("IncludeDeprecated"));
    REDOUBT_TRY(const auto secret, find_secret(secrets, Deleted::Allowed));
    REDOUBT_TRY(const auto versions, or_internal(secrets.store().versions(secret.arn)));
    REDOUBT_TRY(auto stages, or_internal(secrets.store().stages_by_version(secret.arn)));

    // The token is the id of the last version told.
    auto next = versions.begin();
    if (token) {
        next = std::find_if(versions.begin(), versions.end(),
                            [&](const SecretVersionInfo& version) { return version.id == *token; });
        if (next == versions.end())
            return bad_token();
        ++next;
    }
    std::uint64_t left = limit.value_or(kMaxPage);
    std::string body, last;
    json::Writer writer(body);
    writer.begin_object().key("Versions").begin_array();
    bool more = false;
    for (; next != versions.end(); ++next) {
        const auto& standing = stages[next->id];
        if (standing.empty() && !deprecated)
            continue;
        if (left-- == 0) {
            more = true;
            break;
        }
        writer.begin_object().member("VersionId", next->id);
        if (!standing.empty()) {
            writer.key("VersionStages");
            write_strings(writer, standing);
        }
        writer.key("CreatedDate").raw(epoch_seconds(next->created));
        writer.key("KmsKeyIds");
        write_strings(writer, {secret.kms_key_id.empty() ? "DefaultEncryptionKey" : secret.kms_key_id});
        writer.end_object();
        last = next->id;
    }
    writer.end_array();
    if (more)
        writer.member("NextToken", last);
    writer.member("ARN", secret.arn).member("Name", secret.name).end_object();
    return body;
}

} // namespace redoubt::devcloud
