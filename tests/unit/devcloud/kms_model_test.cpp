// SPDX-License-Identifier: Apache-2.0
// KMS against AWS's service model: which operations there are, what they answer, which members they read.
// (Besides, support.h checks every reply that any KMS test gets.)
#include "crypto/openssl.h"
#include "unit/devcloud/support.h"

#include <algorithm>
#include <set>

namespace redoubt::devcloud::tests {
namespace {

const std::set<std::string> kOperations = {"CancelKeyDeletion",
                                           "CreateAlias",
                                           "CreateGrant",
                                           "CreateKey",
                                           "Decrypt",
                                           "DeleteAlias",
                                           "DescribeKey",
                                           "DisableKey",
                                           "DisableKeyRotation",
                                           "EnableKey",
                                           "EnableKeyRotation",
                                           "Encrypt",
                                           "GenerateDataKey",
                                           "GenerateDataKeyPair",
                                           "GenerateDataKeyPairWithoutPlaintext",
                                           "GenerateDataKeyWithoutPlaintext",
                                           "GenerateRandom",
                                           "GetKeyPolicy",
                                           "GetKeyRotationStatus",
                                           "ListAliases",
                                           "ListGrants",
                                           "ListKeyPolicies",
                                           "ListKeyRotations",
                                           "ListKeys",
                                           "ListResourceTags",
                                           "ListRetirableGrants",
                                           "PutKeyPolicy",
                                           "ReEncrypt",
                                           "RetireGrant",
                                           "RevokeGrant",
                                           "RotateKeyOnDemand",
                                           "ScheduleKeyDeletion",
                                           "TagResource",
                                           "UntagResource",
                                           "UpdateAlias",
                                           "UpdateKeyDescription"};

class KmsModel : public DevcloudTest {
  protected:
    // An input that the operation takes, on fresh keys, aliases and grants.
    Json good_input(const std::string& operation) {
        const auto key = create_key();
        const std::string principal = "arn:aws:iam::000000000000:root";
        const auto alias = "alias/a" + std::to_string(++count_);
        const Json grant_input = {
            {"KeyId", key}, {"GranteePrincipal", principal}, {"Operations", {"Encrypt"}}};
        const auto blob = [&] {
            return kms("Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}}).body["CiphertextBlob"];
        };
        if (operation == "CreateKey" || operation == "ListKeys" || operation == "ListAliases")
            return Json::object();
        if (operation == "CreateAlias")
            return {{"AliasName", alias}, {"TargetKeyId", key}};
        if (operation == "UpdateAlias" || operation == "DeleteAlias") {
            kms("CreateAlias", {{"AliasName", alias}, {"TargetKeyId", key}});
            Json input = {{"AliasName", alias}};
            if (operation == "UpdateAlias")
                input["TargetKeyId"] = key;
            return input;
        }
        if (operation == "CancelKeyDeletion")
            kms("ScheduleKeyDeletion", {{"KeyId", key}});
        if (operation == "CreateGrant")
            return grant_input;
        if (operation == "RevokeGrant" || operation == "RetireGrant")
            return {{"KeyId", key}, {"GrantId", kms("CreateGrant", grant_input).body["GrantId"]}};
        if (operation == "ListRetirableGrants")
            return {{"RetiringPrincipal", principal}};
        if (operation == "Decrypt")
            return {{"CiphertextBlob", blob()}};
        if (operation == "ReEncrypt")
            return {{"CiphertextBlob", blob()}, {"DestinationKeyId", create_key()}};
        if (operation == "GenerateRandom")
            return {{"NumberOfBytes", 8}};
        Json input = {{"KeyId", key}};
        if (operation == "Encrypt")
            input["Plaintext"] = "eA==";
        if (operation.starts_with("GenerateDataKeyPair"))
            input["KeyPairSpec"] = "ECC_NIST_P256";
        else if (operation.starts_with("GenerateDataKey"))
            input["KeySpec"] = "AES_256";
        if (operation == "PutKeyPolicy")
            input["Policy"] = kms("GetKeyPolicy", input).body["Policy"];
        if (operation == "TagResource")
            input["Tags"] = {{{"TagKey", "a"}, {"TagValue", "b"}}};
        if (operation == "UntagResource")
            input["TagKeys"] = {"a"};
        if (operation == "UpdateKeyDescription")
            input["Description"] = "d";
        return input;
    }
    int count_ = 0;
};

TEST_F(KmsModel, has_the_operations_it_states) {
    REDOUBT_NEED_VECTORS(vectors);
    std::set<std::string> found;
    for (const auto& name : ServiceModel::find("kms/2014-11-01")->operations())
        if (kms(name, {{"Limit", {}}}).type() != "UnknownOperationException")
            found.insert(name);
    EXPECT_EQ(found, kOperations);
}

TEST_F(KmsModel, answers_in_the_models_shapes) {
    REDOUBT_NEED_VECTORS(vectors);
    const auto& model = *ServiceModel::find("kms/2014-11-01");
    for (const auto& operation : kOperations) {
        const auto answer = kms(operation, good_input(operation));
        EXPECT_EQ(answer.status, 200) << operation << answer.text;
        EXPECT_EQ(model.check_output(operation, answer.text), "");
    }
}

TEST_F(KmsModel, reads_every_member_that_the_model_has) {
    REDOUBT_NEED_VECTORS(vectors);
    const auto& model = *ServiceModel::find("kms/2014-11-01");
    for (const auto& operation : kOperations)
        for (const auto& [member, type] : model.input_members(operation)) {
            auto input = good_input(operation);
            if (operation == "RetireGrant" && member == "GrantToken")
                input = Json::object();
            // Another JSON type than the shape's.
            if (type == "string" || type == "blob")
                input[member] = {{"an", "object"}};
            else
                input[member] = "a string";
            const auto answer = kms(operation, input);
            EXPECT_EQ(answer.status, 400) << operation << "." << member << answer.text;
        }
}

TEST_F(KmsModel, ignores_members_that_the_model_lacks) {
    for (const auto& operation : kOperations) {
        auto input = good_input(operation);
        input["NoSuchMember"] = 7;
        input["keyId"] = 7;
        EXPECT_EQ(kms(operation, input).status, 200) << operation;
    }
}

TEST_F(KmsModel, makes_key_pairs_that_openssl_reads) {
    const auto key = create_key();
    const std::pair<const char*, int> specs[] = {
        {"RSA_2048", 2048},     {"RSA_3072", 3072},     {"RSA_4096", 4096},      {"ECC_NIST_P256", 256},
        {"ECC_NIST_P384", 384}, {"ECC_NIST_P521", 521}, {"ECC_SECG_P256K1", 256}};
    for (const auto& [spec, bits] : specs) {
        const Json context = {{"pair", spec}};
        const auto made = kms("GenerateDataKeyPair",
                              {{"KeyId", key}, {"KeyPairSpec", spec}, {"EncryptionContext", context}});
        ASSERT_EQ(made.status, 200) << made.text;
        EXPECT_EQ(made.body["KeyPairSpec"], spec);
        EXPECT_EQ(made.body["KeyId"], key);
        const auto private_der = *from_base64(made.body["PrivateKeyPlaintext"].get<std::string>());
        const auto public_der = *from_base64(made.body["PublicKey"].get<std::string>());
        const auto* p = private_der.data();
        const auto* info = d2i_PKCS8_PRIV_KEY_INFO(nullptr, &p, long(private_der.size()));
        ASSERT_NE(info, nullptr) << spec;
        const crypto::Pkey own(EVP_PKCS82PKEY(info));
        PKCS8_PRIV_KEY_INFO_free(const_cast<PKCS8_PRIV_KEY_INFO*>(info));
        p = public_der.data();
        const crypto::Pkey shown(d2i_PUBKEY(nullptr, &p, long(public_der.size())));
        ASSERT_TRUE(own && shown) << spec;
        EXPECT_EQ(EVP_PKEY_eq(own.get(), shown.get()), 1) << spec;
        EXPECT_EQ(EVP_PKEY_get_bits(own.get()), bits) << spec;
        const Json blob = {{"CiphertextBlob", made.body["PrivateKeyCiphertextBlob"]},
                           {"EncryptionContext", context}};
        EXPECT_EQ(kms("Decrypt", blob).body["Plaintext"], made.body["PrivateKeyPlaintext"]) << spec;
        EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", made.body["PrivateKeyCiphertextBlob"]}}).type(),
                  "InvalidCiphertextException");
    }
    for (const char* spec : {"SM2", "ECC_NIST_EDWARDS25519"})
        EXPECT_EQ(kms("GenerateDataKeyPair", {{"KeyId", key}, {"KeyPairSpec", spec}}).type(),
                  "UnsupportedOperationException");
    EXPECT_EQ(kms("GenerateDataKeyPair", {{"KeyId", key}, {"KeyPairSpec", "RSA_1024"}}).type(),
              "ValidationException");
    const auto without =
        kms("GenerateDataKeyPairWithoutPlaintext", {{"KeyId", key}, {"KeyPairSpec", "ECC_NIST_P256"}});
    EXPECT_FALSE(without.body.contains("PrivateKeyPlaintext")) << without.text;
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", without.body["PrivateKeyCiphertextBlob"]}}).status, 200);
}

TEST_F(KmsModel, re_encrypts_and_generates_without_plaintext) {
    const auto one = create_key(), two = create_key();
    const Json from = {{"a", "1"}}, to = {{"b", "2"}};
    const auto blob = kms("Encrypt", {{"KeyId", one}, {"Plaintext", "eA=="}, {"EncryptionContext", from}})
                          .body["CiphertextBlob"];
    Json input = {{"CiphertextBlob", blob},
                  {"SourceEncryptionContext", from},
                  {"DestinationKeyId", two},
                  {"DestinationEncryptionContext", to}};
    const auto moved = kms("ReEncrypt", input);
    ASSERT_EQ(moved.status, 200) << moved.text;
    EXPECT_EQ(moved.body["SourceKeyId"], one);
    EXPECT_EQ(moved.body["KeyId"], two);
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", moved.body["CiphertextBlob"]}, {"EncryptionContext", to}})
                  .body["Plaintext"],
              "eA==");
    input["SourceKeyId"] = two;
    EXPECT_EQ(kms("ReEncrypt", input).type(), "IncorrectKeyException");
    input["SourceKeyId"] = one;
    input["SourceEncryptionContext"] = to;
    EXPECT_EQ(kms("ReEncrypt", input).type(), "InvalidCiphertextException");
    const auto key = kms("GenerateDataKeyWithoutPlaintext", {{"KeyId", one}, {"NumberOfBytes", 40}});
    EXPECT_FALSE(key.body.contains("Plaintext"));
    EXPECT_EQ(from_base64(kms("Decrypt", {{"CiphertextBlob", key.body["CiphertextBlob"]}})
                              .body["Plaintext"]
                              .get<std::string>())
                  ->size(),
              40u);
    const auto random = kms("GenerateRandom", {{"NumberOfBytes", 33}}).body["Plaintext"].get<std::string>();
    EXPECT_EQ(from_base64(random)->size(), 33u);
    EXPECT_NE(random, kms("GenerateRandom", {{"NumberOfBytes", 33}}).body["Plaintext"].get<std::string>());
    EXPECT_EQ(kms("GenerateRandom", Json::object()).type(), "ValidationException");
    EXPECT_EQ(kms("GenerateRandom", {{"NumberOfBytes", 1}, {"CustomKeyStoreId", "x"}}).type(),
              "CustomKeyStoreNotFoundException");
}

TEST_F(KmsModel, encrypts_to_a_recipient_in_every_operation_that_has_one) {
    nitro::SoftwareNsmOptions options;
    options.module_id = "i-0123456789abcdef0-enc0123456789abcdef";
    options.now = [this] { return now_; };
    nitro::Nsm nsm(nitro::make_software_nsm(development_root(), options).value());
    nitro::AttestationRequest request;
    request.public_key = recipient_key().public_der();
    const Json recipient = {{"KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                            {"AttestationDocument", to_base64(nsm.attest(request).value())}};
    for (const char* operation : {"Decrypt", "GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom"}) {
        auto input = good_input(operation);
        input["Recipient"] = recipient;
        const auto answer = kms(operation, input);
        ASSERT_EQ(answer.status, 200) << operation << answer.text;
        EXPECT_FALSE(answer.body.contains("Plaintext") || answer.body.contains("PrivateKeyPlaintext"))
            << operation;
        const auto blob = from_base64(answer.body["CiphertextForRecipient"].get<std::string>());
        const auto opened = crypto::open_enveloped_data(recipient_key(), *blob);
        ASSERT_TRUE(opened) << operation;
        const auto text = to_base64(opened->view(SecretAccess("compare in a test")));
        if (std::string(operation) == "GenerateDataKeyPair") {
            EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", answer.body["PrivateKeyCiphertextBlob"]}})
                          .body["Plaintext"],
                      text);
        } else if (std::string(operation) == "GenerateDataKey") {
            EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", answer.body["CiphertextBlob"]}}).body["Plaintext"],
                      text);
        } else {
            EXPECT_EQ(opened->size(), std::string(operation) == "Decrypt" ? 1u : 8u);
        }
        const auto event = Json::parse(events_->recent(10));
        EXPECT_TRUE(std::any_of(event.begin(), event.end(), [&](const auto& e) {
            return e["eventName"] == operation && e["moduleId"] == options.module_id;
        })) << operation;
    }
}

TEST_F(KmsModel, dry_runs_change_nothing_and_ask_the_policy) {
    const auto key = create_key();
    const auto blob = kms("Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}}).body["CiphertextBlob"];
    const std::pair<const char*, Json> calls[] = {
        {"Encrypt", {{"KeyId", key}, {"Plaintext", "eA=="}}},
        {"Decrypt", {{"CiphertextBlob", blob}}},
        {"Decrypt", {{"KeyId", key}, {"DryRunModifiers", {"IGNORE_CIPHERTEXT"}}}},
        {"ReEncrypt", {{"CiphertextBlob", blob}, {"DestinationKeyId", key}}},
        {"GenerateDataKey", {{"KeyId", key}, {"KeySpec", "AES_256"}}},
        {"GenerateDataKeyWithoutPlaintext", {{"KeyId", key}, {"KeySpec", "AES_256"}}},
        {"GenerateDataKeyPair", {{"KeyId", key}, {"KeyPairSpec", "RSA_2048"}}},
        {"GenerateDataKeyPairWithoutPlaintext", {{"KeyId", key}, {"KeyPairSpec", "RSA_2048"}}},
    };
    for (const auto& [operation, given] : calls) {
        auto input = given;
        input["DryRun"] = true;
        EXPECT_EQ(kms(operation, input).type(), "DryRunOperationException") << operation;
        EXPECT_EQ(kms(operation, input, instance_credentials()).type(),
                  std::string(operation) == "Encrypt" || std::string(operation) == "Decrypt" ||
                          std::string(operation) == "GenerateDataKey"
                      ? "DryRunOperationException"
                      : "AccessDeniedException")
            << operation;
    }
    EXPECT_EQ(kms("Decrypt", {{"KeyId", key}, {"DryRunModifiers", {"IGNORE_CIPHERTEXT"}}}).type(),
              "ValidationException");
    EXPECT_EQ(kms("Decrypt", {{"CiphertextBlob", blob}, {"DryRun", true}, {"DryRunModifiers", {"X"}}}).type(),
              "ValidationException");
}

} // namespace
} // namespace redoubt::devcloud::tests
