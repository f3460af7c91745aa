// SPDX-License-Identifier: Apache-2.0
// Grants: who may do what by one, under which constraint, until it is gone.
#include "unit/devcloud/support.h"

namespace redoubt::devcloud::tests {
namespace {

const std::string kAnnKey = "AKIAANN0000000000001", kBobKey = "AKIABOB0000000000001";
const std::string kAnnArn = "arn:aws:iam::000000000000:user/ann",
                  kBobArn = "arn:aws:iam::000000000000:user/bob";

class KmsGrants : public DevcloudTest {
  protected:
    void SetUp() override {
        DevcloudTest::SetUp();
        add_user("ann", kAnnKey);
        add_user("bob", kBobKey);
        key_ = create_key();
    }
    void add_user(const std::string& name, const std::string& id) {
        const Json body = {
            {"access_keys", {{{"access_key_id", id}, {"secret_access_key", "secret of " + id}}}}};
        ASSERT_EQ(
            send(make_request("PUT", "/redoubt/iam/accounts/000000000000/users/" + name, {}, body.dump()))
                .status,
            204);
    }
    static aws::Credentials user(const std::string& id) {
        aws::Credentials credentials;
        credentials.access_key_id = id;
        credentials.secret_access_key = Secret::copy_of(as_bytes("secret of " + id));
        return credentials;
    }
    Json grant(const Json& operations, Json more = Json::object()) {
        more["KeyId"] = key_;
        more["GranteePrincipal"] = kAnnArn;
        more["Operations"] = operations;
        const auto answer = kms("CreateGrant", more);
        EXPECT_EQ(answer.status, 200) << answer.text;
        return answer.body;
    }
    Answer encrypt(const Json& context = nullptr, const Json& tokens = nullptr) {
        return kms(
            "Encrypt",
            {{"KeyId", key_}, {"Plaintext", "eA=="}, {"EncryptionContext", context}, {"GrantTokens", tokens}},
            user(kAnnKey));
    }
    std::string key_;
};

TEST_F(KmsGrants, allows_the_grantee_the_operations_named) {
    EXPECT_EQ(encrypt().type(), "AccessDeniedException");
    const auto made = grant({"Encrypt", "DescribeKey"});
    EXPECT_EQ(made["GrantId"].get<std::string>().size(), 64u);
    EXPECT_EQ(encrypt().status, 200);
    EXPECT_EQ(encrypt(nullptr, Json::array({made["GrantToken"]})).status, 200);
    EXPECT_EQ(encrypt(nullptr, Json::array({"bm8="})).type(), "InvalidGrantTokenException");
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", key_}}, user(kAnnKey)).status, 200);
    EXPECT_EQ(kms("GenerateDataKey", {{"KeyId", key_}, {"KeySpec", "AES_256"}}, user(kAnnKey)).type(),
              "AccessDeniedException");
    EXPECT_EQ(kms("Encrypt", {{"KeyId", key_}, {"Plaintext", "eA=="}}, user(kBobKey)).type(),
              "AccessDeniedException");
    EXPECT_EQ(kms("Encrypt", {{"KeyId", create_key()}, {"Plaintext", "eA=="}}, user(kAnnKey)).type(),
              "AccessDeniedException");
    open();
    EXPECT_EQ(encrypt().status, 200) << "after a restart";
    EXPECT_EQ(kms("RevokeGrant", {{"KeyId", key_}, {"GrantId", made["GrantId"]}}).text, "");
    EXPECT_EQ(encrypt().type(), "AccessDeniedException");
    EXPECT_EQ(kms("RevokeGrant", {{"KeyId", key_}, {"GrantId", made["GrantId"]}}).type(),
              "NotFoundException");
}

TEST_F(KmsGrants, holds_to_its_constraint) {
    const auto exact = grant({"Encrypt"}, {{"Constraints", {{"EncryptionContextEquals", {{"a", "1"}}}}}});
    EXPECT_EQ(encrypt({{"a", "1"}}).status, 200);
    EXPECT_EQ(encrypt({{"a", "1"}, {"b", "2"}}).type(), "AccessDeniedException");
    EXPECT_EQ(encrypt({{"a", "2"}}).type(), "AccessDeniedException");
    EXPECT_EQ(encrypt().type(), "AccessDeniedException");
    ASSERT_EQ(kms("RevokeGrant", {{"KeyId", key_}, {"GrantId", exact["GrantId"]}}).status, 200);
    grant({"Encrypt"}, {{"Constraints", {{"EncryptionContextSubset", {{"a", "1"}}}}}});
    EXPECT_EQ(encrypt({{"a", "1"}, {"b", "2"}}).status, 200);
    EXPECT_EQ(encrypt({{"b", "2"}}).type(), "AccessDeniedException");
}

TEST_F(KmsGrants, needs_both_sides_to_re_encrypt) {
    const auto blob = kms("Encrypt", {{"KeyId", key_}, {"Plaintext", "eA=="}}).body["CiphertextBlob"];
    const Json input = {{"CiphertextBlob", blob}, {"DestinationKeyId", key_}};
    grant({"ReEncryptFrom"});
    EXPECT_EQ(kms("ReEncrypt", input, user(kAnnKey)).type(), "AccessDeniedException");
    grant({"ReEncryptTo"});
    EXPECT_EQ(kms("ReEncrypt", input, user(kAnnKey)).status, 200);
}

TEST_F(KmsGrants, lists_in_pages_and_by_filter) {
    const auto first = grant({"Encrypt"}, {{"Name", "one"}});
    const auto second =
        grant({"Decrypt", "RetireGrant"},
              {{"RetiringPrincipal", kBobArn}, {"Constraints", {{"EncryptionContextSubset", {{"a", "1"}}}}}});
    const auto page = kms("ListGrants", {{"KeyId", key_}, {"Limit", 1}}).body;
    ASSERT_EQ(page["Grants"].size(), 1u);
    EXPECT_EQ(page["Truncated"], true);
    const auto& entry = page["Grants"][0];
    EXPECT_EQ(entry["KeyId"], key_);
    EXPECT_EQ(entry["GrantId"], first["GrantId"]);
    EXPECT_EQ(entry["Name"], "one");
    EXPECT_EQ(entry["GranteePrincipal"], kAnnArn);
    EXPECT_EQ(entry["IssuingAccount"], "arn:aws:iam::000000000000:root");
    EXPECT_EQ(entry["Operations"], Json({"Encrypt"}));
    EXPECT_FALSE(entry.contains("Constraints"));
    const auto rest = kms("ListGrants", {{"KeyId", key_}, {"Marker", page["NextMarker"]}}).body;
    ASSERT_EQ(rest["Grants"].size(), 1u);
    EXPECT_EQ(rest["Grants"][0]["Constraints"], Json({{"EncryptionContextSubset", {{"a", "1"}}}}));
    EXPECT_EQ(rest["Grants"][0]["RetiringPrincipal"], kBobArn);
    EXPECT_EQ(kms("ListGrants", {{"KeyId", key_}, {"GrantId", second["GrantId"]}}).body["Grants"].size(), 1u);
    EXPECT_TRUE(kms("ListGrants", {{"KeyId", key_}, {"GranteePrincipal", kBobArn}}).body["Grants"].empty());
    const auto retirable = kms("ListRetirableGrants", {{"RetiringPrincipal", kBobArn}}).body["Grants"];
    ASSERT_EQ(retirable.size(), 1u);
    EXPECT_EQ(retirable[0]["GrantId"], second["GrantId"]);
}

TEST_F(KmsGrants, is_made_once_for_one_name) {
    const auto first = grant({"Encrypt"}, {{"Name", "one"}});
    EXPECT_EQ(grant({"Encrypt"}, {{"Name", "one"}})["GrantId"], first["GrantId"]);
    EXPECT_NE(grant({"Decrypt"}, {{"Name", "one"}})["GrantId"], first["GrantId"]);
    EXPECT_NE(grant({"Encrypt"})["GrantId"], grant({"Encrypt"})["GrantId"]);
}

TEST_F(KmsGrants, is_retired_by_whom_it_says) {
    const auto retire = [&](const Json& input, const std::string& who) {
        return (who.empty() ? kms("RetireGrant", input) : kms("RetireGrant", input, user(who))).type();
    };
    const auto by_bob = grant({"Encrypt"}, {{"RetiringPrincipal", kBobArn}});
    const Json token = {{"GrantToken", by_bob["GrantToken"]}};
    EXPECT_EQ(retire(token, kAnnKey), "AccessDeniedException");
    EXPECT_EQ(retire({{"GrantToken", by_bob["GrantToken"]}, {"DryRun", true}}, kBobKey),
              "DryRunOperationException");
    EXPECT_EQ(encrypt().status, 200);
    EXPECT_EQ(retire(token, kBobKey), "");
    EXPECT_EQ(encrypt().type(), "AccessDeniedException");
    EXPECT_EQ(retire(token, kBobKey), "InvalidGrantTokenException");

    const auto by_grantee = grant({"Encrypt", "RetireGrant"});
    EXPECT_EQ(retire({{"KeyId", key_}, {"GrantId", by_grantee["GrantId"]}}, kAnnKey), "");
    const auto by_issuer = grant({"Encrypt"});
    EXPECT_EQ(retire({{"KeyId", create_key()}, {"GrantId", by_issuer["GrantId"]}}, ""),
              "InvalidGrantIdException");
    EXPECT_EQ(retire({{"KeyId", key_}, {"GrantId", by_issuer["GrantId"]}}, ""), "");
    EXPECT_EQ(retire(Json::object(), ""), "ValidationException");
    EXPECT_EQ(retire({{"KeyId", key_}, {"GrantId", std::string(64, '0')}}, ""), "InvalidGrantIdException");
}

TEST_F(KmsGrants, allows_a_child_no_more_than_the_parent) {
    grant({"CreateGrant", "Encrypt", "Decrypt"},
          {{"Constraints", {{"EncryptionContextSubset", {{"a", "1"}}}}}});
    const auto child = [&](const Json& operations, const Json& constraints) {
        return kms("CreateGrant",
                   {{"KeyId", key_},
                    {"GranteePrincipal", kBobArn},
                    {"Operations", operations},
                    {"Constraints", constraints}},
                   user(kAnnKey))
            .type();
    };
    const Json same = {{"EncryptionContextSubset", {{"a", "1"}}}};
    EXPECT_EQ(child({"Decrypt"}, same), "");
    EXPECT_EQ(child({"Decrypt"}, {{"EncryptionContextEquals", {{"a", "1"}, {"b", "2"}}}}), "");
    EXPECT_EQ(child({"Decrypt"}, nullptr), "AccessDeniedException");
    EXPECT_EQ(child({"Decrypt"}, {{"EncryptionContextSubset", {{"a", "2"}}}}), "AccessDeniedException");
    EXPECT_EQ(child({"GenerateDataKey"}, same), "AccessDeniedException");
}

TEST_F(KmsGrants, of_the_account_leaves_it_to_the_identity_policies) {
    const Json for_account = {
        {"KeyId", key_}, {"GranteePrincipal", "arn:aws:iam::000000000000:root"}, {"Operations", {"Encrypt"}}};
    ASSERT_EQ(kms("CreateGrant", for_account).status, 200);
    EXPECT_EQ(encrypt().type(), "AccessDeniedException");
    grant({"Encrypt"});
    EXPECT_EQ(encrypt().status, 200) << "the account's grant does not hide the user's";
}

TEST_F(KmsGrants, does_not_outweigh_a_deny) {
    grant({"Encrypt"});
    const Json policy = {{"Statement",
                          {{{"Effect", "Allow"},
                            {"Principal", {{"AWS", "000000000000"}}},
                            {"Action", "kms:*"},
                            {"Resource", "*"}},
                           {{"Effect", "Deny"},
                            {"Principal", {{"AWS", kAnnArn}}},
                            {"Action", "kms:Encrypt"},
                            {"Resource", "*"}}}}};
    ASSERT_EQ(kms("PutKeyPolicy", {{"KeyId", key_}, {"Policy", policy.dump()}}).status, 200);
    EXPECT_EQ(encrypt().type(), "AccessDeniedException");
}

TEST_F(KmsGrants, refuses_grants_that_are_wrong) {
    const auto create = [&](Json input) {
        if (!input.contains("KeyId"))
            input["KeyId"] = key_;
        return kms("CreateGrant", input).type();
    };
    const Json who = {{"GranteePrincipal", kAnnArn}};
    const auto with = [&](const Json& more) {
        Json out = who;
        out.update(more);
        return out;
    };
    EXPECT_EQ(create({{"Operations", {"Encrypt"}}}), "ValidationException");
    EXPECT_EQ(create(who), "ValidationException");
    EXPECT_EQ(create(with({{"Operations", Json::array()}})), "ValidationException");
    EXPECT_EQ(create(with({{"Operations", {"Explode"}}})), "ValidationException");
    EXPECT_EQ(create(with({{"Operations", {"Sign"}}})), "ValidationException");
    EXPECT_EQ(create({{"GranteePrincipal", "ann"}, {"Operations", {"Encrypt"}}}), "InvalidArnException");
    EXPECT_EQ(create(with({{"Operations", {"Encrypt"}}, {"KeyId", "none"}})), "NotFoundException");
    EXPECT_EQ(create(with({{"Operations", {"Encrypt"}},
                           {"Constraints",
                            {{"EncryptionContextEquals", {{"a", "1"}}},
                             {"EncryptionContextSubset", {{"a", "1"}}}}}})),
              "ValidationException");
    EXPECT_EQ(create(with({{"Operations", {"Encrypt"}}, {"GranteeServicePrincipal", "x.amazonaws.com"}})),
              "ValidationException");
    EXPECT_EQ(create(with({{"Operations", {"Encrypt"}}, {"DryRun", true}})), "DryRunOperationException");
    EXPECT_TRUE(kms("ListGrants", {{"KeyId", key_}}).body["Grants"].empty());
}

} // namespace
} // namespace redoubt::devcloud::tests
