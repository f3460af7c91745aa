// SPDX-License-Identifier: Apache-2.0
// CreateKey, DescribeKey, ListKeys, UpdateKeyDescription. Limits: the KMS service model.
#include "devcloud/kms_operations.h"

#include <algorithm>
#include <array>

namespace redoubt::devcloud {

namespace {

constexpr Size kPolicySize = {1, 131'072};
constexpr Size kDescriptionSize = {0, 8192};

constexpr std::array<std::string_view, 17> kKeySpecs = {
    "RSA_2048",         "RSA_3072",      "RSA_4096",        "ECC_NIST_P256",
    "ECC_NIST_P384",    "ECC_NIST_P521", "ECC_SECG_P256K1", "HMAC_224",
    "HMAC_256",         "HMAC_384",      "HMAC_512",        "SM2",
    "ML_DSA_44",        "ML_DSA_65",     "ML_DSA_87",       "ECC_NIST_EDWARDS25519",
    "SYMMETRIC_DEFAULT"};
constexpr std::array<std::string_view, 4> kKeyUsages = {"SIGN_VERIFY", "ENCRYPT_DECRYPT",
                                                        "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"};
constexpr std::array<std::string_view, 4> kOrigins = {"AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM",
                                                      "EXTERNAL_KEY_STORE"};

std::string write_metadata(const KeyRecord& key) {
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("KeyMetadata").begin_object();
    writer.member("AWSAccountId", key.account)
        .member("KeyId", key.id)
        .member("Arn", key.arn)
        .key("CreationDate")
        .raw(epoch_seconds(key.created))
        .member("Enabled", key.enabled && !key.pending_deletion())
        .member("Description", key.description)
        .member("KeyUsage", "ENCRYPT_DECRYPT")
        .member("KeyState", key.pending_deletion() ? "PendingDeletion"
                            : key.enabled          ? "Enabled"
                                                   : "Disabled");
    if (key.pending_deletion())
        writer.key("DeletionDate").raw(epoch_seconds(key.deletion));
    writer.member("Origin", "AWS_KMS")
        .member("KeyManager", "CUSTOMER")
        .member("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT")
        .member("KeySpec", "SYMMETRIC_DEFAULT")
        .key("EncryptionAlgorithms")
        .begin_array()
        .string("SYMMETRIC_DEFAULT")
        .end_array()
        .member("MultiRegion", false)
        .member("CurrentKeyMaterialId", key.material_id)
        .end_object()
        .end_object();
    return body;
}

// Members of which devcloud has one value only.
template<std::size_t N>
Reply<void> check_only_value(const Input& input, std::string_view member, std::string_view only,
                             const std::array<std::string_view, N>& known) {
    REDOUBT_TRY(const auto value, input.string(member, {1, 256}));
    if (!value || *value == only)
        return {};
    if (std::find(known.begin(), known.end(), *value) == known.end()) {
        std::string set;
        for (const auto name : known)
            set += (set.empty() ? "" : ", ") + std::string(name);
        return refuse_value(*value, member, "Member must satisfy enum value set: [" + set + "]");
    }
    return refuse("UnsupportedOperationException", "devcloud makes keys with " + std::string(member) + " " +
                                                       std::string(only) + " only, not " + *value + ".");
}

} // namespace

Reply<std::string> create_key(KmsCall& kms) {
    const auto& input = kms.input;
    const auto& account = kms.call.principal.account;
    if (input.member("KeySpec") && input.member("CustomerMasterKeySpec"))
        return refuse_input("You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
                            "CustomerMasterKeySpec is deprecated.");
    REDOUBT_CHECK(check_only_value(input, "KeySpec", "SYMMETRIC_DEFAULT", kKeySpecs));
    REDOUBT_CHECK(check_only_value(input, "CustomerMasterKeySpec", "SYMMETRIC_DEFAULT", kKeySpecs));
    REDOUBT_CHECK(check_only_value(input, "KeyUsage", "ENCRYPT_DECRYPT", kKeyUsages));
    REDOUBT_CHECK(check_only_value(input, "Origin", "AWS_KMS", kOrigins));
    REDOUBT_TRY(const bool multi_region, input.boolean("MultiRegion"));
    if (multi_region || input.member("CustomKeyStoreId") || input.member("XksKeyId"))
        return refuse("UnsupportedOperationException",
                      "devcloud makes neither multi-Region keys nor keys in custom key stores.");
    REDOUBT_TRY(auto description, input.string("Description", kDescriptionSize));
    REDOUBT_TRY(auto policy, input.string("Policy", kPolicySize));
    REDOUBT_TRY(const bool bypass, input.boolean("BypassPolicyLockoutSafetyCheck"));
    REDOUBT_TRY(const auto tags, input.tags("Tags", "TagKey", "TagValue", "TagException"));

    ConditionValues values;
    values.add("kms:KeySpec", "SYMMETRIC_DEFAULT");
    values.add("kms:KeyUsage", "ENCRYPT_DECRYPT");
    values.add("kms:KeyOrigin", "AWS_KMS");
    values.add("kms:MultiRegion", "false");
    values.add("kms:BypassPolicyLockoutSafetyCheck", bypass ? "true" : "false");
    for (const auto& [name, value] : tags) {
        if (name.starts_with("aws:"))
            return refuse("TagException", "Tags beginning with aws: are reserved.");
        values.add("aws:RequestTag/" + name, value);
        values.add("aws:TagKeys", name);
    }
    REDOUBT_CHECK(authorise_by_iam(kms, "kms:CreateKey", "*", values));
    if (!tags.empty())
        REDOUBT_CHECK(authorise_by_iam(kms, "kms:TagResource", "*", values));

    KeyRecord key;
    key.id = random_uuid(kms.cloud.random);
    key.account = account;
    key.region = kms.call.region;
    key.arn = "arn:aws:kms:" + key.region + ":" + account + ":key/" + key.id;
    key.created = kms.call.now;
    key.description = description.value_or("");
    key.policy = policy ? std::move(*policy) : default_key_policy(account);
    key.material_id = to_hex(kms.cloud.random.array<32>());
    REDOUBT_CHECK(check_new_policy(kms, key.policy, key.arn, bypass));
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.create(key, kms.cloud.random.secret(32), tags)));
    kms.event.key_arn = key.arn;
    return write_metadata(key);
}

