// SPDX-License-Identifier: Apache-2.0
// The KMS client's calls for keys named as KMS's callers name them, against a KMS that is honest and then one
// that lies.
#include "fake_kms.h"

namespace redoubt::aws::tests {
namespace {

KmsDecryption decryption(const char* key = nullptr) {
    KmsDecryption out;
    out.region = "us-east-1";
    if (key != nullptr)
        out.key = parse_kms_key_name(key).value();
    out.ciphertext_blob = kBlob;
    return out;
}

KmsDataKeySpec data_key(std::size_t size) {
    return {"us-east-1", parse_kms_key_name("alias/mine").value(), size, {{"a", "b"}}};
}

const char* const kOtherKey = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ac";

TEST(KmsNamed, decrypts_without_a_key_and_by_each_kind_of_name) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    for (const char* key :
         {static_cast<const char*>(nullptr), test_key().text.c_str(), test_key().key_id.c_str(), "alias/mine",
          "arn:aws:kms:us-east-1:111122223333:alias/mine"}) {
        const auto plaintext = test.client.decrypt(decryption(key), test.credentials);
        ASSERT_TRUE(plaintext) << plaintext.error().describe();
        EXPECT_EQ(text_of(*plaintext), kms.plaintext);
        const Json& body = kms.bodies.back();
        EXPECT_EQ(body.contains("KeyId"), key != nullptr);
        EXPECT_EQ(body.value("KeyId", ""), key != nullptr ? key : "");
        EXPECT_EQ(body["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT");
        EXPECT_EQ(body["Recipient"]["KeyEncryptionAlgorithm"], "RSAES_OAEP_SHA_256");
        EXPECT_FALSE(body.contains("EncryptionContext"));
        EXPECT_EQ(kms.seen.back().authority, kHost);
    }
}

TEST(KmsNamed, asks_with_the_algorithm_and_the_context_that_were_given) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    auto asked = decryption();
    asked.context = {{"k", "v"}, {"", "é"}};
    ASSERT_TRUE(test.client.decrypt(asked, test.credentials));
    EXPECT_EQ(kms.bodies.back()["EncryptionContext"], (Json{{"k", "v"}, {"", "é"}}));
    asked = decryption("alias/rsa");
    asked.algorithm = KmsAlgorithm::RsaesOaepSha1;
    ASSERT_TRUE(test.client.decrypt(asked, test.credentials));
    EXPECT_EQ(kms.bodies.back()["EncryptionAlgorithm"], "RSAES_OAEP_SHA_1");
    kms.forge_json = [](Json& reply, int) { reply["EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT"; };
    EXPECT_EQ(code_of(test.client.decrypt(asked, test.credentials)), Code::KmsReplyInvalid);
}

TEST(KmsNamed, refuses_an_answer_for_another_key_than_the_named_one) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    kms.forge_json = [](Json& reply, int) { reply["KeyId"] = kOtherKey; };
    EXPECT_EQ(code_of(test.client.decrypt(decryption(test_key().text.c_str()), test.credentials)),
              Code::KmsReplyInvalid);
    EXPECT_EQ(code_of(test.client.decrypt(decryption(test_key().key_id.c_str()), test.credentials)),
              Code::KmsReplyInvalid);
    // No name, or an alias: KMS alone knows which key it is.
    EXPECT_TRUE(test.client.decrypt(decryption(), test.credentials));
    EXPECT_TRUE(test.client.decrypt(decryption("alias/mine"), test.credentials));
    for (const Json& value : {Json(nullptr), Json(""), Json("alias/mine"), Json(1),
                              Json("arn:aws:kms:eu-west-1:111122223333:key/" + test_key().key_id)}) {
        kms.forge_json = [&](Json& reply, int) { reply["KeyId"] = value; };
        EXPECT_EQ(code_of(test.client.decrypt(decryption(), test.credentials)), Code::KmsReplyInvalid)
            << value;
    }
    kms.forge_json = [](Json& reply, int) { reply.erase("KeyId"); };
    EXPECT_EQ(code_of(test.client.decrypt(decryption(), test.credentials)), Code::KmsReplyInvalid);
}

TEST(KmsNamed, refuses_a_plaintext_and_a_reply_without_the_recipients_ciphertext) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    kms.forge_json = [](Json& reply, int) { reply["Plaintext"] = "AAAA"; };
    EXPECT_EQ(code_of(test.client.decrypt(decryption(), test.credentials)), Code::KmsReplyInvalid);
    EXPECT_EQ(code_of(test.client.generate_data_key(data_key(32), test.credentials)), Code::KmsReplyInvalid);
    EXPECT_EQ(code_of(test.client.generate_random("us-east-1", 32, test.credentials)), Code::KmsReplyInvalid);
    kms.forge_json = [](Json& reply, int) { reply.erase("CiphertextForRecipient"); };
    EXPECT_EQ(code_of(test.client.generate_random("us-east-1", 32, test.credentials)), Code::KmsReplyInvalid);
}

