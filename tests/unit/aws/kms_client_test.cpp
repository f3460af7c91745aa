// SPDX-License-Identifier: Apache-2.0
// The KMS client over real TLS, against a KMS that is honest and then one that lies.
#include "fake_kms.h"

#include <set>

namespace redoubt::aws::tests {
namespace {

TEST(KmsClient, decrypts_what_the_service_opens_for_the_recipient) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    const auto plaintext = test.decrypt();
    ASSERT_TRUE(plaintext) << plaintext.error().describe();
    EXPECT_EQ(text_of(*plaintext), kms.plaintext);
}

TEST(KmsClient, asks_with_the_full_arn_a_recipient_and_a_good_signature) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    const auto plaintext =
        test.client.decrypt(test_key(), kBlob, {{"redoubt:vault", "vault-1"}, {"\"", "é"}}, test.credentials);
    ASSERT_TRUE(plaintext);
    ASSERT_EQ(kms.seen.size(), 1u);
    const auto& request = kms.seen[0];
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/");
    EXPECT_EQ(request.authority, kHost);
    EXPECT_EQ(request.header("content-type"), "application/x-amz-json-1.1");
    EXPECT_EQ(request.header("x-amz-target"), "TrentService.Decrypt");
    Json expected{{"KeyId", test_key().text},
                  {"CiphertextBlob", to_base64(kBlob)},
                  {"EncryptionAlgorithm", "SYMMETRIC_DEFAULT"},
                  {"EncryptionContext", {{"redoubt:vault", "vault-1"}, {"\"", "é"}}},
                  {"Recipient",
                   {{"KeyEncryptionAlgorithm", "RSAES_OAEP_SHA_256"},
                    {"AttestationDocument", kms.bodies[0]["Recipient"]["AttestationDocument"]}}}};
    EXPECT_EQ(kms.bodies[0], expected);

    const auto look_up = [&](const std::string& id,
                             std::string_view token) -> std::expected<Secret, SigV4Failure> {
        EXPECT_EQ(id, test.credentials.access_key_id);
        EXPECT_EQ(token, text_of(test.credentials.session_token));
        return test.credentials.secret_access_key.clone();
    };
    const auto identity = verify_sigv4(request, look_up, kNow);
    ASSERT_TRUE(identity) << identity.error().message;
    EXPECT_EQ(identity->region, "us-east-1");
    EXPECT_EQ(identity->service, "kms");
}

TEST(KmsClient, generates_a_data_key_and_confirms_it_by_decrypting_its_blob) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    const auto key = test.client.generate_data_key(test_key(), {{"redoubt:vault", "v"}}, test.credentials);
    ASSERT_TRUE(key) << key.error().describe();
    EXPECT_EQ(text_of(key->plaintext), kms.plaintext);
    EXPECT_EQ(key->ciphertext_blob, kBlob);
    ASSERT_EQ(kms.bodies.size(), 2u);
    EXPECT_EQ(kms.seen[0].header("x-amz-target"), "TrentService.GenerateDataKey");
    EXPECT_EQ(kms.bodies[0]["KeySpec"], "AES_256");
    EXPECT_EQ(kms.bodies[0]["KeyId"], test_key().text);
    EXPECT_EQ(kms.seen[1].header("x-amz-target"), "TrentService.Decrypt");
    EXPECT_EQ(kms.bodies[1]["CiphertextBlob"], to_base64(kBlob));
    EXPECT_EQ(kms.bodies[1]["EncryptionContext"], kms.bodies[0]["EncryptionContext"]);
}

TEST(KmsClient, each_call_has_an_attestation_document_of_its_own_and_the_connection_is_kept) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    ASSERT_TRUE(test.decrypt());
    ASSERT_TRUE(test.confirmed());
    ASSERT_TRUE(test.generate());
    std::set<std::string> documents;
    for (const auto& body : kms.bodies)
        documents.insert(body.at("Recipient").at("AttestationDocument").get<std::string>());
    EXPECT_EQ(kms.bodies.size(), 5u);
    EXPECT_EQ(documents.size(), 5u);
    EXPECT_EQ(kms.connections(), 1);
}

