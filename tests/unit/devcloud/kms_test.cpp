// SPDX-License-Identifier: Apache-2.0
#include "unit/devcloud/support.h"

namespace redoubt::devcloud::tests {
namespace {

using Kms = DevcloudTest;

std::string base64(std::string_view text) {
    return to_base64(as_bytes(text));
}

TEST_F(Kms, creates_a_key_and_describes_it) {
    const auto created = kms("CreateKey", {{"Description", "a key"}, {"KeySpec", "SYMMETRIC_DEFAULT"}});
    ASSERT_EQ(created.status, 200) << created.text;
    const auto& metadata = created.body["KeyMetadata"];
    EXPECT_EQ(metadata["Arn"],
              "arn:aws:kms:us-east-1:000000000000:key/" + metadata["KeyId"].get<std::string>());
    EXPECT_EQ(metadata["Description"], "a key");
    EXPECT_EQ(metadata["KeyState"], "Enabled");
    EXPECT_NEAR(metadata["CreationDate"].get<double>(), double(now_) / 1000, 0.001);
    EXPECT_FALSE(created.response.header("x-amzn-requestid").empty());
    EXPECT_EQ(created.response.header("content-type"), "application/x-amz-json-1.1");

    for (const auto& id : {metadata["Arn"], metadata["KeyId"]})
        EXPECT_EQ(kms("DescribeKey", {{"KeyId", id}}).body["KeyMetadata"], metadata);
}

TEST_F(Kms, lists_keys_in_pages) {
    std::vector<std::string> made, listed;
    for (int i = 0; i < 5; ++i)
        made.push_back(create_key());
    Json marker;
    for (int page = 0; page < 3; ++page) {
        const auto answer = kms("ListKeys", {{"Limit", 2}, {"Marker", marker}});
        ASSERT_EQ(answer.status, 200) << answer.text;
        for (const auto& key : answer.body["Keys"])
            listed.push_back(key["KeyArn"]);
        EXPECT_EQ(answer.body["Truncated"], page < 2);
        marker = answer.body.value("NextMarker", Json());
    }
    EXPECT_EQ(listed, made);
    EXPECT_EQ(kms("ListKeys", {{"Marker", "x"}}).type(), "InvalidMarkerException");
}

TEST_F(Kms, decrypts_what_it_encrypted) {
    const auto key = create_key();
    const auto encrypted = kms("Encrypt", {{"KeyId", key}, {"Plaintext", base64("hello")}});
    ASSERT_EQ(encrypted.status, 200) << encrypted.text;
    EXPECT_EQ(encrypted.body["KeyId"], key);
    EXPECT_EQ(encrypted.body["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
    const auto decrypted = kms("Decrypt", {{"CiphertextBlob", encrypted.body["CiphertextBlob"]}});
    ASSERT_EQ(decrypted.status, 200) << decrypted.text;
    EXPECT_EQ(decrypted.body["Plaintext"], base64("hello"));
    EXPECT_EQ(decrypted.body["KeyId"], key);
    EXPECT_EQ(decrypted.body["KeyMaterialId"].get<std::string>().size(), 64u);
    EXPECT_FALSE(decrypted.body.contains("CiphertextForRecipient"));
}

TEST_F(Kms, binds_a_ciphertext_to_its_context_and_key) {
    const auto key = create_key(), other = create_key();
    const Json context = {{"redoubt:vault", "v1"}, {"b", "2"}};
    const auto blob =
        kms("Encrypt", {{"KeyId", key}, {"Plaintext", base64("x")}, {"EncryptionContext", context}})
            .body["CiphertextBlob"];
    const auto decrypt = [&](const Json& asked_context, const Json& asked_key) {
        return kms("Decrypt",
                   {{"CiphertextBlob", blob}, {"EncryptionContext", asked_context}, {"KeyId", asked_key}});
    };
    EXPECT_EQ(decrypt(context, key).body["Plaintext"], base64("x"));
    EXPECT_EQ(decrypt(nullptr, key).type(), "InvalidCiphertextException");
    EXPECT_EQ(decrypt({{"redoubt:vault", "v2"}, {"b", "2"}}, key).type(), "InvalidCiphertextException");
    EXPECT_EQ(decrypt(context, other).type(), "IncorrectKeyException");
    EXPECT_EQ(decrypt(context, "no-such-key").type(), "NotFoundException");
}

TEST_F(Kms, refuses_an_altered_ciphertext) {
    const auto key = create_key();
    const auto blob = *from_base64(kms("Encrypt", {{"KeyId", key}, {"Plaintext", base64("x")}})
                                       .body["CiphertextBlob"]
                                       .get<std::string>());
    for (std::size_t i = 0; i < blob.size(); i += 5) {
        auto altered = blob;
        altered[i] ^= 1;
        const auto answer = kms("Decrypt", {{"CiphertextBlob", to_base64(altered)}});
        EXPECT_EQ(answer.status, 400) << i;
        EXPECT_FALSE(answer.body.contains("Plaintext")) << i;
        // A byte of the key's name makes it another key's ciphertext.
        const bool name = i >= 43 && i < 59;
        EXPECT_EQ(answer.type(), name ? "AccessDeniedException" : "InvalidCiphertextException") << i;
    }
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", base64("nonsense")}}).type(), "InvalidCiphertextException");
}

TEST_F(Kms, generates_data_keys) {
    const auto key = create_key();
    const auto size_of = [](const Json& text) { return from_base64(text.get<std::string>())->size(); };
    const auto key256 = kms("GenerateDataKey", {{"KeyId", key}, {"KeySpec", "AES_256"}});
    ASSERT_EQ(key256.status, 200) << key256.text;
    EXPECT_EQ(size_of(key256.body["Plaintext"]), 32u);
    EXPECT_EQ(key256.body["KeyId"], key);
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", key256.body["CiphertextBlob"]}}).body["Plaintext"],
              key256.body["Plaintext"]);
    EXPECT_EQ(size_of(kms("GenerateDataKey", {{"KeyId", key}, {"KeySpec", "AES_128"}}).body["Plaintext"]),
              16u);
    EXPECT_EQ(size_of(kms("GenerateDataKey", {{"KeyId", key}, {"NumberOfBytes", 1024}}).body["Plaintext"]),
              1024u);
}

TEST_F(Kms, refuses_input_outside_the_service_model) {
    const auto key = create_key();
    const struct {
        const char* operation;
        Json input;
        const char* type;
    } cases[] = {
        {"GenerateDataKey", {{"KeyId", key}}, "ValidationException"},
        {"GenerateDataKey",
         {{"KeyId", key}, {"KeySpec", "AES_256"}, {"NumberOfBytes", 32}},
         "ValidationException"},
        {"GenerateDataKey", {{"KeyId", key}, {"NumberOfBytes", 1025}}, "ValidationException"},
        {"GenerateDataKey", {{"KeyId", key}, {"NumberOfBytes", 0}}, "ValidationException"},
        {"GenerateDataKey", {{"KeyId", key}, {"NumberOfBytes", -1}}, "ValidationException"},
        {"GenerateDataKey", {{"KeyId", key}, {"NumberOfBytes", 1.5}}, "SerializationException"},
        {"GenerateDataKey", {{"KeyId", key}, {"KeySpec", "AES_512"}}, "ValidationException"},
        {"GenerateDataKey", {{"KeySpec", "AES_256"}}, "ValidationException"},
        {"Encrypt", {{"KeyId", key}, {"Plaintext", ""}}, "ValidationException"},
        {"Encrypt", {{"KeyId", key}, {"Plaintext", base64(std::string(4097, 'x'))}}, "ValidationException"},
        {"Encrypt", {{"KeyId", key}, {"Plaintext", "%%%"}}, "SerializationException"},
        {"Encrypt", {{"KeyId", 7}, {"Plaintext", "eA=="}}, "SerializationException"},
        {"Encrypt",
         {{"KeyId", key}, {"Plaintext", "eA=="}, {"EncryptionContext", {{"a", 1}}}},
         "SerializationException"},
        {"Encrypt",
         {{"KeyId", key}, {"Plaintext", "eA=="}, {"EncryptionContext", {{"a", std::string(9000, 'x')}}}},
         "ValidationException"},
        {"Encrypt",
         {{"KeyId", key}, {"Plaintext", "eA=="}, {"EncryptionAlgorithm", "RSAES_OAEP_SHA_256"}},
         "InvalidKeyUsageException"},
        {"Encrypt",
         {{"KeyId", key}, {"Plaintext", "eA=="}, {"GrantTokens", {"x"}}},
         "InvalidGrantTokenException"},
        {"Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}, {"DryRun", true}}, "DryRunOperationException"},
        {"Encrypt", {{"KeyId", "alias/none"}, {"Plaintext", "eA=="}}, "NotFoundException"},
        {"Encrypt",
         {{"KeyId", "arn:aws:kms:eu-west-1:000000000000:key/x"}, {"Plaintext", "eA=="}},
         "NotFoundException"},
        {"Decrypt", {{"CiphertextBlob", base64(std::string(6145, 'x'))}}, "ValidationException"},
        {"Decrypt", Json::object(), "ValidationException"},
        {"Decrypt", Json::array(), "SerializationException"},
        {"CreateKey", {{"KeySpec", "RSA_2048"}}, "UnsupportedOperationException"},
        {"CreateKey", {{"MultiRegion", true}}, "UnsupportedOperationException"},
        {"CreateKey", {{"Policy", "{}"}}, "MalformedPolicyDocumentException"},
        {"CreateKey",
         {{"Tags", {{{"TagKey", "a"}, {"TagValue", "1"}}, {{"TagKey", "a"}, {"TagValue", "2"}}}}},
         "TagException"},
        {"GetKeyPolicy", {{"KeyId", key}, {"PolicyName", "other"}}, "NotFoundException"},
        {"Explode", Json::object(), "UnknownOperationException"},
    };
    for (const auto& c : cases) {
        const auto answer = kms(c.operation, c.input);
        EXPECT_EQ(answer.status, 400) << c.operation << c.input.dump().substr(0, 200);
        EXPECT_EQ(answer.type(), c.type) << c.operation << c.input.dump().substr(0, 200) << answer.text;
    }
    EXPECT_EQ(
        kms("GenerateDataKey", {{"KeyId", key}, {"NumberOfBytes", 1025}}).body["message"],
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member "
        "must have value less than or equal to 1024");
    EXPECT_EQ(kms("GenerateDataKey", {{"KeyId", key}}).body["message"],
              "Please specify either number of bytes or key spec.");
}

TEST_F(Kms, puts_and_gets_key_policies) {
    const auto key = create_key();
    const auto before = kms("GetKeyPolicy", {{"KeyId", key}, {"PolicyName", "default"}}).body["Policy"];
    EXPECT_NE(before.get<std::string>().find("arn:aws:iam::000000000000:root"), std::string::npos);
    const std::string unknown_operator =
        R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*",)"
        R"("Condition":{"StringMatches":{"kms:CallerAccount":"1"}}}]})";
    EXPECT_EQ(kms("PutKeyPolicy", {{"KeyId", key}, {"Policy", unknown_operator}}).type(),
              "MalformedPolicyDocumentException");
    EXPECT_EQ(kms("GetKeyPolicy", {{"KeyId", key}}).body["Policy"], before);
    const std::string open =
        R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}})";
    const auto put = kms("PutKeyPolicy", {{"KeyId", key}, {"PolicyName", "default"}, {"Policy", open}});
    EXPECT_EQ(put.status, 200);
    EXPECT_EQ(put.text, "");
    EXPECT_EQ(kms("GetKeyPolicy", {{"KeyId", key}}).body["Policy"], open);
}

TEST_F(Kms, refuses_a_policy_that_locks_its_author_out) {
    const auto key = create_key();
    const std::string locked =
        R"({"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:role/redoubt-instance"},)"
        R"("Action":"kms:Decrypt","Resource":"*"}})";
    EXPECT_EQ(kms("PutKeyPolicy", {{"KeyId", key}, {"Policy", locked}}).type(),
              "MalformedPolicyDocumentException");
    EXPECT_EQ(
        kms("PutKeyPolicy", {{"KeyId", key}, {"Policy", locked}, {"BypassPolicyLockoutSafetyCheck", true}})
            .status,
        200);
    const auto denied = kms("DescribeKey", {{"KeyId", key}});
    EXPECT_EQ(denied.type(), "AccessDeniedException");
}

TEST_F(Kms, gives_the_instance_role_only_what_iam_gives) {
    const auto key = create_key();
    const auto role = instance_credentials();
    EXPECT_EQ(kms("Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}}, role).status, 200);
    const auto put = kms("PutKeyPolicy", {{"KeyId", key}, {"Policy", "{}"}}, role);
    EXPECT_EQ(put.type(), "AccessDeniedException");
    EXPECT_EQ(
        put.body["Message"],
        "User: arn:aws:sts::000000000000:assumed-role/redoubt-instance/i-0123456789abcdef0 is not authorized "
        "to perform: kms:PutKeyPolicy on resource: " +
            key + " because no identity-based policy allows the kms:PutKeyPolicy action");
    EXPECT_FALSE(put.body.contains("message"));
    EXPECT_NE(put.body["RedoubtDetail"].get<std::string>().find("leaves it to IAM"), std::string::npos);
    EXPECT_EQ(kms("CreateKey", Json::object(), role).type(), "AccessDeniedException");
    EXPECT_EQ(kms("ListKeys", Json::object(), role).type(), "AccessDeniedException");
}

TEST_F(Kms, logs_every_call) {
    const auto key = create_key();
    kms("Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}, {"EncryptionContext", {{"a", "b"}}}});
    kms("Decrypt", {{"CiphertextBlob", "eA=="}});
    auto forged = signed_request("kms", "TrentService.Decrypt", "{}", root_credentials());
    forged.body = to_bytes("{ }");
    send(forged);
    const auto answer = send(make_request("GET", "/redoubt/events?limit=3"));
    ASSERT_EQ(answer.body.size(), 3u) << answer.text;
    EXPECT_EQ(answer.body[0]["eventName"], "Encrypt");
    EXPECT_EQ(answer.body[0]["principal"], "arn:aws:iam::000000000000:root");
    EXPECT_EQ(answer.body[0]["keyArn"], key);
    EXPECT_EQ(answer.body[0]["encryptionContext"], Json({{"a", "b"}}));
    EXPECT_EQ(answer.body[0]["errorCode"], nullptr);
    EXPECT_EQ(answer.body[0]["moduleId"], nullptr);
    EXPECT_EQ(answer.body[1]["errorCode"], "InvalidCiphertextException");
    EXPECT_EQ(answer.body[2]["errorCode"], "InvalidSignatureException");
    EXPECT_EQ(answer.body[2]["principal"], nullptr);
    EXPECT_EQ(send(make_request("GET", "/redoubt/events?limit=0")).status, 400);
    EXPECT_EQ(send(make_request("GET", "/redoubt/events"), Listener::Tls).status, 404);
}

TEST_F(Kms, keeps_everything_across_a_restart) {
    const auto key = create_key();
    const auto role = instance_credentials();
    const auto blob = kms("Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}}).body["CiphertextBlob"];
    const auto described = kms("DescribeKey", {{"KeyId", key}}).body;
    const auto events = send(make_request("GET", "/redoubt/events")).body;
    open();
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", key}}).body, described);
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", blob}}, role).body["Plaintext"], "eA==");
    const auto after = send(make_request("GET", "/redoubt/events")).body;
    ASSERT_GT(after.size(), events.size());
    for (std::size_t i = 0; i < events.size(); ++i)
        EXPECT_EQ(after[i], events[i]);
}

} // namespace
} // namespace redoubt::devcloud::tests
