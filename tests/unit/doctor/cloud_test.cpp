// SPDX-License-Identifier: Apache-2.0
// Network, credentials and keys against services that the tests script.
#include "support.h"

#include <nlohmann/json.hpp>

namespace redoubt::doctor::tests {
namespace {

using Json = nlohmann::json;

constexpr const char* kRoles = "/latest/meta-data/iam/security-credentials/";

class CloudChecks : public ::testing::Test {
  protected:
    CloudChecks() : services_([this](const net::HttpRequest& request) { return respond(request); }) {
        inputs_.manifest_file = folder_.write("manifest.json", manifest_text());
        inputs_.kms_endpoint = inputs_.secretsmanager_endpoint = inputs_.sts_endpoint =
            inputs_.imds_endpoint = services_.url;
        inputs_.environment = [](const char*) { return std::string_view(); };
        inputs_.timeout_ms = 500;
        inputs_.pcr0 = Bytes(48, 0xaa);
        const auto manifest = trust::parse_manifest(manifest_text());
        pair_.pcr0.fill(0xaa);
        pair_.pcr16 = nitro::pcr_of(manifest->digest());
    }
    net::HttpResponse respond(const net::HttpRequest& request) {
        const std::lock_guard lock(mutex_);
        const auto target = request.header("x-amz-target");
        if (request.path == "/latest/api/token")
            return net::HttpResponse::text(imds_status_, "TOKEN");
        if (request.path == kRoles)
            return net::HttpResponse::text(200, "role");
        if (request.path == std::string(kRoles) + "role")
            return net::HttpResponse::json(200,
                                           Json{{"Code", "Success"},
                                                {"AccessKeyId", "ASIAEXAMPLE"},
                                                {"SecretAccessKey", "the-secret-key"},
                                                {"Token", "the-session-token"},
                                                {"Expiration", to_iso8601(system_time_ms() + lifetime_ms_)}}
                                               .dump());
        if (target == "TrentService.DescribeKey")
            return describe_;
        if (target == "TrentService.GetKeyPolicy") {
            if (policy_.status != 200)
                return policy_;
            trust::KeyPolicyInput input;
            input.administrators = {"arn:aws:iam::000000000000:root"};
            input.users = {"arn:aws:iam::000000000000:role/role"};
            input.pairs = {pair_};
            return net::HttpResponse::json(
                200, Json{{"Policy", trust::render_key_policy(input)}, {"PolicyName", "default"}}.dump());
        }
        if (request.header("content-type").starts_with("application/x-www-form-urlencoded"))
            return sts_;
        return net::HttpResponse::text(404, "");
    }
    Report run() {
        Report report;
        Knowledge known;
        check_manifest(inputs_, known, report);
        check_network(inputs_, known, report);
        check_credentials(inputs_, known, report);
        check_keys(inputs_, known, report);
        const std::string all = json_report(report);
        for (const char* secret : {"the-secret-key", "the-session-token"})
            EXPECT_EQ(all.find(secret), std::string::npos) << all;
        return report;
    }
    static net::HttpResponse describe(const Json& metadata) {
        Json merged{{"Arn", kVaultArn}, {"KeyState", "Enabled"}, {"KeySpec", "SYMMETRIC_DEFAULT"}};
        merged.update(metadata);
        return net::HttpResponse::json(200, Json{{"KeyMetadata", merged}}.dump());
    }
    static net::HttpResponse refuse(const std::string& type, const std::string& message = "no") {
        return net::HttpResponse::json(400, Json{{"__type", type}, {"Message", message}}.dump());
    }