TEST(KmsClient, replaces_a_connection_that_the_service_closed_meanwhile) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    kms.forge_answer = [](RawAnswer& out, int) { out.hang_up = true; };
    for (int i = 0; i < 3; ++i) {
        const auto plaintext = test.decrypt();
        EXPECT_TRUE(plaintext) << plaintext.error().describe();
    }
    EXPECT_EQ(kms.connections(), 3);
}

TEST(KmsClient, a_region_with_a_proxy_of_its_own_is_reached_through_it) {
    FakeKms kms;
    FakeKms elsewhere("kms.eu-west-1.redoubt.test");
    KmsTestClient test(kms.endpoint());
    auto options = test.options(kms.endpoint(), 5'000);
    options.proxies_by_region.emplace("eu-west-1", elsewhere.endpoint());
    KmsClient client(std::move(options), recipient());
    const auto other =
        parse_kms_key_arn("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab")
            .value();
    EXPECT_TRUE(client.decrypt(other, kBlob, {}, test.credentials));
    EXPECT_EQ(elsewhere.calls(), 1);
    EXPECT_EQ(elsewhere.seen.at(0).authority, "kms.eu-west-1.redoubt.test");
    EXPECT_EQ(kms.calls(), 0);
    EXPECT_TRUE(client.decrypt(test_key(), kBlob, {}, test.credentials));
    EXPECT_EQ(kms.calls(), 1);
}

TEST(KmsClient, refuses_before_it_asks_what_cannot_succeed) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    EXPECT_EQ(code_of(test.client.decrypt(test_key(), {}, {}, test.credentials)), Code::KmsRefused);
    EXPECT_EQ(code_of(test.client.decrypt(test_key(), Bytes(6145), {}, test.credentials)), Code::KmsRefused);
    test.credentials.expires = kNow;
    EXPECT_EQ(code_of(test.decrypt()), Code::CredentialsExpired);
    test.credentials.expires = kNow + 1;
    EXPECT_TRUE(test.decrypt());
    test.credentials.access_key_id.clear();
    EXPECT_EQ(code_of(test.decrypt()), Code::CredentialsMissing);
    test.credentials = test_credentials();
    test.attest_fails = true;
    EXPECT_EQ(code_of(test.decrypt()), Code::NsmFailed);
    EXPECT_EQ(kms.calls(), 1);

    auto options = test.options(kms.endpoint(), 5'000);
    options.endpoint_suffix.clear();
    KmsClient client(std::move(options), recipient());
    KmsKeyArn unknown = test_key();
    unknown.partition = "aws-new";
    test.attest_fails = false;
    EXPECT_EQ(code_of(client.decrypt(unknown, kBlob, {}, test.credentials)), Code::KmsRefused);
    EXPECT_EQ(kms.calls(), 1);
}

TEST(KmsClient, trusts_only_a_certificate_of_its_roots_for_the_host_of_the_arn) {
    const Authority stranger;
    FakeKms other_name("kms.us-east-2.redoubt.test");
    FakeKms other_authority(kHost, stranger);
    FakeKms wildcard_above("*.test");
    for (FakeKms* kms : {&other_name, &other_authority, &wildcard_above}) {
        KmsTestClient test(kms->endpoint());
        EXPECT_EQ(code_of(test.decrypt()), Code::KmsUnavailable);
        EXPECT_EQ(kms->calls(), 0);
    }
}

TEST(KmsClient, no_service_is_unavailable_and_a_silent_one_times_out) {
    net::Endpoint nowhere;
    {
        FakeKms gone;
        nowhere = gone.endpoint();
    }
    KmsTestClient test(nowhere);
    EXPECT_EQ(code_of(test.decrypt()), Code::KmsUnavailable);

    FakeKms mute;
    mute.forge_answer = [](RawAnswer& out, int) { out.bytes.clear(); };
    KmsTestClient waiting(mute.endpoint(), 300);
    EXPECT_EQ(code_of(waiting.decrypt()), Code::KmsTimeout);
    // A late answer to that call is not taken for the next one's.
    mute.reset();
    EXPECT_TRUE(waiting.decrypt());
    EXPECT_EQ(mute.connections(), 2);
}

TEST(KmsClient, a_reply_cut_anywhere_is_refused) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    std::size_t size = 0;
    kms.forge_answer = [&](RawAnswer& out, int) { size = out.bytes.size(); };
    ASSERT_TRUE(test.decrypt());
    ASSERT_GT(size, 700u);
    std::set<Code> codes;
    for (std::size_t cut = 0; cut < size; cut += 1 + cut / 8) {
        kms.forge_answer = [&](RawAnswer& out, int) {
            out.bytes.resize(std::min(cut, out.bytes.size() - 1));
            out.hang_up = true;
        };
        const auto reply = test.decrypt();
        ASSERT_FALSE(reply) << cut;
        codes.insert(reply.error().code);
        EXPECT_TRUE(reply.error().code == Code::KmsReplyInvalid || reply.error().code == Code::KmsUnavailable)
            << cut << " " << reply.error().describe();
    }
    EXPECT_TRUE(codes.contains(Code::KmsReplyInvalid));
}

