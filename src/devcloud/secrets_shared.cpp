// SPDX-License-Identifier: Apache-2.0
#include "devcloud/secrets_operations.h"

namespace redoubt::devcloud {

namespace {

// "-" and six characters end a secret's ARN.
constexpr std::size_t kSuffixSize = 7;

// "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"
struct SecretArn {
    std::string_view region, account, name;
};

std::optional<SecretArn> split_arn(std::string_view text) {
    constexpr std::string_view kPrefix = "arn:aws:secretsmanager:", kKind = "secret:";
    if (!text.starts_with(kPrefix))
        return std::nullopt;
    text.remove_prefix(kPrefix.size());
    const auto region = text.find(':');
    const auto account = region == std::string_view::npos ? region : text.find(':', region + 1);
    if (account == std::string_view::npos || !text.substr(account + 1).starts_with(kKind))
        return std::nullopt;
    return SecretArn{text.substr(0, region), text.substr(region + 1, account - region - 1),
                     text.substr(account + 1 + kKind.size())};
}

Reply<std::optional<SecretRecord>> look_up(SecretsCall& secrets, std::string_view id) {
    const auto& call = secrets.call;
    const auto arn = split_arn(id);
    if (!arn)
        return or_internal(secrets.store().find_by_name(call.principal.account, call.region, id));
    if (arn->region != call.region)
        return std::nullopt;
    REDOUBT_TRY(auto exact, or_internal(secrets.store().find_by_arn(id)));
    if (exact)
        return exact;
    REDOUBT_TRY(auto partial,
                or_internal(secrets.store().find_by_name(arn->account, arn->region, arn->name)));
    if (partial && partial->arn.size() == id.size() + kSuffixSize)
        return partial;
    return std::nullopt;
}

void add_tag_values(const Tags& tags, ConditionValues& values) {
    for (const auto& [name, value] : tags) {
        values.add("aws:ResourceTag/" + name, value);
        values.add("secretsmanager:ResourceTag/" + name, value);
    }
}

// What the request itself says, by condition key (Service Authorization Reference, "Condition keys for AWS
// Secrets Manager"); those of replication and rotation never occur here.
void add_request_values(const SecretsCall& secrets, ConditionValues& values) {
    for (const auto& [member, key] : {std::pair{"Name", "secretsmanager:Name"},
                                      {"Description", "secretsmanager:Description"},
                                      {"KmsKeyId", "secretsmanager:KmsKeyId"},
                                      {"VersionId", "secretsmanager:VersionId"},
                                      {"VersionStage", "secretsmanager:VersionStage"}})
        if (const auto value = secrets.input.member(member); value && value->is_string())
            values.add(key, std::string(value->text()));
    if (const auto days = secrets.input.member("RecoveryWindowInDays"); days && days->is_number())
        values.add("secretsmanager:RecoveryWindowInDays", std::string(days->text()));
    for (const auto& [member, key] :
         {std::pair{"ForceDeleteWithoutRecovery", "secretsmanager:ForceDeleteWithoutRecovery"},
          {"BlockPublicPolicy", "secretsmanager:BlockPublicPolicy"}})
        if (const auto flag = secrets.input.member(member); flag && flag->is_bool())
            values.add(key, flag->boolean() ? "true" : "false");
    if (const auto tags = secrets.input.member("Tags"); tags && tags->is_array())
        for (const auto tag : *tags) {
            const auto key = tag.get("Key"), value = tag.get("Value");
            if (!key || !key->is_string())
                continue;
            values.add("aws:TagKeys", std::string(key->text()));
            values.add("aws:RequestTag/" + std::string(key->text()),
                       std::string(value ? value->text() : std::string_view()));
        }
    if (const auto keys = secrets.input.member("TagKeys"); keys && keys->is_array())
        for (const auto key : *keys)
            values.add("aws:TagKeys", std::string(key.text()));
}

std::string action_of(const SecretsCall& secrets) {
    return "secretsmanager:" + std::string(secrets.call.operation);
}

} // namespace

std::string SecretsCall::arn_prefix() const {
    return "arn:aws:secretsmanager:" + call.region + ":" + call.principal.account + ":secret:";
}

std::unexpected<ServiceError> no_such_secret() {
    return refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
}

Reply<void> authorise_by_identity(SecretsCall& secrets, std::string_view arn) {
    ConditionValues values;
    add_caller_values(secrets.call, values);
    add_request_values(secrets, values);
    const Resource resource{arn, secrets.call.principal.account, ResourceRule::Identity, PolicyKind::Secret};
    return require_access(secrets.call.principal, action_of(secrets), resource, values);
}

Reply<SecretRecord> find_secret(SecretsCall& secrets, Deleted deleted) {
    REDOUBT_TRY(const auto id, secrets.input.required_string("SecretId", kSecretIdSize));
    REDOUBT_TRY(auto found, look_up(secrets, id));
    if (!found) {
        // Who may not ask does not learn whether it is there.
        const std::string asked = id.starts_with("arn:") ? id : secrets.arn_prefix() + id;
        REDOUBT_CHECK(authorise_by_identity(secrets, asked));
        return no_such_secret();
    }
    REDOUBT_TRY(const auto tags, or_internal(secrets.store().tags(found->arn)));
    ConditionValues values;
    add_caller_values(secrets.call, values);
    add_request_values(secrets, values);
    add_tag_values(tags, values);
    values.add("secretsmanager:SecretId", found->arn);
    const Resource resource{found->arn, found->account, ResourceRule::Independent, PolicyKind::Secret,
                            found->policy};
    REDOUBT_CHECK(require_access(secrets.call.principal, action_of(secrets), resource, values));
    if (deleted == Deleted::Refused && found->deletion != 0)
        return refuse("InvalidRequestException", "You can't perform this operation on the secret because it "
                                                 "was marked for deletion.");
    return std::move(*found);
}

void write_strings(json::Writer& writer, const std::vector<std::string>& values) {
    writer.begin_array();
    for (const auto& value : values)
        writer.string(value);
    writer.end_array();
}

std::string write_identity(const SecretRecord& secret, const std::string* version_id,
                           const std::vector<std::string>* stages) {
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("ARN", secret.arn).member("Name", secret.name);
    if (version_id != nullptr)
        writer.member("VersionId", *version_id);
    if (stages != nullptr && !stages->empty()) {
        writer.key("VersionStages");
        write_strings(writer, *stages);
    }
    writer.end_object();
    return body;
}

} // namespace redoubt::devcloud