    std::mutex mutex_;
    int imds_status_ = 200;
    std::int64_t lifetime_ms_ = 3'600'000;
    net::HttpResponse describe_ = describe(Json::object());
    net::HttpResponse policy_ = net::HttpResponse::text(200, "");
    net::HttpResponse sts_ = net::HttpResponse::text(
        200, "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::000000000000:assumed-"
             "role/role/"
             "i-1</Arn><UserId>A:i-1</UserId><Account>000000000000</Account></GetCallerIdentityResult>"
             "</GetCallerIdentityResponse>");
    trust::MeasurementPair pair_{};
    Folder folder_;
    Inputs inputs_;
    FakeServices services_;
};

TEST_F(CloudChecks, that_find_everything_right_say_so) {
    const auto report = run();
    EXPECT_TRUE(report.fine()) << json_report(report);
    for (const auto& finding : report.findings())
        EXPECT_EQ(finding.level, Level::Ok) << text_line(finding);
    EXPECT_TRUE(says(only(report, "identity"), "assumed-role/role/i-1"));
    EXPECT_TRUE(says(only(report, "credentials"), "minutes"));
    EXPECT_EQ(only(report, "credentials").subject, "imds");
}

TEST_F(CloudChecks, tell_which_measurement_the_policy_expects) {
    pair_.pcr0.fill(0xcc);
    auto report = run();
    EXPECT_FALSE(report.fine());
    EXPECT_TRUE(says(of(report, "kms-policy")[0],
                     "PCR0 cccccccccccccccc…, but the enclave measures aaaaaaaaaaaaaaaa…"));
    pair_.pcr0.fill(0xaa);
    pair_.pcr16.fill(0xdd);
    report = run();
    EXPECT_TRUE(says(of(report, "kms-policy")[0], "PCR16 dddddddddddddddd…"));
}

TEST_F(CloudChecks, tell_the_state_of_a_key_that_opens_nothing) {
    describe_ = describe({{"KeyState", "Disabled"}});
    EXPECT_TRUE(says(only(run(), "kms-key"), "enable-key"));
    describe_ = describe({{"KeyState", "PendingDeletion"}});
    EXPECT_TRUE(says(only(run(), "kms-key"), "cancel-key-deletion"));
    describe_ = describe({{"KeyState", "Unavailable"}});
    EXPECT_EQ(only(run(), "kms-key").level, Level::Fail);
    describe_ = describe({{"KeySpec", "RSA_2048"}});
    EXPECT_EQ(only(run(), "kms-key").level, Level::Fail);
    describe_ = describe({{"Arn", "arn:aws:kms:us-east-1:000000000000:key/another"}});
    EXPECT_TRUE(says(only(run(), "kms-key"), "another key"));
    describe_ = refuse("NotFoundException");
    EXPECT_TRUE(says(only(run(), "kms-key"), "does not exist"));
}

TEST_F(CloudChecks, a_denial_is_a_warning_for_the_gateways_role_and_a_failure_for_an_administrator) {
    describe_ = policy_ = refuse("AccessDeniedException", "User: arn is not authorized to perform: kms:X");
    auto report = run();
    for (const char* check : {"kms-key", "kms-policy"}) {
        EXPECT_EQ(only(report, check).level, Level::Warn);
        EXPECT_TRUE(says(only(report, check), "is not authorized to perform"));
        EXPECT_TRUE(says(only(report, check), "asked as arn:aws:sts::000000000000:assumed-role/role/i-1"));
        EXPECT_TRUE(says(only(report, check), "--administrator"));
    }
    EXPECT_TRUE(report.fine());
    aws::Credentials administrator;
    administrator.access_key_id = "AKIAADMIN";
    administrator.secret_access_key = Secret::copy_of(as_bytes("the-secret-key"));
    inputs_.administrator = std::move(administrator);
    report = run();
    EXPECT_TRUE(says(only(report, "kms-policy"), "allow the administrator kms:GetKeyPolicy"));
    EXPECT_FALSE(report.fine());
}

TEST_F(CloudChecks, without_credentials_tell_of_every_source) {
    imds_status_ = 403;
    const auto report = run();
    const auto found = of(report, "credentials");
    ASSERT_EQ(found.size(), 5u);
    EXPECT_EQ(found[0].level, Level::Fail);
    EXPECT_EQ(found[1].subject, "environment");
    EXPECT_EQ(found[1].level, Level::Skipped);
    EXPECT_EQ(found[4].subject, "imds");
    EXPECT_EQ(found[4].level, Level::Fail);
    EXPECT_TRUE(says(found[4], "IMDSv2"));
    EXPECT_EQ(only(report, "identity").level, Level::Skipped);
    EXPECT_TRUE(says(only(report, "kms-key"), "no credentials"));
}

TEST_F(CloudChecks, credentials_that_aws_does_not_take_or_that_end_are_told) {
    sts_ = net::HttpResponse::text(403, "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>m</"
                                        "Message></Error></ErrorResponse>");
    EXPECT_TRUE(says(only(run(), "identity"), "InvalidClientTokenId"));
    sts_ = net::HttpResponse::text(500, "");
    EXPECT_EQ(only(run(), "identity").level, Level::Warn);
    lifetime_ms_ = 60'000;
    EXPECT_EQ(only(run(), "credentials").level, Level::Warn);
    lifetime_ms_ = -60'000;
    EXPECT_TRUE(says(of(run(), "credentials").back(), "expired"));
}

TEST_F(CloudChecks, a_kms_that_is_gone_is_one_failure_and_nothing_more_is_asked_of_it) {
    {
        FakeServices gone([](const net::HttpRequest&) { return net::HttpResponse::text(200, ""); });
        inputs_.kms_endpoint = gone.url;
    }
    const auto report = run();
    EXPECT_EQ(only(report, "kms-reachable").level, Level::Fail);
    EXPECT_TRUE(says(only(report, "kms-reachable"), "security group"));
    EXPECT_EQ(only(report, "kms-key").level, Level::Skipped);
    EXPECT_EQ(only(report, "kms-policy").level, Level::Skipped);
    EXPECT_EQ(only(report, "secrets-reachable").level, Level::Ok);
    // The clock is compared with whoever answers first.
    EXPECT_EQ(only(report, "clock").level, Level::Ok);
}

TEST_F(CloudChecks, a_kms_that_is_silent_is_told_in_time) {
    const auto asked = *net::parse_endpoint("tcp:127.0.0.1:0");
    const auto listener = net::listen_on(asked); // takes connections and says nothing
    inputs_.kms_endpoint = "http://127.0.0.1:" + std::to_string(net::local_endpoint(asked, *listener)->port);
    const auto before = monotonic_ms();
    EXPECT_TRUE(says(only(run(), "kms-reachable"), "gives no answer within"));
    EXPECT_LT(monotonic_ms() - before, 3'000);
}

TEST(HttpDate, is_read_strictly) {
    EXPECT_EQ(parse_http_date("Tue, 24 Nov 2026 23:29:02 GMT"), from_iso8601("2026-11-24T23:29:02Z"));
    EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    for (const char* bad :
         {"", "Tue, 24 Nov 2026 23:29:02 UTC", "Tuesday, 24-Nov-26 23:29:02 GMT",
          "Tue, 24 Nox 2026 23:29:02 GMT", "Tue, 24 Nov 2026 25:29:02 GMT", "Tue,  4 Nov 2026 23:29:02 GMT"})
        EXPECT_EQ(parse_http_date(bad), std::nullopt) << bad;
}

} // namespace
} // namespace redoubt::doctor::tests