TEST(KmsClient, an_oversized_or_malformed_reply_is_refused) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    kms.forge_json = [](Json& reply, int) { reply["x"] = std::string(70'000, 'x'); };
    EXPECT_EQ(code_of(test.decrypt()), Code::KmsReplyInvalid);
    kms.reset();
    EXPECT_TRUE(test.decrypt());
    for (const char* bytes :
         {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
          "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{", "220 ready\r\n", "\r\n\r\n\r\n"}) {
        kms.forge_answer = [&](RawAnswer& out, int) { out = {to_bytes(bytes), true}; };
        EXPECT_EQ(code_of(test.decrypt()), Code::KmsReplyInvalid) << bytes;
    }
}

// Whoever alters one of two replies gets nothing: neither another plaintext nor the true one.
TEST(KmsClient, any_altered_byte_of_one_reply_is_caught_by_the_confirmation) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    std::size_t size = 0;
    kms.forge_cms = [&](Bytes& cms, int) { size = cms.size(); };
    ASSERT_TRUE(test.confirmed());
    ASSERT_GT(size, 450u);
    for (std::size_t i = 0; i < size; ++i) {
        kms.reset();
        kms.forge_cms = [&](Bytes& cms, int call) {
            if (call == 1 + static_cast<int>(i % 2))
                cms[i] ^= static_cast<std::uint8_t>(1u << (i % 8));
        };
        EXPECT_EQ(code_of(test.confirmed()), Code::KmsReplyInvalid) << i;
    }
    for (std::size_t i = 0; i < size; i += 5) {
        kms.reset();
        kms.forge_cms = [&](Bytes& cms, int call) {
            if (call == 1 + static_cast<int>(i / 5 % 2))
                cms[i] ^= 0x80;
        };
        EXPECT_EQ(code_of(test.generate()), Code::KmsReplyInvalid) << i;
    }
}

TEST(KmsClient, two_plaintexts_for_one_blob_are_refused) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    kms.forge_cms = [&](Bytes&, int) { kms.plaintext[0] ^= 1; }; // takes effect with the next call
    EXPECT_EQ(code_of(test.confirmed()), Code::KmsReplyInvalid);
    kms.reset();
    kms.forge_cms = [&](Bytes&, int call) {
        if (call == 1)
            kms.plaintext += '0';
    };
    EXPECT_EQ(code_of(test.confirmed()), Code::KmsReplyInvalid);
}

TEST(KmsClient, an_error_of_the_second_call_is_that_error) {
    FakeKms kms;
    KmsTestClient test(kms.endpoint());
    kms.forge_answer = [](RawAnswer& out, int call) {
        if (call == 2)
            out = answer(400, R"({"__type":"AccessDeniedException","Message":"secret words"})");
    };
    const auto reply = test.confirmed();
    EXPECT_EQ(code_of(reply), Code::KmsDenied);
    EXPECT_EQ(reply.error().context, "AccessDeniedException");
    EXPECT_EQ(kms.calls(), 2);
    EXPECT_EQ(kms.connections(), 1);
}

} // namespace
} // namespace redoubt::aws::tests
