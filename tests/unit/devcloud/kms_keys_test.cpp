// SPDX-License-Identifier: Apache-2.0
// Keys' states, descriptions, tags, aliases and rotation.
#include "unit/devcloud/support.h"

namespace redoubt::devcloud::tests {
namespace {

class KmsKeys : public DevcloudTest {
  protected:
    static constexpr UnixMs kDay = 24LL * 60 * 60 * 1000;
    std::string state_of(const std::string& key) {
        return kms("DescribeKey", {{"KeyId", key}}).body["KeyMetadata"]["KeyState"];
    }
    Json encrypt(const std::string& key, const std::string& text = "eA==") {
        return kms("Encrypt", {{"KeyId", key}, {"Plaintext", text}}).body["CiphertextBlob"];
    }
    void expect_ok(const std::string& operation, const Json& input) {
        const auto answer = kms(operation, input);
        EXPECT_EQ(answer.status, 200) << operation << answer.text;
    }
    void expect_error(const std::string& operation, const Json& input, const std::string& type) {
        const auto answer = kms(operation, input);
        EXPECT_EQ(answer.status, 400) << operation;
        EXPECT_EQ(answer.type(), type) << operation << input << answer.text;
    }
    // Another key policy: everything but the action for the account, and that denied.
    void deny(const std::string& key, const std::string& action) {
        const Json policy = {{"Statement",
                              {{{"Sid", "All"},
                                {"Effect", "Allow"},
                                {"Principal", "*"},
                                {"Action", "kms:*"},
                                {"Resource", "*"}},
                               {{"Sid", "No"},
                                {"Effect", "Deny"},
                                {"Principal", "*"},
                                {"Action", action},
                                {"Resource", "*"}}}}};
        expect_ok("PutKeyPolicy",
                  {{"KeyId", key}, {"Policy", policy.dump()}, {"BypassPolicyLockoutSafetyCheck", true}});
    }
};

TEST_F(KmsKeys, a_disabled_key_is_not_used_until_it_is_enabled) {
    const auto key = create_key();
    const auto blob = encrypt(key);
    expect_ok("DisableKey", {{"KeyId", key}});
    EXPECT_EQ(state_of(key), "Disabled");
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", key}}).body["KeyMetadata"]["Enabled"], false);
    const Json input = {{"KeyId", key}};
    expect_error("Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}}, "DisabledException");
    expect_error("Decrypt", {{"CiphertextBlob", blob}}, "DisabledException");
    expect_error("ReEncrypt", {{"CiphertextBlob", blob}, {"DestinationKeyId", create_key()}},
                 "DisabledException");
    expect_error("GenerateDataKey", {{"KeyId", key}, {"KeySpec", "AES_256"}}, "DisabledException");
    expect_error("GenerateDataKeyWithoutPlaintext", {{"KeyId", key}, {"KeySpec", "AES_256"}},
                 "DisabledException");
    expect_error("GenerateDataKeyPair", {{"KeyId", key}, {"KeyPairSpec", "ECC_NIST_P256"}},
                 "DisabledException");
    expect_error(
        "CreateGrant",
        {{"KeyId", key}, {"GranteePrincipal", "arn:aws:iam::000000000000:root"}, {"Operations", {"Decrypt"}}},
        "DisabledException");
    expect_error("EnableKeyRotation", input, "DisabledException");
    expect_error("DisableKeyRotation", input, "DisabledException");
    expect_error("RotateKeyOnDemand", input, "DisabledException");
    expect_ok("GetKeyRotationStatus", input);
    expect_ok("EnableKey", input);
    EXPECT_EQ(state_of(key), "Enabled");
    expect_ok("Decrypt", {{"CiphertextBlob", blob}});
}

TEST_F(KmsKeys, deletes_a_key_after_its_window_and_not_before) {
    const auto key = create_key();
    const auto blob = encrypt(key);
    const Json input = {{"KeyId", key}};
    expect_ok("CreateAlias", {{"AliasName", "alias/going"}, {"TargetKeyId", key}});
    for (const int days : {0, 6, 31, 400})
        expect_error("ScheduleKeyDeletion", {{"KeyId", key}, {"PendingWindowInDays", days}},
                     "ValidationException");
    const auto scheduled = kms("ScheduleKeyDeletion", {{"KeyId", key}, {"PendingWindowInDays", 7}});
    ASSERT_EQ(scheduled.status, 200) << scheduled.text;
    EXPECT_EQ(scheduled.body["KeyId"], key);
    EXPECT_EQ(scheduled.body["KeyState"], "PendingDeletion");
    EXPECT_EQ(scheduled.body["PendingWindowInDays"], 7);
    EXPECT_NEAR(scheduled.body["DeletionDate"].get<double>(), double(now_ + 7 * kDay) / 1000, 0.001);
    EXPECT_EQ(kms("DescribeKey", input).body["KeyMetadata"]["DeletionDate"], scheduled.body["DeletionDate"]);

    const char* refused[] = {
        "EnableKey",          "DisableKey",        "ScheduleKeyDeletion",  "EnableKeyRotation",
        "DisableKeyRotation", "RotateKeyOnDemand", "GetKeyRotationStatus", "ListKeyRotations"};
    for (const char* operation : refused)
        expect_error(operation, input, "KMSInvalidStateException");
    expect_error("Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}}, "KMSInvalidStateException");
    expect_error("Decrypt", {{"CiphertextBlob", blob}}, "KMSInvalidStateException");
    expect_error("UpdateKeyDescription", {{"KeyId", key}, {"Description", "x"}}, "KMSInvalidStateException");
    expect_error("TagResource", {{"KeyId", key}, {"Tags", {{{"TagKey", "a"}, {"TagValue", "b"}}}}},
                 "KMSInvalidStateException");
    expect_error("UntagResource", {{"KeyId", key}, {"TagKeys", {"a"}}}, "KMSInvalidStateException");
    expect_error("CreateAlias", {{"AliasName", "alias/late"}, {"TargetKeyId", key}},
                 "KMSInvalidStateException");
    for (const char* operation : {"GetKeyPolicy", "ListGrants", "ListResourceTags", "ListKeyPolicies"})
        expect_ok(operation, input);

    now_ += 7 * kDay - 1000;
    EXPECT_EQ(state_of(key), "PendingDeletion");
    now_ += 1000;
    expect_error("DescribeKey", input, "NotFoundException");
    expect_error("DescribeKey", {{"KeyId", "alias/going"}}, "NotFoundException");
    expect_error("Decrypt", {{"CiphertextBlob", blob}}, "AccessDeniedException");
    EXPECT_TRUE(kms("ListKeys", Json::object()).body["Keys"].empty());
    EXPECT_TRUE(kms("ListAliases", Json::object()).body["Aliases"].empty());
}

TEST_F(KmsKeys, cancels_a_deletion_and_leaves_the_key_disabled) {
    const auto key = create_key();
    const auto blob = encrypt(key);
    expect_error("CancelKeyDeletion", {{"KeyId", key}}, "KMSInvalidStateException");
    EXPECT_EQ(kms("ScheduleKeyDeletion", {{"KeyId", key}}).body["PendingWindowInDays"], 30);
    const auto cancelled = kms("CancelKeyDeletion", {{"KeyId", key}});
    EXPECT_EQ(cancelled.body, Json({{"KeyId", key}}));
    EXPECT_EQ(state_of(key), "Disabled");
    now_ += 60 * kDay;
    expect_ok("EnableKey", {{"KeyId", key}});
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", blob}}).body["Plaintext"], "eA==");
}

TEST_F(KmsKeys, updates_a_description) {
    const auto key = create_key();
    const auto answer = kms("UpdateKeyDescription", {{"KeyId", key}, {"Description", "é new"}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.text, "");
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", key}}).body["KeyMetadata"]["Description"], "é new");
    expect_ok("UpdateKeyDescription", {{"KeyId", key}, {"Description", ""}});
    expect_error("UpdateKeyDescription", {{"KeyId", key}}, "ValidationException");
    expect_error("UpdateKeyDescription", {{"KeyId", key}, {"Description", std::string(8193, 'x')}},
                 "ValidationException");
}

TEST_F(KmsKeys, keeps_tags_and_lists_them_in_pages) {
    const auto key = kms("CreateKey", {{"Tags", {{{"TagKey", "first"}, {"TagValue", "1"}}}}})
                         .body["KeyMetadata"]["Arn"]
                         .get<std::string>();
    const auto tag = [](const std::string& name, const std::string& value) {
        return Json({{"TagKey", name}, {"TagValue", value}});
    };
    expect_ok("TagResource", {{"KeyId", key}, {"Tags", {tag("second", "2"), tag("third", "")}}});
    expect_ok("TagResource", {{"KeyId", key}, {"Tags", {tag("second", "two")}}});
    const auto page = kms("ListResourceTags", {{"KeyId", key}, {"Limit", 2}});
    EXPECT_EQ(page.body["Tags"], Json({tag("first", "1"), tag("second", "two")}));
    EXPECT_EQ(page.body["Truncated"], true);
    const auto rest = kms("ListResourceTags", {{"KeyId", key}, {"Marker", page.body["NextMarker"]}});
    EXPECT_EQ(rest.body["Tags"], Json::array({tag("third", "")}));
    EXPECT_EQ(rest.body["Truncated"], false);
    EXPECT_FALSE(rest.body.contains("NextMarker"));
    expect_ok("UntagResource", {{"KeyId", key}, {"TagKeys", {"first", "third", "none"}}});
    EXPECT_EQ(kms("ListResourceTags", {{"KeyId", key}}).body["Tags"], Json::array({tag("second", "two")}));
    expect_error("TagResource", {{"KeyId", key}, {"Tags", {tag("aws:x", "1")}}}, "TagException");
    expect_error("TagResource", {{"KeyId", key}, {"Tags", {tag("x", "1"), tag("x", "2")}}}, "TagException");
    expect_error("UntagResource", {{"KeyId", key}, {"TagKeys", {"aws:x"}}}, "TagException");
    expect_error("TagResource", {{"KeyId", key}}, "ValidationException");
    Json many = Json::array();
    for (int i = 0; i < 50; ++i)
        many.push_back(tag("t" + std::to_string(i), ""));
    expect_error("TagResource", {{"KeyId", key}, {"Tags", many}}, "LimitExceededException");
    EXPECT_EQ(kms("ListResourceTags", {{"KeyId", key}}).body["Tags"].size(), 1u);
}

TEST_F(KmsKeys, names_keys_by_aliases) {
    const auto key = create_key(), other = create_key();
    EXPECT_EQ(kms("CreateAlias", {{"AliasName", "alias/app/one"}, {"TargetKeyId", key}}).text, "");
    expect_error("CreateAlias", {{"AliasName", "alias/app/one"}, {"TargetKeyId", other}},
                 "AlreadyExistsException");
    const std::string arn = "arn:aws:kms:us-east-1:000000000000:alias/app/one";
    for (const auto& name : {std::string("alias/app/one"), arn}) {
        const auto blob = encrypt(name);
        EXPECT_EQ(kms("DescribeKey", {{"KeyId", name}}).body["KeyMetadata"]["Arn"], key);
        EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", blob}, {"KeyId", name}}).body["KeyId"], key);
    }
    const auto listed = kms("ListAliases", Json::object());
    ASSERT_EQ(listed.body["Aliases"].size(), 1u);
    EXPECT_EQ(listed.body["Aliases"][0]["AliasArn"], arn);
    EXPECT_EQ("arn:aws:kms:us-east-1:000000000000:key/" +
                  listed.body["Aliases"][0]["TargetKeyId"].get<std::string>(),
              key);
    EXPECT_TRUE(kms("ListAliases", {{"KeyId", other}}).body["Aliases"].empty());

    const auto old = encrypt("alias/app/one");
    now_ += 1000;
    expect_ok("UpdateAlias", {{"AliasName", "alias/app/one"}, {"TargetKeyId", other}});
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", arn}}).body["KeyMetadata"]["Arn"], other);
    expect_error("Decrypt", {{"CiphertextBlob", old}, {"KeyId", arn}}, "IncorrectKeyException");
    const auto moved = kms("ListAliases", {{"KeyId", other}}).body["Aliases"][0];
    EXPECT_GT(moved["LastUpdatedDate"].get<double>(), moved["CreationDate"].get<double>());
    expect_ok("DeleteAlias", {{"AliasName", "alias/app/one"}});
    expect_error("DescribeKey", {{"KeyId", arn}}, "NotFoundException");
    expect_error("DeleteAlias", {{"AliasName", "alias/app/one"}}, "NotFoundException");
    expect_error("UpdateAlias", {{"AliasName", "alias/none"}, {"TargetKeyId", key}}, "NotFoundException");

    expect_error("CreateAlias", {{"AliasName", "app"}, {"TargetKeyId", key}}, "InvalidAliasNameException");
    expect_error("CreateAlias", {{"AliasName", "alias/"}, {"TargetKeyId", key}}, "InvalidAliasNameException");
    expect_error("CreateAlias", {{"AliasName", "alias/aws/s3"}, {"TargetKeyId", key}},
                 "InvalidAliasNameException");
    expect_error("CreateAlias", {{"AliasName", "alias/ä"}, {"TargetKeyId", key}}, "ValidationException");
    expect_error("CreateAlias", {{"AliasName", "alias/x"}, {"TargetKeyId", "alias/y"}},
                 "ValidationException");
    expect_error("CreateAlias", {{"AliasName", "alias/x"}, {"TargetKeyId", "none"}}, "NotFoundException");
    expect_error("EnableKey", {{"KeyId", "alias/x"}}, "NotFoundException");
}

TEST_F(KmsKeys, asks_an_alias_operations_permission_on_the_key_too) {
    const auto key = create_key();
    deny(key, "kms:CreateAlias");
    const auto denied = kms("CreateAlias", {{"AliasName", "alias/x"}, {"TargetKeyId", key}});
    EXPECT_EQ(denied.type(), "AccessDeniedException");
    EXPECT_NE(denied.body["RedoubtDetail"].get<std::string>().find("statement No denies"), std::string::npos);
    EXPECT_TRUE(kms("ListAliases", Json::object()).body["Aliases"].empty());
}

TEST_F(KmsKeys, lists_aliases_in_pages) {
    const auto key = create_key();
    for (int i = 0; i < 5; ++i)
        expect_ok("CreateAlias", {{"AliasName", "alias/a" + std::to_string(i)}, {"TargetKeyId", key}});
    std::string told;
    Json marker;
    for (int page = 0; page < 3; ++page) {
        const auto answer = kms("ListAliases", {{"Limit", 2}, {"Marker", marker}});
        for (const auto& alias : answer.body["Aliases"])
            told += alias["AliasName"].get<std::string>().back();
        EXPECT_EQ(answer.body["Truncated"], page < 2);
        marker = answer.body.value("NextMarker", Json());
    }
    EXPECT_EQ(told, "01234");
}

TEST_F(KmsKeys, rotates_and_still_opens_what_the_older_material_sealed) {
    const auto key = create_key();
    const Json input = {{"KeyId", key}};
    std::vector<Json> blobs = {encrypt(key)};
    const auto material = [&] {
        return kms("DescribeKey", input).body["KeyMetadata"]["CurrentKeyMaterialId"].get<std::string>();
    };
    const auto first = material();
    EXPECT_EQ(kms("GetKeyRotationStatus", input).body, Json({{"KeyId", key}, {"KeyRotationEnabled", false}}));
    EXPECT_EQ(kms("RotateKeyOnDemand", input).body, Json({{"KeyId", key}}));
    EXPECT_NE(material(), first);
    blobs.push_back(encrypt(key));

    expect_error("EnableKeyRotation", {{"KeyId", key}, {"RotationPeriodInDays", 89}}, "ValidationException");
    expect_ok("EnableKeyRotation", {{"KeyId", key}, {"RotationPeriodInDays", 90}});
    const auto status = kms("GetKeyRotationStatus", input).body;
    EXPECT_EQ(status["KeyRotationEnabled"], true);
    EXPECT_EQ(status["RotationPeriodInDays"], 90);
    EXPECT_NEAR(status["NextRotationDate"].get<double>(), double(now_ + 90 * kDay) / 1000, 0.001);
    const auto second = material();
    now_ += 90 * kDay - 1000;
    EXPECT_EQ(material(), second);
    now_ += 1000;
    const auto third = material();
    EXPECT_NE(third, second);
    now_ += 400 * kDay; // nobody called: one rotation
    EXPECT_NE(material(), third);
    const auto fourth = material();
    EXPECT_EQ(material(), fourth);
    EXPECT_GT(kms("GetKeyRotationStatus", input).body["NextRotationDate"].get<double>(), double(now_) / 1000);
    blobs.push_back(encrypt(key));
    for (const auto& blob : blobs)
        EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", blob}}).body["Plaintext"], "eA==");
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", blobs[0]}}).body["KeyMaterialId"], first);

    const auto rotations = kms("ListKeyRotations", input).body["Rotations"];
    ASSERT_EQ(rotations.size(), 3u);
    EXPECT_EQ(rotations[0]["RotationType"], "ON_DEMAND");
    EXPECT_EQ(rotations[1]["RotationType"], "AUTOMATIC");
    EXPECT_EQ(rotations[2]["KeyMaterialState"], "CURRENT");
    const auto all = kms("ListKeyRotations", {{"KeyId", key}, {"IncludeKeyMaterial", "ALL_KEY_MATERIAL"}});
    ASSERT_EQ(all.body["Rotations"].size(), 4u);
    EXPECT_EQ(all.body["Rotations"][0]["KeyMaterialId"], first);

    expect_ok("DisableKeyRotation", input);
    now_ += 400 * kDay;
    EXPECT_EQ(material(), fourth);
    open();
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", blobs[0]}}).body["Plaintext"], "eA==");
}

TEST_F(KmsKeys, rotates_on_demand_25_times_at_most) {
    const auto key = create_key();
    for (int i = 0; i < 25; ++i)
        expect_ok("RotateKeyOnDemand", {{"KeyId", key}});
    expect_error("RotateKeyOnDemand", {{"KeyId", key}}, "LimitExceededException");
}

TEST_F(KmsKeys, lists_the_one_policy_name) {
    const auto key = create_key();
    EXPECT_EQ(kms("ListKeyPolicies", {{"KeyId", key}}).body,
              Json({{"PolicyNames", {"default"}}, {"Truncated", false}}));
}

TEST_F(KmsKeys, tells_policies_what_a_request_asks) {
    const auto check = [&](const std::string& operation, const Json& more, const Json& condition,
                           bool allowed) {
        const auto key = create_key();
        const Json policy = {
            {"Version", "2012-10-17"},
            {"Statement",
             {{{"Effect", "Allow"}, {"Principal", "*"}, {"NotAction", "kms:" + operation}, {"Resource", "*"}},
              {{"Effect", "Allow"},
               {"Principal", "*"},
               {"Action", "kms:" + operation},
               {"Resource", "*"},
               {"Condition", condition}}}}};
        expect_ok("PutKeyPolicy", {{"KeyId", key}, {"Policy", policy.dump()}});
        Json input = more;
        input["KeyId"] = key;
        const auto answer = kms(operation, input);
        EXPECT_EQ(answer.type(), allowed ? "" : "AccessDeniedException")
            << operation << condition << answer.text;
    };
    const Json context = {{"EncryptionContext", {{"app", "x"}, {"n", "1"}}}, {"Plaintext", "eA=="}};
    check("Encrypt", context, {{"StringEquals", {{"kms:EncryptionContext:app", "x"}}}}, true);
    check("Encrypt", context, {{"StringEquals", {{"kms:EncryptionContext:app", "y"}}}}, false);
    check("Encrypt", context, {{"ForAllValues:StringEquals", {{"kms:EncryptionContextKeys", {"app", "n"}}}}},
          true);
    check("Encrypt", context, {{"ForAllValues:StringEquals", {{"kms:EncryptionContextKeys", {"app"}}}}},
          false);
    check("Encrypt", context, {{"StringEquals", {{"kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"}}}}, true);
    check("Encrypt", context, {{"StringEquals", {{"aws:PrincipalType", "Account"}}}}, true);
    check("Encrypt", context, {{"StringEquals", {{"aws:RequestedRegion", "us-east-1"}}}}, true);
    check("Encrypt", context, {{"DateGreaterThan", {{"aws:CurrentTime", "2000-01-01T00:00:00Z"}}}}, true);
    check("Encrypt", context, {{"NumericLessThan", {{"aws:EpochTime", 1}}}}, false);
    check("Encrypt", context, {{"Bool", {{"aws:SecureTransport", true}}}}, false);
    check("ScheduleKeyDeletion", {{"PendingWindowInDays", 7}},
          {{"NumericGreaterThanEquals", {{"kms:ScheduleKeyDeletionPendingWindowInDays", 20}}}}, false);
    check("EnableKeyRotation", {{"RotationPeriodInDays", 90}},
          {{"NumericEquals", {{"kms:RotationPeriodInDays", 90}}}}, true);
    check("GenerateDataKeyPair", {{"KeyPairSpec", "ECC_NIST_P256"}},
          {{"StringEquals", {{"kms:DataKeyPairSpec", "ECC_NIST_P384"}}}}, false);
    check("TagResource", {{"Tags", {{{"TagKey", "a"}, {"TagValue", "b"}}}}},
          {{"StringEquals", {{"aws:RequestTag/a", "b"}}}}, true);
    check("TagResource", {{"Tags", {{{"TagKey", "a"}, {"TagValue", "b"}}}}},
          {{"ForAnyValue:StringEquals", {{"aws:TagKeys", "c"}}}}, false);
    check("CreateGrant",
          {{"GranteePrincipal", "arn:aws:iam::000000000000:root"}, {"Operations", {"Decrypt", "Encrypt"}}},
          {{"ForAllValues:StringEquals", {{"kms:GrantOperations", {"Decrypt"}}}}}, false);
}

} // namespace
} // namespace redoubt::devcloud::tests
