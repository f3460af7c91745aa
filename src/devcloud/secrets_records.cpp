// SPDX-License-Identifier: Apache-2.0
#include "devcloud/secrets_operations.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

constexpr std::uint64_t kLeastDays = 7, kMostDays = 30;
constexpr UnixMs kDayMs = 24LL * 60 * 60 * 1000;
constexpr Size kPolicySize = {1, 20'480};
constexpr Size kTagKeySize = {1, 128};

std::unexpected<ServiceError> bad_parameter(std::string message) {
    return refuse("InvalidParameterException", std::move(message));
}

std::string write_deletion(const std::string& arn, const std::string& name, UnixMs date) {
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("ARN", arn).member("Name", name);
    writer.key("DeletionDate").raw(epoch_seconds(date)).end_object();
    return body;
}

// Forced deletion of what is not there is no error (DeleteSecret's documentation); somebody who may delete it
// is told an ARN of its form.
std::string write_deletion_of_nothing(SecretsCall& secrets, const std::string& id) {
    if (id.starts_with("arn:"))
        return write_deletion(id, id.substr(id.rfind(':') + 1), secrets.call.now);
    return write_deletion(secrets.arn_prefix() + id + "-" +
                              random_text(secrets.cloud.random, 6, kAlphanumeric),
                          id, secrets.call.now);
}

// Whether somebody from nowhere may do something: AWS's check is by automated reasoning, this one asks the
// policy about a caller that no policy can have meant.
Reply<bool> is_public(const Policy& policy, std::string_view arn) {
    static constexpr std::array<std::string_view, 4> kActions = {
        "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:DeleteSecret",
        "secretsmanager:PutResourcePolicy"};
    const auto nobody = user_principal("999999999999", "nobody-from-nowhere", "AIDAAAAAAAAAAAAAAAAAA");
    const ConditionValues none;
    for (const auto action : kActions) {
        const auto finding = policy.find({nobody, action, arn, none});
        if (finding.denied.empty() && !finding.named.empty())
            return true;
    }
    return false;
}

} // namespace

Reply<std::string> delete_secret(SecretsCall& secrets) {
    const auto& input = secrets.input;
    REDOUBT_TRY(const bool force, input.boolean("ForceDeleteWithoutRecovery"));
    REDOUBT_TRY(const auto id, input.required_string("SecretId", kSecretIdSize));
    const auto window = input.member("RecoveryWindowInDays");
    const auto days = window ? window->u64() : std::nullopt;
    if (window && !window->is_number())
        return refuse("SerializationException", "The member 'RecoveryWindowInDays' must be a number");
    if (force && window)
        return bad_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
    if (window && (!days || *days < kLeastDays || *days > kMostDays))
        return bad_parameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).");

    auto secret = find_secret(secrets, force ? Deleted::Allowed : Deleted::Refused);
    if (!secret) {
        if (force && secret.error().type == "ResourceNotFoundException")
            return write_deletion_of_nothing(secrets, id);
        return std::unexpected(std::move(secret.error()));
    }
    if (force) {
        REDOUBT_CHECK(or_internal(secrets.store().remove(secret->arn)));
        return write_deletion(secret->arn, secret->name, secrets.call.now);
    }
    secret->deletion = secrets.call.now + static_cast<UnixMs>(days.value_or(kMostDays)) * kDayMs;
    secret->changed = secrets.call.now;
    REDOUBT_CHECK(or_internal(secrets.store().update(*secret, nullptr, {})));
    return write_deletion(secret->arn, secret->name, secret->deletion);
}

Reply<std::string> restore_secret(SecretsCall& secrets) {
    REDOUBT_TRY(auto secret, find_secret(secrets, Deleted::Allowed));
    if (secret.deletion != 0) {
        secret.deletion = 0;
        secret.changed = secrets.call.now;
        REDOUBT_CHECK(or_internal(secrets.store().update(secret, nullptr, {})));
    }
    return write_identity(secret);
}