TEST(KmsNamed, generates_data_keys_of_both_sizes_with_one_call) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    for (const std::size_t size : {16u, 32u}) {
        kms.plaintext = std::string(size, 'k');
        const auto key = test.client.generate_data_key(data_key(size), test.credentials);
        ASSERT_TRUE(key) << key.error().describe();
        EXPECT_EQ(text_of(key->plaintext), kms.plaintext);
        EXPECT_EQ(key->ciphertext_blob, kBlob);
        EXPECT_EQ(kms.bodies.back()["KeySpec"], size == 16 ? "AES_128" : "AES_256");
        EXPECT_EQ(kms.bodies.back()["KeyId"], "alias/mine");
        EXPECT_EQ(kms.bodies.back()["EncryptionContext"], (Json{{"a", "b"}}));
        EXPECT_EQ(kms.seen.back().header("x-amz-target"), "TrentService.GenerateDataKey");
        // The other size is not what was asked for.
        EXPECT_EQ(code_of(test.client.generate_data_key(data_key(48 - size), test.credentials)),
                  Code::KmsReplyInvalid);
    }
    EXPECT_EQ(kms.calls(), 4);
    EXPECT_EQ(code_of(test.client.generate_data_key(data_key(24), test.credentials)), Code::KmsRefused);
}

TEST(KmsNamed, draws_random_bytes_of_the_length_asked) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    for (const std::size_t size : {1u, 1024u}) {
        kms.plaintext = std::string(size, 'r');
        const auto random = test.client.generate_random("us-east-1", size, test.credentials);
        ASSERT_TRUE(random) << random.error().describe();
        EXPECT_EQ(text_of(*random), kms.plaintext);
        EXPECT_EQ(kms.bodies.back()["NumberOfBytes"], size);
        EXPECT_FALSE(kms.bodies.back().contains("KeyId"));
        EXPECT_EQ(kms.seen.back().header("x-amz-target"), "TrentService.GenerateRandom");
    }
    EXPECT_EQ(code_of(test.client.generate_random("us-east-1", 1023, test.credentials)),
              Code::KmsReplyInvalid);
}

TEST(KmsNamed, refuses_before_it_asks_what_kms_cannot_answer) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    const auto refused = [&](const KmsDecryption& asked) {
        return code_of(test.client.decrypt(asked, test.credentials)) == Code::KmsRefused;
    };
    auto asked = decryption();
    asked.ciphertext_blob.clear();
    EXPECT_TRUE(refused(asked));
    asked.ciphertext_blob.resize(6145);
    EXPECT_TRUE(refused(asked));
    asked = decryption();
    asked.region = "us-east-1.evil.example";
    EXPECT_TRUE(refused(asked));
    asked = decryption(test_key().text.c_str());
    asked.region = "us-east-2";
    EXPECT_TRUE(refused(asked));
    asked = decryption();
    asked.algorithm = KmsAlgorithm::RsaesOaepSha256;
    EXPECT_TRUE(refused(asked));
    asked = decryption("alias/rsa");
    asked.algorithm = KmsAlgorithm::RsaesOaepSha256;
    asked.context = {{"a", "b"}};
    EXPECT_TRUE(refused(asked));
    EXPECT_EQ(code_of(test.client.generate_random("us-east-1", 0, test.credentials)), Code::KmsRefused);
    EXPECT_EQ(code_of(test.client.generate_random("us-east-1", 1025, test.credentials)), Code::KmsRefused);
    EXPECT_EQ(code_of(test.client.generate_random("", 1, test.credentials)), Code::KmsRefused);
    EXPECT_EQ(kms.calls(), 0);
}

} // namespace
} // namespace redoubt::aws::tests
