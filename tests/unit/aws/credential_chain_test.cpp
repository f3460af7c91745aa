// SPDX-License-Identifier: Apache-2.0
#include "aws/credential_chain.h"
#include "environment_support.h"

namespace redoubt::aws::tests {
namespace {

constexpr const char* kRolePath = "/latest/meta-data/iam/security-credentials/";

// One server plays IMDS, the container endpoint and STS; each may be told to fail.
class Chain : public ::testing::Test {
  protected:
    Chain() : server_(nullptr, [this](const net::HttpRequest& request) { return respond(request); }) {
        options_.environment = variables_.lookup();
        options_.imds_endpoint = options_.container_endpoint = options_.sts_endpoint = server_.url();
        options_.imds_timeout_ms = options_.container_timeout_ms = options_.sts_timeout_ms = 300;
        options_.tries = 1;
    }
    RawAnswer respond(const net::HttpRequest& request) {
        asked_.push_back(request.target);
        if (request.target == "/container")
            return container_;
        if (request.target == "/")
            return sts_;
        if (request.target == "/latest/api/token")
            return imds_token_;
        if (request.target == kRolePath)
            return answer(200, "role", "text/plain");
        std::string body = credentials_json(imds_expires_);
        body.insert(1, R"("Code":"Success",)");
        return answer(200, body);
    }
    void configure_environment() {
        variables_["AWS_ACCESS_KEY_ID"] = "AKIAENVIRONMENT";
        variables_["AWS_SECRET_ACCESS_KEY"] = "the-environments-secret";
    }
    void configure_web_identity() {
        variables_["AWS_ROLE_ARN"] = "arn:aws:iam::000000000000:role/r";
        variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_.write("token", "the-web-identity-token");
    }
    void configure_container() { variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/container"; }

    Variables variables_;
    TokenFolder folder_;
    std::vector<std::string> asked_;
    RawAnswer container_ = answer(200, credentials_json());
    RawAnswer sts_ = answer(
        200, "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>"
             "ASIAWEB"
             "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>"
             "2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
             "</AssumeRoleWithWebIdentityResponse>");
    RawAnswer imds_token_ = answer(200, "TOKEN", "text/plain");
    UnixMs imds_expires_ = system_time_ms() + 3'600'000;
    FakeServer server_;
    ChainOptions options_;
};

TEST_F(Chain, asks_in_awss_order_and_passes_over_what_is_not_configured) {
    configure_environment();
    configure_web_identity();
    configure_container();
    const auto answered = [&] {
        CredentialChain chain(options_);
        const auto credentials = chain.fetch();
        EXPECT_TRUE(credentials) << credentials.error().describe();
        return std::string(source_name(chain.answered().value()));
    };
    EXPECT_EQ(answered(), "environment");
    EXPECT_TRUE(asked_.empty());
    variables_["AWS_ACCESS_KEY_ID"] = variables_["AWS_SECRET_ACCESS_KEY"] = "";
    EXPECT_EQ(answered(), "web-identity");
    EXPECT_EQ(asked_, std::vector<std::string>{"/"});
    variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = "";
    EXPECT_EQ(answered(), "container");
    variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "";
    EXPECT_EQ(answered(), "imds");
}

TEST_F(Chain, asks_the_source_that_answered_once_and_no_other) {
    configure_container();
    CredentialChain chain(options_);
    ASSERT_TRUE(chain.fetch());
    configure_environment();
    const auto again = chain.fetch();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->access_key_id, "ASIAEXAMPLE");
    container_ = answer(403, "");
    const auto failed = chain.fetch();
    EXPECT_EQ(code_of(failed), Code::AwsRefused);
    EXPECT_EQ(chain.diagnosis(), "container: the container endpoint gives no credentials (status 403)");
}

// Else a passing failure of the pod's role would have everything done by the node's.
TEST_F(Chain, does_not_go_on_to_another_identity_when_a_configured_source_fails) {
    configure_web_identity();
    sts_ = answer(500, "");
    CredentialChain chain(options_);
    EXPECT_EQ(code_of(chain.fetch()), Code::AwsUnavailable);
    EXPECT_EQ(asked_, std::vector<std::string>{"/"});
    ASSERT_EQ(chain.failures().size(), 2u);
    EXPECT_FALSE(chain.failures()[0].configured);
    EXPECT_TRUE(chain.failures()[1].configured);
    EXPECT_NE(chain.diagnosis().find("later sources are not asked"), std::string::npos);
    EXPECT_EQ(chain.answered(), std::nullopt);
    sts_ = answer(403, "");
    EXPECT_EQ(code_of(chain.fetch()), Code::AwsRefused);
}

TEST_F(Chain, tells_of_every_source_why_it_gave_nothing) {
    imds_token_ = answer(403, "");
    CredentialChain chain(options_);
    const auto credentials = chain.fetch();
    EXPECT_EQ(code_of(credentials), Code::AwsRefused);
    EXPECT_EQ(credentials.error().context, chain.diagnosis());
    for (const char* part :
         {"environment: not configured, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
          "web-identity: not configured, AWS_WEB_IDENTITY_TOKEN_FILE is not set",
          "container: not configured, ",
          "imds: IMDS gives no IMDSv2 token; enable IMDSv2 on the instance (status 403)"})
        EXPECT_NE(chain.diagnosis().find(part), std::string::npos) << chain.diagnosis();
    options_.imds_endpoint = dead_url();
    CredentialChain dead(options_);
    EXPECT_EQ(code_of(dead.fetch()), Code::AwsUnavailable);
    EXPECT_NE(dead.diagnosis().find("imds: it cannot be reached"), std::string::npos) << dead.diagnosis();
}

TEST_F(Chain, never_tells_a_secret) {
    configure_environment();
    variables_["AWS_ACCESS_KEY_ID"] = "";
    CredentialChain environment(options_);
    EXPECT_EQ(code_of(environment.fetch()), Code::CredentialsMissing);
    EXPECT_EQ(environment.diagnosis().find("the-environments-secret"), std::string::npos);
    variables_["AWS_SECRET_ACCESS_KEY"] = "";
    configure_web_identity();
    for (const int status : {200, 400, 403, 500}) {
        sts_ = answer(status, "the-web-identity-token");
        CredentialChain chain(options_);
        EXPECT_FALSE(chain.fetch());
        EXPECT_EQ(chain.diagnosis().find("the-web-identity-token"), std::string::npos);
    }
}

TEST_F(Chain, can_be_limited_to_one_source) {
    configure_environment();
    options_.only = parse_credential_source("imds").value();
    CredentialChain imds(options_);
    ASSERT_TRUE(imds.fetch());
    EXPECT_EQ(imds.answered(), CredentialSource::Imds);
    options_.only = parse_credential_source("container").value();
    CredentialChain container(options_);
    EXPECT_EQ(code_of(container.fetch()), Code::CredentialsMissing);
    EXPECT_EQ(container.failures().size(), 1u);
    EXPECT_EQ(parse_credential_source("auto").value(), std::nullopt);
    EXPECT_EQ(code_of(parse_credential_source("IMDS")), Code::Usage);
    EXPECT_EQ(code_of(parse_credential_source("")), Code::Usage);
}

TEST_F(Chain, leaves_imds_alone_where_the_environment_says_so) {
    for (const char* value : {"true", "TRUE", "True"}) {
        variables_["AWS_EC2_METADATA_DISABLED"] = value;
        CredentialChain chain(options_);
        EXPECT_EQ(code_of(chain.fetch()), Code::CredentialsMissing);
    }
    EXPECT_TRUE(asked_.empty());
    variables_["AWS_EC2_METADATA_DISABLED"] = "false";
    CredentialChain chain(options_);
    EXPECT_TRUE(chain.fetch());
}

TEST_F(Chain, finds_imds_where_the_environment_says) {
    variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = server_.url();
    options_.imds_endpoint = "";
    CredentialChain chain(options_);
    EXPECT_TRUE(chain.fetch());
}

TEST_F(Chain, refuses_credentials_that_have_expired) {
    imds_expires_ = system_time_ms() - 1'000;
    CredentialChain chain(options_);
    EXPECT_EQ(code_of(chain.fetch()), Code::AwsRefused);
    EXPECT_NE(chain.diagnosis().find("expired"), std::string::npos);
    configure_environment();
    variables_["AWS_CREDENTIAL_EXPIRATION"] = "2020-01-01T00:00:00Z";
    EXPECT_EQ(code_of(chain.fetch()), Code::AwsRefused);
    EXPECT_EQ(chain.answered(), std::nullopt);
}

TEST_F(Chain, needs_its_roots_for_an_https_endpoint) {
    configure_web_identity();
    options_.sts_endpoint = "https://127.0.0.1:1";
    options_.roots_file = folder_.file("no-roots");
    CredentialChain chain(options_);
    EXPECT_EQ(code_of(chain.fetch()), Code::CredentialsMissing);
    EXPECT_NE(chain.diagnosis().find("no-roots"), std::string::npos);
}

} // namespace
} // namespace redoubt::aws::tests
