// SPDX-License-Identifier: Apache-2.0
#include "aws/imds_credentials.h"
#include "fake_server.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace redoubt::aws::tests {
namespace {

using Json = nlohmann::json;

constexpr const char* kToken = "IMDSv2-token==";
constexpr const char* kRolePath = "/latest/meta-data/iam/security-credentials/";

Json role_credentials(UnixMs expires = system_time_ms() + 3'600'000) {
    return {{"Code", "Success"},
            {"LastUpdated", "2026-01-01T00:00:00Z"},
            {"Type", "AWS-HMAC"},
            {"AccessKeyId", "ASIAEXAMPLE"},
            {"SecretAccessKey", "se/cret+"},
            {"Token", "to/ken+=="},
            {"Expiration", to_iso8601(expires)}};
}

// An instance's metadata service, whose three answers a test may replace.
class Imds : public ::testing::Test {
  protected:
    Imds() : server_(nullptr, [this](const net::HttpRequest& request) { return respond(request); }) {}

    Result<Credentials> fetch(int timeout_ms = 2'000) {
        return fetch_imds_credentials(server_.url(), timeout_ms);
    }

    RawAnswer respond(const net::HttpRequest& request) {
        paths_.push_back(request.method + " " + request.target);
        if (request.target == "/latest/api/token") {
            if (request.method != "PUT")
                return answer(405, "");
            const auto ttl =
                std::atoi(std::string(request.header("x-aws-ec2-metadata-token-ttl-seconds")).c_str());
            if (ttl < 1 || ttl > 21'600)
                return answer(400, "");
            return token_;
        }
        if (request.method != "GET")
            return answer(405, "");
        if (request.header("x-aws-ec2-metadata-token") != kToken)
            return answer(401, "");
        if (request.target == kRolePath)
            return role_;
        if (request.target == std::string(kRolePath) + "my-role")
            return credentials_;
        return answer(404, "");
    }

    std::vector<std::string> paths_;
    RawAnswer token_ = answer(200, kToken, "text/plain");
    RawAnswer role_ = answer(200, "my-role", "text/plain");
    RawAnswer credentials_ = answer(200, role_credentials().dump(), "text/plain");
    FakeServer server_;
};

TEST_F(Imds, gives_the_roles_credentials_in_three_requests_on_one_connection) {
    const UnixMs expires = (system_time_ms() + 3'600'000) / 1000 * 1000;
    credentials_ = answer(200, role_credentials(expires).dump());
    const auto credentials = fetch();
    ASSERT_TRUE(credentials) << credentials.error().describe();
    EXPECT_EQ(credentials->access_key_id, "ASIAEXAMPLE");
    EXPECT_EQ(text_of(credentials->secret_access_key), "se/cret+");
    EXPECT_EQ(text_of(credentials->session_token), "to/ken+==");
    EXPECT_EQ(credentials->expires, expires);
    EXPECT_EQ(paths_, (std::vector<std::string>{"PUT /latest/api/token", std::string("GET ") + kRolePath,
                                                std::string("GET ") + kRolePath + "my-role"}));
    EXPECT_EQ(server_.connections(), 1);
}

// No falling back: a server that only speaks version 1 gives the credentials to anyone who can send a GET.
TEST_F(Imds, of_version_1_alone_is_refused) {
    for (const int status : {400, 403, 404, 405, 500, 301}) {
        token_ = answer(status, "no such thing");
        const auto credentials = fetch();
        EXPECT_EQ(code_of(credentials), Code::AwsRefused);
        EXPECT_NE(credentials.error().context.find(std::to_string(status)), std::string::npos);
        // What it said is not repeated: it could be anything.
        EXPECT_EQ(credentials.error().describe().find("no such thing"), std::string::npos);
    }
    for (const auto& path : paths_)
        EXPECT_EQ(path, "PUT /latest/api/token");
}

TEST_F(Imds, refusals_of_the_role_or_its_credentials_are_told) {
    role_ = answer(404, "");
    EXPECT_EQ(code_of(fetch()), Code::AwsRefused);
    role_ = answer(401, "");
    EXPECT_EQ(code_of(fetch()), Code::AwsRefused);
    role_ = answer(200, "other-role");
    EXPECT_EQ(code_of(fetch()), Code::AwsRefused);
    role_ = answer(200, "my-role");
    EXPECT_TRUE(fetch());
    for (const int status : {401, 403, 404, 500}) {
        credentials_ = answer(status, "x");
        EXPECT_EQ(code_of(fetch()), Code::AwsRefused) << status;
    }
}

TEST_F(Imds, tokens_and_role_names_that_are_none_are_refused) {
    for (const std::string& bad : {std::string(), std::string("a b"), std::string("a\nb"),
                                   std::string(5000, 'x'), std::string("caf\xc3\xa9")}) {
        token_ = answer(200, bad);
        EXPECT_EQ(code_of(fetch()), Code::AwsRefused) << bad;
    }
    token_ = answer(200, kToken);
    for (const std::string& bad :
         {std::string(), std::string("my-role\n"), std::string("a/b"), std::string("../x"),
          std::string("my role"), std::string("a?b"), std::string(65, 'x')}) {
        role_ = answer(200, bad);
        EXPECT_EQ(code_of(fetch()), Code::AwsRefused) << bad;
    }
    EXPECT_EQ(paths_.back(), std::string("GET ") + kRolePath);
}

TEST_F(Imds, credentials_that_say_failed_are_refused) {
    credentials_ = answer(200, R"({"Code":"Failed","Message":"no"})");
    const auto credentials = fetch();
    EXPECT_EQ(code_of(credentials), Code::AwsRefused);
    EXPECT_EQ(credentials.error().context, "Code Failed");
}

TEST_F(Imds, expired_credentials_are_refused) {
    credentials_ = answer(200, role_credentials(system_time_ms() - 1000).dump());
    const auto credentials = fetch();
    EXPECT_EQ(code_of(credentials), Code::AwsRefused);
    EXPECT_NE(credentials.error().describe().find("expired"), std::string::npos);
}

TEST_F(Imds, incomplete_credentials_are_refused_without_being_quoted) {
    for (const char* member : {"Code", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}) {
        for (const Json& value : {Json(nullptr), Json(""), Json(7), Json("a\nb")}) {
            Json body = role_credentials();
            body[member] = value;
            credentials_ = answer(200, body.dump());
            const auto credentials = fetch();
            EXPECT_EQ(code_of(credentials), Code::AwsRefused) << member << " " << value;
            EXPECT_EQ(credentials.error().describe().find("cret"), std::string::npos);
        }
    }
    for (const char* body : {"", "[]", "{", "{} {}", "<xml/>"}) {
        credentials_ = answer(200, body);
        EXPECT_EQ(code_of(fetch()), Code::AwsRefused) << body;
    }
}

TEST_F(Imds, that_is_silent_or_gone_is_unavailable_in_time) {
    credentials_ = {};
    const auto before = monotonic_ms();
    EXPECT_EQ(code_of(fetch(300)), Code::AwsUnavailable);
    EXPECT_LT(monotonic_ms() - before, 2'000);
    std::string url;
    {
        FakeServer gone(nullptr, [](const net::HttpRequest&) { return RawAnswer{}; });
        url = gone.url();
    }
    EXPECT_EQ(code_of(fetch_imds_credentials(url, 300)), Code::AwsUnavailable);
}

TEST_F(Imds, huge_answers_are_refused) {
    credentials_ = answer(200, std::string(40'000, 'x'));
    EXPECT_EQ(code_of(fetch()), Code::AwsRefused);
    token_ = answer(200, std::string(40'000, 'x'));
    EXPECT_EQ(code_of(fetch()), Code::AwsRefused);
}

TEST_F(Imds, redirects_are_not_followed) {
    net::HttpResponse redirect;
    redirect.status = 302;
    redirect.headers.push_back({"location", std::string(kRolePath) + "my-role"});
    role_ = answer(redirect);
    const auto credentials = fetch();
    EXPECT_EQ(code_of(credentials), Code::AwsRefused);
    EXPECT_EQ(credentials.error().context, "status 302");
    EXPECT_EQ(paths_.size(), 2u);
}

TEST_F(Imds, endpoints_are_plain_urls) {
    EXPECT_EQ(code_of(fetch_imds_credentials("https://127.0.0.1:1", 100)), Code::Usage);
    EXPECT_EQ(code_of(fetch_imds_credentials("127.0.0.1", 100)), Code::Usage);
}

} // namespace
} // namespace redoubt::aws::tests
