// SPDX-License-Identifier: Apache-2.0
#include "aws/sigv4.h"
#include "aws/web_identity_credentials.h"
#include "environment_support.h"

namespace redoubt::aws::tests {
namespace {

std::string sts_reply(UnixMs expires, const std::string& secret = "se/cret+") {
    return "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
           "  <AssumeRoleWithWebIdentityResult>\n    "
           "<SubjectFromWebIdentityToken>sa</SubjectFromWebIdentityToken>\n"
           "    <AssumedRoleUser><Arn>arn:aws:sts::000000000000:assumed-role/r/s</Arn>"
           "<AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser>\n    <Credentials>\n"
           "      <AccessKeyId>ASIAEXAMPLE</AccessKeyId>\n      <SecretAccessKey>" +
           secret + "</SecretAccessKey>\n      <SessionToken>to/ken+==</SessionToken>\n      <Expiration>" +
           to_iso8601(expires) +
           "</Expiration>\n    </Credentials>\n  </AssumeRoleWithWebIdentityResult>\n"
           "  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\n"
           "</AssumeRoleWithWebIdentityResponse>\n";
}

std::string sts_error(const std::string& code) {
    return "<ErrorResponse "
           "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>" +
           code + "</Code><Message>eyJhbGciOi</Message></Error><RequestId>1</RequestId></ErrorResponse>";
}

class WebIdentity : public ::testing::Test {
  protected:
    WebIdentity()
        : server_(nullptr, [this](const net::HttpRequest& request) {
              request_ = request;
              return answer_;
          }) {
        variables_["AWS_ROLE_ARN"] = "arn:aws:iam::000000000000:role/my-role";
        variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_.write("token", "eyJhbGciOi.J9/+=\n");
        variables_["AWS_ROLE_SESSION_NAME"] = "gateway@1";
        options_.environment = variables_.lookup();
        options_.sts_url = server_.url();
        options_.timeout_ms = 300;
        options_.pause_ms = 5;
    }
    Result<Credentials> fetch() { return fetch_web_identity_credentials(options_); }

