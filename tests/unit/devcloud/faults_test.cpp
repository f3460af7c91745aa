// SPDX-License-Identifier: Apache-2.0
#include "devcloud/serving.h"
#include "unit/devcloud/support.h"

namespace redoubt::devcloud::tests {
namespace {

class Faults : public DevcloudTest {
  protected:
    Answer put(const Json& rules) { return send(make_request("PUT", "/redoubt/faults", {}, rules.dump())); }
    void set(const Json& rules) {
        const auto answer = put(rules);
        ASSERT_EQ(answer.status, 200) << answer.text;
    }
    Json rules() { return send(make_request("GET", "/redoubt/faults")).body; }

    struct Met {
        Outcome outcome;
        Json body;
        std::string type() const { return body.is_object() ? body.value("__type", "") : ""; }
    };
    Met meet(const net::HttpRequest& request, Listener listener = Listener::Plain) {
        auto received = over_the_wire(request);
        Met met{answer(*cloud_, received, listener), nullptr};
        met.body = Json::parse(as_text(met.outcome.response.body), nullptr, false);
        return met;
    }
    net::HttpRequest list_keys() {
        return signed_request("kms", "TrentService.ListKeys", "{}", root_credentials());
    }
    net::HttpRequest list_secrets() {
        return signed_request("secretsmanager", "secretsmanager.ListSecrets", "{}", root_credentials());
    }
    net::HttpRequest caller_identity() {
        auto request = make_request("POST", "/", {{"content-type", "application/x-www-form-urlencoded"}},
                                    "Action=GetCallerIdentity&Version=2011-06-15");
        aws::SigV4Options options;
        options.region = "us-east-1";
        options.service = "sts";
        EXPECT_TRUE(aws::sign_sigv4(request, root_credentials(), options, now_));
        return request;
    }
    net::HttpRequest put_token() {
        return make_request("PUT", "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", "60"}});
    }
    static std::string text(const Met& met) { return std::string(as_text(met.outcome.response.body)); }
};

