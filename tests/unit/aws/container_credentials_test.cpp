// SPDX-License-Identifier: Apache-2.0
#include "aws/container_credentials.h"
#include "environment_support.h"

namespace redoubt::aws::tests {
namespace {

class Container : public ::testing::Test {
  protected:
    Container()
        : server_(nullptr, [this](const net::HttpRequest& request) {
              request_ = request;
              return answer_;
          }) {
        options_.environment = variables_.lookup();
        options_.endpoint = server_.url();
        options_.timeout_ms = 300;
        options_.pause_ms = 5;
    }
    Result<Credentials> fetch() { return fetch_container_credentials(options_); }
    void use_full_uri(const std::string& uri) {
        variables_.clear();
        variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = uri;
    }

    Variables variables_;
    TokenFolder folder_;
    net::HttpRequest request_;
    RawAnswer answer_ = answer(200, credentials_json());
    FakeServer server_;
    ContainerOptions options_;
};

TEST_F(Container, of_ecs_is_asked_at_a_relative_uri_without_authorization) {
    variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/0f1e?x=1";
    const auto credentials = fetch();
    ASSERT_TRUE(credentials) << credentials.error().describe();
    EXPECT_EQ(credentials->access_key_id, "ASIAEXAMPLE");
    EXPECT_EQ(text_of(credentials->secret_access_key), "se/cret+");
    EXPECT_EQ(text_of(credentials->session_token), "to/ken+==");
    EXPECT_GT(credentials->expires, system_time_ms());
    EXPECT_EQ(request_.method, "GET");
    EXPECT_EQ(request_.target, "/v2/credentials/0f1e?x=1");
    EXPECT_EQ(request_.header("accept"), "application/json");
    EXPECT_EQ(request_.count("authorization"), 0u);
}

TEST_F(Container, of_eks_gets_the_token_files_content_anew_each_time) {
    use_full_uri(server_.url() + "/v1/credentials");
    variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "not this one";
    variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder_.write("token", "first.token");
    ASSERT_TRUE(fetch());
    EXPECT_EQ(request_.target, "/v1/credentials");
    EXPECT_EQ(request_.header("authorization"), "first.token");
    folder_.write("token", "second.token");
    ASSERT_TRUE(fetch());
    EXPECT_EQ(request_.header("authorization"), "second.token");
    variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "";
    ASSERT_TRUE(fetch());
    EXPECT_EQ(request_.header("authorization"), "not this one");
}

TEST_F(Container, without_variables_is_not_configured) {
    EXPECT_EQ(code_of(fetch()), Code::CredentialsMissing);
    EXPECT_EQ(server_.requests(), 0);
}

TEST_F(Container, tokens_with_line_breaks_are_refused_unsent_and_unquoted) {
    for (const std::string& bad :
         {std::string("token\r\nx-evil: 1"), std::string("token\n"), std::string("token\r"),
          std::string("to\tken"), std::string("to\x80ken")}) {
        use_full_uri(server_.url());
        variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = bad;
        const auto inline_token = fetch();
        EXPECT_EQ(code_of(inline_token), Code::Usage);
        EXPECT_EQ(inline_token.error().describe().find("x-evil"), std::string::npos);
        variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder_.write("token", bad);
        EXPECT_EQ(code_of(fetch()), Code::Usage);
    }
    variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder_.file("missing");
    EXPECT_EQ(code_of(fetch()), Code::Io);
    variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder_.write("token", std::string(20'000, 'x'));
    EXPECT_EQ(code_of(fetch()), Code::Io);
    EXPECT_EQ(server_.requests(), 0);
}

TEST_F(Container, plain_http_goes_to_this_machine_and_to_awss_link_local_addresses_only) {
    for (const char* bad : {"http://example.com/x", "http://10.0.0.1/x", "http://169.254.169.254/x",
                            "http://127.0.0.1.example.com/", "http://169.254.170.2.example.com/",
                            "http://[fd00:ec2::24]/x", "http://localhost.example.com/x", "ftp://127.0.0.1/x",
                            "127.0.0.1", "http://user@127.0.0.1/x", "http://127.1/x"}) {
        use_full_uri(bad);
        EXPECT_EQ(code_of(fetch()), Code::Usage) << bad;
    }
    // Allowed, and dead here.
    const std::string port = dead_url().substr(std::string("http://127.0.0.1").size());
    for (const std::string& good : {"http://127.0.0.1" + port, "http://localhost" + port,
                                    "http://[::1]" + port, "http://127.8.9.1" + port}) {
        use_full_uri(good + "/x");
        EXPECT_EQ(code_of(fetch()), Code::AwsUnavailable) << good;
    }
    variables_.clear();
    variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "@example.com/x";
    EXPECT_EQ(code_of(fetch()), Code::Usage);
}

TEST_F(Container, https_goes_to_any_host_that_the_roots_vouch_for) {
    const Authority authority;
    const auto server_tls = authority.server("localhost");
    FakeServer server(&server_tls, [this](const net::HttpRequest&) { return answer_; });
    use_full_uri("https://localhost:" + std::to_string(server.endpoint().port) + "/x");
    EXPECT_EQ(code_of(fetch()), Code::Usage);
    const auto good = authority.client();
    options_.timeout_ms = 2'000;
    options_.tls = [&]() -> Result<const net::TlsContext*> { return &good; };
    EXPECT_TRUE(fetch());
    const auto stranger = Authority().client();
    options_.tls = [&]() -> Result<const net::TlsContext*> { return &stranger; };
    EXPECT_EQ(code_of(fetch()), Code::AwsUnavailable);
}

TEST_F(Container, refusals_are_told_by_status_and_not_repeated) {
    use_full_uri(server_.url() + "/x?token=hidden");
    for (const int status : {301, 400, 401, 403, 404}) {
        answer_ = answer(status, R"({"code":"X","message":"se/cret+"})");
        const int before = server_.requests();
        const auto credentials = fetch();
        EXPECT_EQ(code_of(credentials), Code::AwsRefused);
        EXPECT_EQ(credentials.error().context, "status " + std::to_string(status));
        EXPECT_EQ(credentials.error().describe().find("hidden"), std::string::npos);
        EXPECT_EQ(server_.requests(), before + 1) << status;
    }
}

TEST_F(Container, failures_that_pass_are_tried_again_and_only_so_often) {
    use_full_uri(server_.url());
    int left = 2;
    server_.handle([&](const net::HttpRequest&) {
        return left-- > 0 ? answer(503, "") : answer(200, credentials_json());
    });
    EXPECT_TRUE(fetch());
    EXPECT_EQ(server_.requests(), 3);
    left = 100;
    EXPECT_EQ(code_of(fetch()), Code::AwsRefused);
    EXPECT_EQ(server_.requests(), 6);
}

TEST_F(Container, that_is_silent_ends_in_time) {
    use_full_uri(server_.url());
    answer_ = {};
    const auto before = monotonic_ms();
    EXPECT_EQ(code_of(fetch()), Code::AwsUnavailable);
    EXPECT_GE(monotonic_ms() - before, 900);
    EXPECT_LT(monotonic_ms() - before, 3'000);
}

TEST_F(Container, answers_that_are_no_credentials_are_refused) {
    use_full_uri(server_.url());
    for (const std::string& bad :
         {std::string(), std::string("{}"), std::string("[]"), std::string("{"), std::string("<xml/>"),
          std::string(R"({"AccessKeyId":"A","SecretAccessKey":"S","Token":"T"})"),
          std::string(R"({"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"2099-01-01T00:00:00Z"})"),
          std::string(40'000, ' ')}) {
        answer_ = answer(200, bad);
        EXPECT_EQ(code_of(fetch()), Code::AwsRefused) << bad.substr(0, 80);
    }
    answer_ = answer(200, credentials_json(system_time_ms() - 1'000));
    const auto expired = fetch();
    EXPECT_EQ(code_of(expired), Code::AwsRefused);
    EXPECT_NE(expired.error().describe().find("expired"), std::string::npos);
}

} // namespace
} // namespace redoubt::aws::tests