Reply<std::string> describe_key(KmsCall& kms) {
    REDOUBT_TRY(const auto key_id, kms.input.required_string("KeyId", kKeyIdSize));
    REDOUBT_TRY(const auto key, find_key(kms, key_id, Named::KeyOrAlias));
    KeyQuestion question;
    question.other_accounts = question.grantable = true;
    REDOUBT_CHECK(authorise(kms, key, std::move(question)));
    return write_metadata(key);
}

Reply<std::string> list_keys(KmsCall& kms) {
    REDOUBT_CHECK(authorise_by_iam(kms));
    REDOUBT_TRY(const auto page, read_page(kms, 100));
    REDOUBT_TRY(auto keys, or_internal(kms.cloud.state.keys.list(kms.call.principal.account, kms.call.region,
                                                                 {page.after, page.limit + 1})));
    const bool truncated = cut_page(keys, page);
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("Keys").begin_array();
    for (const auto& key : keys)
        writer.begin_object().member("KeyId", key.id).member("KeyArn", key.arn).end_object();
    writer.end_array();
    write_page_end(writer, keys, truncated);
    return body;
}

Reply<std::string> update_key_description(KmsCall& kms) {
    REDOUBT_TRY(const auto description, kms.input.required_string("Description", kDescriptionSize));
    REDOUBT_TRY(auto key, authorised_key(kms));
    REDOUBT_CHECK(check_not_pending(key));
    key.description = description;
    REDOUBT_CHECK(or_internal(kms.cloud.state.keys.update(key)));
    return "";
}

} // namespace redoubt::devcloud