    Variables variables_;
    TokenFolder folder_;
    net::HttpRequest request_;
    RawAnswer answer_ = answer(200, sts_reply(system_time_ms() + 3'600'000), "text/xml");
    FakeServer server_;
    WebIdentityOptions options_;
};

TEST_F(WebIdentity, gets_credentials_for_the_files_token_by_an_unsigned_form) {
    const auto credentials = fetch();
    ASSERT_TRUE(credentials) << credentials.error().describe();
    EXPECT_EQ(credentials->access_key_id, "ASIAEXAMPLE");
    EXPECT_EQ(text_of(credentials->secret_access_key), "se/cret+");
    EXPECT_EQ(text_of(credentials->session_token), "to/ken+==");
    EXPECT_GT(credentials->expires, system_time_ms());
    EXPECT_EQ(request_.method, "POST");
    EXPECT_EQ(request_.target, "/");
    EXPECT_EQ(request_.count("authorization"), 0u);
    EXPECT_EQ(request_.header("content-type"), "application/x-www-form-urlencoded; charset=utf-8");
    EXPECT_EQ(as_text(request_.body),
              "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%"
              "3Arole%2Fmy-role&RoleSessionName=gateway%401&WebIdentityToken=eyJhbGciOi.J9%2F%2B%3D");
}

TEST_F(WebIdentity, names_a_session_of_its_own_where_none_is_named) {
    variables_["AWS_ROLE_SESSION_NAME"] = "";
    ASSERT_TRUE(fetch());
    EXPECT_NE(as_text(request_.body).find("&RoleSessionName=redoubt-1"), std::string::npos);
}

TEST_F(WebIdentity, that_is_half_configured_is_told_and_not_tried) {
    variables_["AWS_ROLE_SESSION_NAME"] = "a b";
    EXPECT_EQ(code_of(fetch()), Code::Usage);
    variables_["AWS_ROLE_SESSION_NAME"] = "";
    for (const std::string& bad :
         {std::string(), std::string("my-role"), "arn:aws:iam::1:role/" + std::string(2048, 'x'),
          std::string("arn:aws:iam::000000000000:role/a b")}) {
        variables_["AWS_ROLE_ARN"] = bad;
        EXPECT_EQ(code_of(fetch()), Code::Usage) << bad.substr(0, 60);
    }
    variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = "";
    EXPECT_EQ(code_of(fetch()), Code::CredentialsMissing);
    EXPECT_EQ(server_.requests(), 0);
}

TEST_F(WebIdentity, token_files_that_hold_no_token_are_refused) {
    for (const std::string& bad :
         {std::string(), std::string("\n"), std::string("abc"), std::string("two tokens"),
          std::string("line\nline"), std::string(20'001, 'x')}) {
        folder_.write("token", bad);
        EXPECT_EQ(code_of(fetch()), Code::Io) << bad.substr(0, 40);
    }
    variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_.file("missing");
    const auto missing = fetch();
    EXPECT_EQ(code_of(missing), Code::Io);
    EXPECT_NE(missing.error().context.find("missing"), std::string::npos);
    EXPECT_EQ(server_.requests(), 0);
}

TEST_F(WebIdentity, refusals_are_told_by_code_and_never_quote_the_message) {
    struct {
        int status;
        const char* code;
        Code expected;
        int requests;
    } const cases[] = {
        {403, "AccessDenied", Code::AwsRefused, 1},
        {400, "InvalidIdentityToken", Code::AwsRefused, 1},
        {403, "IDPRejectedClaim", Code::AwsRefused, 1},
        {403, "RegionDisabledException", Code::AwsRefused, 1},
        {400, "ExpiredTokenException", Code::CredentialsExpired, 1},
        {400, "IDPCommunicationError", Code::AwsUnavailable, 3},
        {400, "Throttling", Code::AwsUnavailable, 3},
        {500, "InternalFailure", Code::AwsUnavailable, 3},
    };
    for (const auto& [status, code, expected, requests] : cases) {
        answer_ = answer(status, sts_error(code), "text/xml");
        const int before = server_.requests();
        const auto credentials = fetch();
        EXPECT_EQ(code_of(credentials), expected) << code;
        EXPECT_EQ(credentials.error().context, "status " + std::to_string(status) + ", " + code);
        EXPECT_EQ(server_.requests() - before, requests) << code;
    }
    answer_ = answer(403, "<html>eyJhbGciOi</html>");
    EXPECT_EQ(fetch().error().context, "status 403");
    answer_ = answer(302, "");
    EXPECT_EQ(code_of(fetch()), Code::AwsRefused);
}

TEST_F(WebIdentity, answers_that_are_no_fresh_credentials_are_refused) {
    const UnixMs later = system_time_ms() + 60'000;
    for (const std::string& bad :
         {std::string(), std::string("{}"), sts_reply(later, ""), sts_reply(later, "a b"),
          sts_reply(later, "<b>x</b>"), sts_reply(later, "x</SecretAccessKey><SecretAccessKey>y"),
          sts_reply(later) + "x", std::string(40'000, 'x')}) {
        answer_ = answer(200, bad, "text/xml");
        EXPECT_EQ(code_of(fetch()), Code::AwsRefused) << bad.substr(0, 400);
    }
    answer_ = answer(200, sts_reply(system_time_ms() - 1'000), "text/xml");
    const auto expired = fetch();
    EXPECT_EQ(code_of(expired), Code::AwsRefused);
    EXPECT_NE(expired.error().describe().find("expired"), std::string::npos);
}

TEST_F(WebIdentity, without_sts_is_unavailable) {
    answer_ = {};
    EXPECT_EQ(code_of(fetch()), Code::AwsUnavailable);
    options_.sts_url = dead_url();
    EXPECT_EQ(code_of(fetch()), Code::AwsUnavailable);
}

TEST(StsClient, says_who_the_caller_is_by_a_signed_form) {
    net::HttpRequest seen;
    FakeServer server(nullptr, [&](const net::HttpRequest& request) {
        seen = request;
        return answer(
            200,
            "<?xml version=\"1.0\"?>\n<GetCallerIdentityResponse xmlns=\"x\"><GetCallerIdentityResult>"
            "<Arn>arn:aws:sts::123456789012:assumed-role/r/i-1</Arn><UserId>AROA:i-1</UserId>"
            "<Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata/>"
            "</GetCallerIdentityResponse>",
            "text/xml");
    });
    const auto credentials = test_credentials();
    const auto identity = get_caller_identity({server.url(), "eu-west-1", nullptr, 500}, credentials);
    ASSERT_TRUE(identity) << identity.error().describe();
    EXPECT_EQ(identity->arn, "arn:aws:sts::123456789012:assumed-role/r/i-1");
    EXPECT_EQ(identity->account, "123456789012");
    const auto look_up = [&](const std::string&, std::string_view) -> std::expected<Secret, SigV4Failure> {
        return credentials.secret_access_key.clone();
    };
    const auto signer = verify_sigv4(seen, look_up, system_time_ms());
    ASSERT_TRUE(signer) << signer.error().message;
    EXPECT_EQ(signer->service, "sts");
    EXPECT_EQ(signer->region, "eu-west-1");
    server.handle([](const net::HttpRequest&) { return answer(403, sts_error("InvalidClientTokenId")); });
    EXPECT_EQ(code_of(get_caller_identity({server.url(), "eu-west-1", nullptr, 500}, credentials)),
              Code::CredentialsExpired);
    server.handle([](const net::HttpRequest&) {
        return answer(200, "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>x</Arn>"
                           "</GetCallerIdentityResult></GetCallerIdentityResponse>");
    });
    EXPECT_EQ(code_of(get_caller_identity({server.url(), "eu-west-1", nullptr, 500}, credentials)),
              Code::AwsRefused);
}

TEST(StsClient, knows_its_host_in_every_partition) {
    EXPECT_EQ(sts_url("eu-central-1"), "https://sts.eu-central-1.amazonaws.com");
    EXPECT_EQ(sts_url("cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
    EXPECT_EQ(sts_url("us-gov-west-1"), "https://sts.us-gov-west-1.amazonaws.com");
    EXPECT_EQ(sts_url("eusc-de-east-1"), "https://sts.eusc-de-east-1.amazonaws.eu");
}

} // namespace
} // namespace redoubt::aws::tests