TEST_F(Faults, refuse_rules_that_they_do_not_understand) {
    set({{{"service", "kms"}, {"fault", "throttling"}}});
    const Json wrong[] = {
        Json::object(),
        {1},
        {{{"service", "kms"}}},
        {{{"fault", "throttling"}}},
        {{{"service", "s3"}, {"fault", "throttling"}}},
        {{{"service", "kms"}, {"fault", "explode"}}},
        {{{"service", "kms"}, {"fault", "throttling"}, {"ms", 1}}},
        {{{"service", "kms"}, {"fault", "throttling"}, {"count", 0}}},
        {{{"service", "kms"}, {"fault", "throttling"}, {"count", "1"}}},
        {{{"service", "kms"}, {"fault", "throttling"}, {"count", 1.5}}},
        {{{"service", "kms"}, {"fault", "throttling"}, {"operation", ""}}},
        {{{"service", "kms"}, {"fault", "server_error"}, {"status", 404}}},
        {{{"service", "kms"}, {"fault", "region_down"}}},
        {{{"service", "imds"}, {"fault", "region_down"}, {"region", "us-east-1"}}},
        {{{"service", "imds"}, {"fault", "expired_credentials"}}},
        {{{"service", "sts"}, {"fault", "wrong_key_id"}}},
        {{{"service", "*"}, {"fault", "forged_reply"}, {"form", "not_json"}}},
        {{{"service", "kms"}, {"fault", "forged_reply"}}},
        {{{"service", "kms"}, {"fault", "forged_reply"}, {"form", "x"}}},
        {{{"service", "kms"}, {"fault", "failed_code"}}},
        {{{"service", "kms"}, {"fault", "latency"}}},
        {{{"service", "kms"}, {"fault", "latency"}, {"ms", 0}}},
        {{{"service", "kms"}, {"fault", "latency"}, {"ms", 600'001}}},
        {{{"service", "kms"}, {"fault", "clock_skew"}, {"ms", 0}}},
        {{{"service", "kms"}, {"fault", "cut"}, {"after_bytes", -1}}},
    };
    for (const auto& rules : wrong) {
        const auto answer = put(rules);
        EXPECT_EQ(answer.status, 400) << rules.dump();
        EXPECT_FALSE(answer.body.value("error", "").empty()) << rules.dump();
    }
    EXPECT_EQ(put(Json(std::vector<Json>(65, {{"service", "kms"}, {"fault", "throttling"}}))).status, 400);
    EXPECT_EQ(send(make_request("PUT", "/redoubt/faults", {}, "[")).status, 400);
    EXPECT_EQ(rules().size(), 1u) << "a refused list changes nothing";
    EXPECT_EQ(send(make_request("POST", "/redoubt/faults", {}, "[]")).status, 405);
    EXPECT_EQ(send(make_request("DELETE", "/redoubt/faults")).body, Json::array());
    EXPECT_EQ(rules(), Json::array());
}

TEST_F(Faults, are_set_on_the_plain_listener_alone) {
    for (const char* path :
         {"/redoubt/faults", "/redoubt/imds", "/redoubt/container-credentials", "/redoubt/oidc-providers"})
        EXPECT_EQ(send(make_request("GET", path), Listener::Tls).status, 404) << path;
    set({{{"service", "kms"}, {"fault", "throttling"}, {"count", 1}}});
    EXPECT_EQ(meet(list_keys(), Listener::Tls).type(), "ThrottlingException") << "and met on both";
}

TEST_F(Faults, are_counted_and_end) {
    set({{{"service", "kms"}, {"operation", "ListKeys"}, {"fault", "throttling"}, {"count", 2}}});
    EXPECT_EQ(meet(signed_request("kms", "TrentService.CreateKey", "{}", root_credentials()))
                  .outcome.response.status,
              200);
    EXPECT_EQ(meet(list_keys()).type(), "ThrottlingException");
    EXPECT_EQ(rules()[0]["left"], 1);
    EXPECT_EQ(meet(list_keys()).type(), "ThrottlingException");
    EXPECT_EQ(meet(list_keys()).outcome.response.status, 200);
    EXPECT_EQ(rules()[0]["met"], 2);
    EXPECT_EQ(rules()[0]["left"], 0);
}

TEST_F(Faults, without_a_count_last_until_they_are_lifted) {
    set({{{"service", "*"}, {"fault", "throttling"}}});
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(meet(list_keys()).type(), "ThrottlingException");
    set(Json::array());
    EXPECT_EQ(meet(list_keys()).outcome.response.status, 200);
}

TEST_F(Faults, refuse_in_each_services_own_way) {
    set({{{"service", "*"}, {"fault", "throttling"}}});
    const auto kms = meet(list_keys());
    EXPECT_EQ(kms.outcome.response.status, 400);
    EXPECT_EQ(kms.body, Json({{"__type", "ThrottlingException"}, {"message", "Rate exceeded"}}));
    EXPECT_EQ(kms.outcome.response.header("x-amzn-requestid").size(), 36u);
    const auto secrets = meet(list_secrets());
    EXPECT_EQ(secrets.body, Json({{"__type", "ThrottlingException"}, {"Message", "Rate exceeded"}}));
    const auto sts = meet(caller_identity());
    EXPECT_EQ(sts.outcome.response.status, 400);
    EXPECT_NE(text(sts).find("<Code>Throttling</Code>"), std::string::npos) << text(sts);
    EXPECT_EQ(meet(put_token()).outcome.response.status, 429);
    EXPECT_EQ(meet(make_request("GET", "/v2/credentials/x")).outcome.response.status, 429);

    set({{{"service", "*"}, {"fault", "server_error"}}});
    EXPECT_EQ(meet(list_keys()).outcome.response.status, 500);
    EXPECT_EQ(meet(list_keys()).type(), "KMSInternalException");
    EXPECT_EQ(meet(list_secrets()).type(), "InternalServiceError");
    EXPECT_NE(text(meet(caller_identity())).find("<Type>Receiver</Type>"), std::string::npos);
    EXPECT_EQ(meet(put_token()).outcome.response.status, 500);
    set({{{"service", "*"}, {"fault", "server_error"}, {"status", 503}}});
    EXPECT_EQ(meet(list_keys()).outcome.response.status, 503);
    EXPECT_EQ(meet(put_token()).outcome.response.status, 503);

    set({{{"service", "*"}, {"fault", "expired_credentials"}}});
    EXPECT_EQ(meet(list_keys()).type(), "ExpiredTokenException");
    EXPECT_EQ(meet(list_secrets()).type(), "ExpiredTokenException");
    EXPECT_NE(text(meet(caller_identity())).find("<Code>ExpiredToken</Code>"), std::string::npos);
    EXPECT_EQ(meet(put_token()).outcome.response.status, 200) << "no credential, nothing to expire";
}

TEST_F(Faults, do_nothing_of_what_they_refuse) {
    for (const char* fault : {"throttling", "server_error", "expired_credentials"}) {
        set({{{"service", "kms"}, {"operation", "CreateKey"}, {"fault", fault}}});
        meet(signed_request("kms", "TrentService.CreateKey", "{}", root_credentials()));
    }
    set({{{"service", "kms"}, {"fault", "cut"}, {"operation", "CreateKey"}}});
    const auto cut = meet(signed_request("kms", "TrentService.CreateKey", "{}", root_credentials()));
    EXPECT_EQ(cut.outcome.cut_after, 0u);
    EXPECT_EQ(meet(list_keys()).body["Keys"], Json::array());
}

TEST_F(Faults, cut_an_answer_to_a_call_that_was_done) {
    set({{{"service", "kms"}, {"operation", "CreateKey"}, {"fault", "cut"}, {"after_bytes", 17}}});
    const auto cut = meet(signed_request("kms", "TrentService.CreateKey", "{}", root_credentials()));
    EXPECT_EQ(cut.outcome.cut_after, 17u);
    EXPECT_EQ(meet(list_keys()).body["Keys"].size(), 1u);
}

TEST_F(Faults, take_a_region_down_and_no_other) {
    set({{{"service", "*"}, {"fault", "region_down"}, {"region", "us-east-1"}}});
    EXPECT_EQ(meet(list_keys()).outcome.cut_after, 0u);
    EXPECT_EQ(meet(list_secrets()).outcome.cut_after, 0u);
    EXPECT_FALSE(meet(put_token()).outcome.cut_after) << "the instance's own";
    set({{{"service", "*"}, {"fault", "region_down"}, {"region", "eu-west-1"}}});
    EXPECT_EQ(meet(list_keys()).outcome.response.status, 200);
}

TEST_F(Faults, delay_the_answer_and_not_the_call) {
    set({{{"service", "kms"}, {"fault", "latency"}, {"ms", 250}},
         {{"service", "kms"}, {"fault", "latency"}, {"ms", 9}},
         {{"service", "kms"}, {"fault", "throttling"}}});
    const auto met = meet(list_keys());
    EXPECT_EQ(met.outcome.delay_ms, 250);
    EXPECT_EQ(met.type(), "ThrottlingException") << "and another fault beside it";
    EXPECT_EQ(rules()[1]["met"], 0);
}

TEST_F(Faults, move_the_clock_for_one_call) {
    set({{{"service", "kms"}, {"fault", "clock_skew"}, {"ms", 400'000}, {"count", 1}}});
    EXPECT_EQ(meet(list_keys()).type(), "InvalidSignatureException");
    EXPECT_EQ(meet(list_keys()).outcome.response.status, 200);
    set({{{"service", "kms"}, {"fault", "clock_skew"}, {"ms", -400'000}}});
    EXPECT_EQ(meet(list_keys()).type(), "InvalidSignatureException");
    set({{{"service", "kms"}, {"fault", "clock_skew"}, {"ms", 100'000}}});
    EXPECT_EQ(meet(list_keys()).outcome.response.status, 200) << "within what SigV4 allows";
    EXPECT_EQ(cloud_->now(), now_);
}

TEST_F(Faults, name_another_key_in_the_reply) {
    const auto key = create_key();
    const auto request =
        signed_request("kms", "TrentService.Encrypt", Json({{"KeyId", key}, {"Plaintext", "AAAA"}}).dump(),
                       root_credentials());
    set({{{"service", "kms"}, {"fault", "wrong_key_id"}}});
    const auto met = meet(request);
    const std::string named = met.body["KeyId"];
    EXPECT_NE(named, key);
    EXPECT_EQ(named.substr(0, named.rfind('/')), key.substr(0, key.rfind('/')));
    EXPECT_TRUE(met.body.contains("CiphertextBlob"));
    EXPECT_EQ(meet(list_keys()).body["Keys"][0]["KeyArn"], key) << "a reply without KeyId stays";
}

TEST_F(Faults, forge_replies) {
    const auto key = create_key();
    const auto encrypt = [&] {
        return meet(signed_request("kms", "TrentService.Encrypt",
                                   Json({{"KeyId", key}, {"Plaintext", "AAAA"}}).dump(), root_credentials()));
    };
    set({{{"service", "kms"}, {"fault", "forged_reply"}, {"form", "ciphertext_altered"}, {"count", 1}}});
    const auto altered = encrypt();
    const auto opened = kms("Decrypt", {{"CiphertextBlob", altered.body["CiphertextBlob"]}});
    EXPECT_EQ(opened.type(), "InvalidCiphertextException");
    set({{{"service", "kms"}, {"fault", "forged_reply"}, {"form", "not_json"}, {"count", 1}}});
    EXPECT_TRUE(encrypt().body.is_discarded());
    set({{{"service", "kms"}, {"fault", "forged_reply"}, {"form", "plaintext_present"}}});
    EXPECT_FALSE(encrypt().body.contains("Plaintext")) << "there was nothing sealed";
}

TEST_F(Faults, fail_role_credentials_with_a_code) {
    const auto token = imds_token();
    const auto role = make_request("GET", "/latest/meta-data/iam/security-credentials/redoubt-instance",
                                   {{"x-aws-ec2-metadata-token", token}});
    set({{{"service", "imds"}, {"operation", "GetCredentials"}, {"fault", "failed_code"}, {"count", 1}}});
    const auto failed = meet(role);
    EXPECT_EQ(failed.outcome.response.status, 200);
    EXPECT_EQ(failed.body["Code"], "Failed");
    EXPECT_FALSE(failed.body.contains("AccessKeyId"));
    EXPECT_EQ(meet(role).body["Code"], "Success");
}

TEST_F(Faults, lose_a_token_that_would_cross_too_many_hops) {
    const auto hops = [&](int limit, int away) {
        return send(make_request("PUT", "/redoubt/imds", {},
                                 Json({{"hop_limit", limit}, {"hops", away}}).dump()))
            .status;
    };
    EXPECT_FALSE(meet(put_token()).outcome.cut_after);
    ASSERT_EQ(hops(1, 2), 200);
    EXPECT_EQ(meet(put_token()).outcome.cut_after, 0u);
    ASSERT_EQ(hops(2, 2), 200);
    EXPECT_FALSE(meet(put_token()).outcome.cut_after);
    for (const auto& [limit, away] : {std::pair{0, 1}, {65, 1}, {1, 0}, {1, 65}})
        EXPECT_EQ(hops(limit, away), 400);
    EXPECT_EQ(send(make_request("DELETE", "/redoubt/imds")).body, Json({{"hop_limit", 1}, {"hops", 1}}));
}

} // namespace
} // namespace redoubt::devcloud::tests