Reply<std::string> tag_resource(SecretsCall& secrets) {
    if (!secrets.input.member("Tags"))
        return refuse_input("1 validation error detected: Value null at 'tags' failed to satisfy constraint: "
                            "Member must not be null");
    REDOUBT_TRY(const auto added, secrets.input.tags("Tags", "Key", "Value", "InvalidParameterException"));
    REDOUBT_TRY(const auto secret, find_secret(secrets));
    REDOUBT_TRY(auto tags, or_internal(secrets.store().tags(secret.arn)));
    for (const auto& [name, value] : added) {
        if (name.starts_with("aws:"))
            return bad_parameter("Tag keys that begin with aws: are AWS's own.");
        tags[name] = value;
    }
    if (tags.size() > kMaxSecretTags)
        return bad_parameter("A secret can have at most 50 tags.");
    REDOUBT_CHECK(or_internal(secrets.store().set_tags(secret.arn, tags)));
    return "";
}

Reply<std::string> untag_resource(SecretsCall& secrets) {
    if (!secrets.input.member("TagKeys"))
        return refuse_input("1 validation error detected: Value null at 'tagKeys' failed to satisfy "
                            "constraint: Member must not be null");
    REDOUBT_TRY(const auto names, secrets.input.strings("TagKeys", {0, kMaxSecretTags}));
    for (const auto& name : names)
        if (name.size() < kTagKeySize.min || name.size() > kTagKeySize.max)
            return refuse_value(name, "TagKeys", "Member must have length between 1 and 128");
    REDOUBT_TRY(const auto secret, find_secret(secrets));
    REDOUBT_TRY(auto tags, or_internal(secrets.store().tags(secret.arn)));
    for (const auto& name : names)
        tags.erase(name);
    REDOUBT_CHECK(or_internal(secrets.store().set_tags(secret.arn, tags)));
    return "";
}

Reply<std::string> put_resource_policy(SecretsCall& secrets) {
    REDOUBT_TRY(const auto text, secrets.input.required_string("ResourcePolicy", kPolicySize));
    REDOUBT_TRY(const bool block, secrets.input.boolean("BlockPublicPolicy"));
    REDOUBT_TRY(auto secret, find_secret(secrets));
    REDOUBT_TRY(const auto policy, Policy::parse(text, PolicyKind::Secret));
    if (block) {
        REDOUBT_TRY(const bool open, is_public(policy, secret.arn));
        if (open)
            return refuse("PublicPolicyException", "The BlockPublicPolicy parameter is set to true, and the "
                                                   "resource policy did not prevent broad access to the "
                                                   "secret.");
    }
    secret.policy = text;
    REDOUBT_CHECK(or_internal(secrets.store().update(secret, nullptr, {})));
    return write_identity(secret);
}

Reply<std::string> get_resource_policy(SecretsCall& secrets) {
    REDOUBT_TRY(const auto secret, find_secret(secrets));
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("ARN", secret.arn).member("Name", secret.name);
    if (!secret.policy.empty())
        writer.member("ResourcePolicy", secret.policy);
    writer.end_object();
    return body;
}

Reply<std::string> delete_resource_policy(SecretsCall& secrets) {
    REDOUBT_TRY(auto secret, find_secret(secrets));
    secret.policy.clear();
    REDOUBT_CHECK(or_internal(secrets.store().update(secret, nullptr, {})));
    return write_identity(secret);
}

Reply<std::string> validate_resource_policy(SecretsCall& secrets) {
    REDOUBT_TRY(const auto text, secrets.input.required_string("ResourcePolicy", kPolicySize));
    std::string arn = "*";
    if (secrets.input.member("SecretId")) {
        REDOUBT_TRY(const auto secret, find_secret(secrets));
        arn = secret.arn;
    } else {
        REDOUBT_CHECK(authorise_by_identity(secrets, "*"));
    }
    REDOUBT_TRY(const auto policy, Policy::parse(text, PolicyKind::Secret));
    REDOUBT_TRY(const bool open, is_public(policy, arn));
    std::string body;
    json::Writer writer(body);
    writer.begin_object().member("PolicyValidationPassed", !open).key("ValidationErrors").begin_array();
    if (open)
        writer.begin_object()
            .member("CheckName", "PublicAccess")
            .member("ErrorMessage", "The policy gives access to everybody.")
            .end_object();
    writer.end_array().end_object();
    return body;
}

} // namespace redoubt::devcloud
