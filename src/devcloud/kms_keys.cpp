// SPDX-License-Identifier: Apache-2.0
// CreateKey, DescribeKey, ListKeys, PutKeyPolicy, GetKeyPolicy. Limits: the KMS service model.
#include "devcloud/key_policy.h"
#include "devcloud/kms_operations.h"

#include <charconv>

namespace redoubt::devcloud {

namespace {

constexpr Size kKeyIdSize = {1, 2048};
constexpr Size kPolicySize = {1, 131'072};

void write_metadata(json::Writer& writer, const Settings& settings, const KeyRecord& key) {
    writer.begin_object()
        .member("AWSAccountId", settings.account)
        .member("KeyId", key.id)
        .member("Arn", key.arn)
        .key("CreationDate")
        .raw(epoch_seconds(key.created))
        .member("Enabled", key.enabled)
        .member("Description", key.description)
        .member("KeyUsage", "ENCRYPT_DECRYPT")
        .member("KeyState", key.enabled ? "Enabled" : "Disabled")
        .member("Origin", "AWS_KMS")
        .member("KeyManager", "CUSTOMER")
        .member("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT")
        .member("KeySpec", "SYMMETRIC_DEFAULT")
        .key("EncryptionAlgorithms")
        .begin_array()
        .string("SYMMETRIC_DEFAULT")
        .end_array()
        .member("MultiRegion", false)
        .member("CurrentKeyMaterialId", key.material_id)
        .end_object();
}

// Members of which devcloud has one value only.
Reply<void> check_only_value(const Input& input, std::string_view member, std::string_view only) {
    REDOUBT_TRY(const auto value, input.string(member, {1, 256}));
    if (value && *value != only)
        return refuse("UnsupportedOperationException", "devcloud makes keys with " + std::string(member) +
                                                           " " + std::string(only) + " only, not " + *value +
                                                           ".");
    return {};
}

Reply<KeyRecord> authorised_key(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(auto key, find_key(kms, key_id));
    REDOUBT_CHECK(authorise(kms, key, {}, std::nullopt));
    return key;
}

Reply<void> check_policy_name(const Input& input) {
    REDOUBT_TRY(const auto name, input.string("PolicyName", {1, 128}));
    if (name && *name != "default")
        return refuse("NotFoundException", "No such policy exists");
    return {};
}

} // namespace

Reply<std::string> create_key(KmsCall& kms) {
    REDOUBT_CHECK(authorise_by_iam(kms));
    const auto& input = kms.input;
    const auto& settings = kms.cloud.settings;
    if (input.member("KeySpec") && input.member("CustomerMasterKeySpec"))
        return refuse_input("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
                            "CustomerMasterKeySpec is deprecated.");
    REDOUBT_CHECK(check_only_value(input, "KeySpec", "SYMMETRIC_DEFAULT"));
    REDOUBT_CHECK(check_only_value(input, "CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"));
    REDOUBT_CHECK(check_only_value(input, "KeyUsage", "ENCRYPT_DECRYPT"));
    REDOUBT_CHECK(check_only_value(input, "Origin", "AWS_KMS"));
    REDOUBT_TRY(const bool multi_region, input.boolean("MultiRegion"));
    if (multi_region || input.member("CustomKeyStoreId") || input.member("XksKeyId"))
        return refuse("UnsupportedOperationException",
                      "devcloud makes neither multi-Region keys nor keys in custom key stores.");
    REDOUBT_TRY(auto description, input.string("Description", {0, 8192}));
    REDOUBT_TRY(auto policy, input.string("Policy", kPolicySize));
    REDOUBT_TRY(const bool bypass, input.boolean("BypassPolicyLockoutSafetyCheck"));
    REDOUBT_TRY(const auto tags, input.tags("Tags", "TagKey", "TagValue", "TagException"));

    KeyRecord key;
    key.id = random_uuid(kms.cloud.random);
    key.arn = "arn:aws:kms:" + settings.region + ":" + settings.account + ":key/" + key.id;
    key.created = kms.call.now;
    key.description = description.value_or("");
    key.policy = policy ? std::move(*policy) : default_key_policy(settings.account);
    key.material_id = to_hex(kms.cloud.random.array<32>());
    REDOUBT_CHECK(check_new_policy(kms, key.policy, key.arn, bypass));
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.create(key, kms.cloud.random.secret(32), tags)));
    kms.event.key_arn = key.arn;

    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("KeyMetadata");
    write_metadata(writer, settings, key);
    writer.end_object();
    return body;
}

Reply<std::string> describe_key(KmsCall& kms) {
    REDOUBT_TRY(const auto key, authorised_key(kms));
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("KeyMetadata");
    write_metadata(writer, kms.cloud.settings, key);
    writer.end_object();
    return body;
}

Reply<std::string> list_keys(KmsCall& kms) {
    REDOUBT_CHECK(authorise_by_iam(kms));
    REDOUBT_TRY(const auto limit, kms.input.integer("Limit", 1, 1000));
    REDOUBT_TRY(const auto marker, kms.input.string("Marker", {1, 1024}));
    // The marker is the sequence number of the last key told.
    std::int64_t after = 0;
    if (marker) {
        const auto* end = marker->data() + marker->size();
        const auto [rest, error] = std::from_chars(marker->data(), end, after);
        if (error != std::errc{} || rest != end || after < 0)
            return refuse("InvalidMarkerException", "Could not deserialize marker");
    }
    const std::size_t wanted = limit.value_or(100);
    REDOUBT_TRY(auto keys, or_internal(kms.cloud.state.keys.list(after, wanted + 1)));
    const bool truncated = keys.size() > wanted;
    if (truncated)
        keys.pop_back();

    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("Keys").begin_array();
    for (const auto& key : keys)
        writer.begin_object().member("KeyId", key.id).member("KeyArn", key.arn).end_object();
    writer.end_array();
    if (truncated)
        writer.member("NextMarker", std::to_string(keys.back().sequence));
    writer.member("Truncated", truncated).end_object();
    return body;
}

Reply<std::string> put_key_policy(KmsCall& kms) {
    REDOUBT_TRY(const auto policy, kms.input.required_string("Policy", kPolicySize));
    REDOUBT_TRY(const bool bypass, kms.input.boolean("BypassPolicyLockoutSafetyCheck"));
    REDOUBT_CHECK(check_policy_name(kms.input));
    REDOUBT_TRY(const auto key, authorised_key(kms));
    REDOUBT_CHECK(check_new_policy(kms, policy, key.arn, bypass));
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.set_policy(key.id, policy)));
    return "";
}

Reply<std::string> get_key_policy(KmsCall& kms) {
    REDOUBT_CHECK(check_policy_name(kms.input));
    REDOUBT_TRY(const auto key, authorised_key(kms));
    std::string body;
    json::Writer(body)
        .begin_object()
        .member("Policy", key.policy)
        .member("PolicyName", "default")
        .end_object();
    return body;
}

} // namespace redoubt::devcloud
