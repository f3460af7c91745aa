// SPDX-License-Identifier: Apache-2.0
#include "aws/secrets_client.h"
#include "aws/sigv4.h"
#include "fake_server.h"

#include <nlohmann/json.hpp>

namespace redoubt::aws::tests {
namespace {

using Json = nlohmann::json;

class SecretsClientTest : public ::testing::Test {
  protected:
    SecretsClientTest()
        : server_(nullptr, [this](const net::HttpRequest& request) {
              request_ = request;
              return answer_;
          }) {}

    Result<Bytes> get(const std::string& id = "prod/key") {
        return client_.get_secret_value(id, credentials_);
    }
    Result<Bytes> get_with(const RawAnswer& raw) {
        answer_ = raw;
        return get();
    }
    Result<Bytes> get_with(const Json& reply, int status = 200) {
        return get_with(answer(status, reply.dump()));
    }

    net::HttpRequest request_;
    RawAnswer answer_ = answer(200, R"({"Name":"prod/key","SecretString":"AQICAHg="})");
    FakeServer server_;
    Credentials credentials_ = test_credentials();
    SecretsClient client_{server_.url(), "us-east-1", nullptr, 500};
};

TEST_F(SecretsClientTest, gets_a_string_as_it_stands) {
    const auto value = get();
    ASSERT_TRUE(value) << value.error().describe();
    EXPECT_EQ(as_text(*value), "AQICAHg=");
    const auto odd = get_with(Json{{"SecretString", "{\"k\":\"\u00e9\"}\n"}});
    ASSERT_TRUE(odd);
    EXPECT_EQ(as_text(*odd), "{\"k\":\"\u00e9\"}\n");
}

TEST_F(SecretsClientTest, gets_binary_decoded) {
    const Bytes bytes{0, 1, 2, 255};
    const auto value = get_with(Json{{"SecretBinary", to_base64(bytes)}, {"SecretString", nullptr}});
    ASSERT_TRUE(value);
    EXPECT_EQ(*value, bytes);
}

TEST_F(SecretsClientTest, asks_signed_for_the_current_version) {
    ASSERT_TRUE(get("prod/\"key\""));
    EXPECT_EQ(request_.method, "POST");
    EXPECT_EQ(request_.target, "/");
    EXPECT_EQ(request_.header("x-amz-target"), "secretsmanager.GetSecretValue");
    EXPECT_EQ(Json::parse(request_.body), (Json{{"SecretId", "prod/\"key\""}}));
    const auto look_up = [&](const std::string&, std::string_view) -> std::expected<Secret, SigV4Failure> {
        return credentials_.secret_access_key.clone();
    };
    const auto identity = verify_sigv4(request_, look_up, system_time_ms());
    ASSERT_TRUE(identity) << identity.error().message;
    EXPECT_EQ(identity->service, "secretsmanager");
    EXPECT_EQ(identity->region, "us-east-1");
}

TEST_F(SecretsClientTest, keeps_its_connection_and_replaces_a_closed_one) {
    ASSERT_TRUE(get());
    ASSERT_TRUE(get());
    EXPECT_EQ(server_.connections(), 1);
    answer_.hang_up = true;
    ASSERT_TRUE(get());
    ASSERT_TRUE(get());
    EXPECT_EQ(server_.connections(), 2);
}

TEST_F(SecretsClientTest, errors_have_codes) {
    struct {
        int status;
        const char* type;
        Code code;
    } const cases[] = {
        {400, "ResourceNotFoundException", Code::SecretMissing},
        {400, "ExpiredTokenException", Code::CredentialsExpired},
        {400, "UnrecognizedClientException", Code::CredentialsExpired},
        {403, "InvalidClientTokenId", Code::CredentialsExpired},
        {400, "AccessDeniedException", Code::AwsRefused},
        {400, "InvalidRequestException", Code::AwsRefused},
        {400, "DecryptionFailure", Code::AwsRefused},
        {400, "ThrottlingException", Code::AwsUnavailable},
        {500, "InternalServiceError", Code::AwsUnavailable},
        {301, "", Code::AwsRefused},
    };
    for (const auto& [status, type, code] : cases)
        EXPECT_EQ(code_of(get_with(Json{{"__type", type}, {"Message", "m"}}, status)), code) << type;
}

TEST_F(SecretsClientTest, a_reply_without_exactly_one_good_value_is_refused) {
    for (const Json& reply :
         {Json::object(), Json::array(), Json("x"), Json{{"SecretString", ""}}, Json{{"SecretString", 1}},
          Json{{"SecretBinary", "A"}}, Json{{"SecretBinary", ""}},
          Json{{"SecretString", "a"}, {"SecretBinary", "AAAA"}},
          Json{{"SecretString", std::string(65537, 'a')}}})
        EXPECT_EQ(code_of(get_with(reply)), Code::AwsRefused) << reply.dump().substr(0, 80);
    EXPECT_TRUE(get_with(Json{{"SecretString", std::string(65536, 'a')}}));
    EXPECT_EQ(code_of(get_with(answer(200, R"({"SecretString":"a","SecretString":"b"})"))), Code::AwsRefused);
    EXPECT_EQ(code_of(get_with(answer(200, std::string(500'000, ' ')))), Code::AwsRefused);
}

TEST_F(SecretsClientTest, a_dead_or_silent_service_is_unavailable) {
    EXPECT_EQ(code_of(get_with(RawAnswer{})), Code::AwsUnavailable);
    std::string url;
    {
        FakeServer gone(nullptr, [](const net::HttpRequest&) { return RawAnswer{}; });
        url = gone.url();
    }
    SecretsClient client(url, "us-east-1", nullptr, 500);
    EXPECT_EQ(code_of(client.get_secret_value("x", credentials_)), Code::AwsUnavailable);
}

TEST_F(SecretsClientTest, refuses_before_it_asks_what_cannot_succeed) {
    EXPECT_EQ(code_of(get("")), Code::SecretMissing);
    EXPECT_EQ(code_of(get(std::string(2049, 'x'))), Code::SecretMissing);
    credentials_.expires = system_time_ms() - 1;
    EXPECT_EQ(code_of(get()), Code::CredentialsExpired);
    credentials_.expires = system_time_ms() + 60'000;
    EXPECT_TRUE(get());
    SecretsClient no_roots("https://secretsmanager.us-east-1.amazonaws.com", "us-east-1", nullptr);
    EXPECT_EQ(code_of(no_roots.get_secret_value("x", credentials_)), Code::Usage);
    SecretsClient no_url("secretsmanager", "us-east-1", nullptr);
    EXPECT_EQ(code_of(no_url.get_secret_value("x", credentials_)), Code::Usage);
    EXPECT_EQ(server_.requests(), 1);
}

const std::string kVersion(32, 'v');

TEST_F(SecretsClientTest, tells_the_current_version_with_its_value) {
    answer_ = answer(200, Json{{"SecretBinary", "AAEC"}, {"VersionId", kVersion}}.dump());
    const auto version = client_.get_current_version("prod/key", credentials_);
    ASSERT_TRUE(version) << version.error().describe();
    EXPECT_EQ(version->value, (Bytes{0, 1, 2}));
    EXPECT_EQ(version->id, kVersion);
    EXPECT_EQ(Json::parse(request_.body), (Json{{"SecretId", "prod/key"}}));
    for (const Json& id : {Json(), Json(1), Json("short"), Json(std::string(65, 'v'))}) {
        answer_ = answer(200, Json{{"SecretBinary", "AAEC"}, {"VersionId", id}}.dump());
        EXPECT_EQ(code_of(client_.get_current_version("prod/key", credentials_)), Code::AwsRefused) << id;
    }
    // One that is scheduled for deletion cannot be read.
    answer_ = answer(400, R"({"__type":"InvalidRequestException","Message":"m"})");
    EXPECT_EQ(code_of(client_.get_current_version("prod/key", credentials_)), Code::SecretMissing);
}

TEST_F(SecretsClientTest, creates_and_puts_binary_values_as_named_versions) {
    answer_ = answer(200, Json{{"ARN", "arn"}, {"Name", "a"}, {"VersionId", kVersion}}.dump());
    EXPECT_TRUE(client_.create_secret("a", Bytes{0, 255}, kVersion, credentials_));
    EXPECT_EQ(request_.header("x-amz-target"), "secretsmanager.CreateSecret");
    EXPECT_EQ(Json::parse(request_.body),
              (Json{{"Name", "a"}, {"ClientRequestToken", kVersion}, {"SecretBinary", "AP8="}}));
    EXPECT_TRUE(client_.put_secret_value("a", Bytes{0, 255}, kVersion, "PENDING", credentials_));
    EXPECT_EQ(request_.header("x-amz-target"), "secretsmanager.PutSecretValue");
    EXPECT_EQ(Json::parse(request_.body), (Json{{"SecretId", "a"},
                                                {"ClientRequestToken", kVersion},
                                                {"SecretBinary", "AP8="},
                                                {"VersionStages", {"PENDING"}}}));
    const std::string other(32, 'w');
    EXPECT_EQ(code_of(client_.create_secret("a", Bytes{1}, other, credentials_)), Code::AwsRefused);
    EXPECT_EQ(code_of(client_.put_secret_value("a", Bytes{1}, other, "P", credentials_)), Code::AwsRefused);
    answer_ = answer(400, R"({"__type":"ResourceExistsException","Message":"m"})");
    EXPECT_EQ(code_of(client_.create_secret("a", Bytes{1}, kVersion, credentials_)), Code::Conflict);
    EXPECT_EQ(code_of(client_.put_secret_value("a", Bytes{1}, kVersion, "P", credentials_)), Code::Conflict);
    EXPECT_EQ(code_of(get()), Code::AwsRefused); // means nothing of the kind there
}

TEST_F(SecretsClientTest, moves_a_stage_from_the_version_that_it_names) {
    answer_ = answer(200, R"({"ARN":"arn","Name":"a"})");
    EXPECT_TRUE(client_.move_stage("a", "AWSCURRENT", "from", "to", credentials_));
    EXPECT_EQ(request_.header("x-amz-target"), "secretsmanager.UpdateSecretVersionStage");
    EXPECT_EQ(Json::parse(request_.body), (Json{{"SecretId", "a"},
                                                {"VersionStage", "AWSCURRENT"},
                                                {"RemoveFromVersionId", "from"},
                                                {"MoveToVersionId", "to"}}));
    answer_ = answer(400, R"({"__type":"InvalidParameterException","Message":"m"})");
    EXPECT_EQ(code_of(client_.move_stage("a", "AWSCURRENT", "f", "t", credentials_)), Code::Conflict);
    EXPECT_EQ(code_of(get()), Code::AwsRefused);
}

TEST_F(SecretsClientTest, deletes_at_once_what_is_there_or_not) {
    answer_ = answer(200, R"({"ARN":"arn","Name":"a","DeletionDate":1.0})");
    EXPECT_TRUE(client_.delete_secret("a", credentials_));
    EXPECT_EQ(request_.header("x-amz-target"), "secretsmanager.DeleteSecret");
    EXPECT_EQ(Json::parse(request_.body), (Json{{"SecretId", "a"}, {"ForceDeleteWithoutRecovery", true}}));
    answer_ = answer(400, R"({"__type":"ResourceNotFoundException","Message":"m"})");
    EXPECT_TRUE(client_.delete_secret("a", credentials_));
    answer_ = answer(400, R"({"__type":"AccessDeniedException","Message":"m"})");
    EXPECT_EQ(code_of(client_.delete_secret("a", credentials_)), Code::AwsRefused);
}

TEST_F(SecretsClientTest, lists_names_with_their_current_versions) {
    answer_ = answer(
        200, Json{{"SecretList",
                   {{{"Name", "p/a"},
                     {"SecretVersionsToStages",
                      {{std::string(32, 'o'), {"AWSPREVIOUS"}}, {kVersion, {"AWSCURRENT", "PENDING"}}}}},
                    {{"Name", "p/b"}, {"Tags", Json::array()}}}},
                  {"NextToken", "more"}}
                 .dump());
    const auto page = client_.list_secrets("p/", "", credentials_);
    ASSERT_TRUE(page) << page.error().describe();
    EXPECT_EQ(request_.header("x-amz-target"), "secretsmanager.ListSecrets");
    EXPECT_EQ(Json::parse(request_.body), Json::parse(R"({"MaxResults":100,)"
                                                      R"("Filters":[{"Key":"name","Values":["p/"]}]})"));
    ASSERT_EQ(page->secrets.size(), 2u);
    EXPECT_EQ(page->secrets[0].name, "p/a");
    EXPECT_EQ(page->secrets[0].current, kVersion);
    EXPECT_EQ(page->secrets[1].current, "");
    EXPECT_EQ(page->next, "more");
    answer_ = answer(200, R"({"SecretList":[]})");
    const auto last = client_.list_secrets("p/", "more", credentials_);
    ASSERT_TRUE(last);
    EXPECT_EQ(Json::parse(request_.body)["NextToken"], "more");
    EXPECT_TRUE(last->secrets.empty() && last->next.empty());
}

TEST_F(SecretsClientTest, a_list_that_is_none_is_refused) {
    const std::string current = R"("AWSCURRENT")", version = "\"" + kVersion + "\"",
                      other = "\"" + std::string(32, 'o') + "\"";
    const auto with = [](const std::string& stages) {
        return R"({"SecretList":[{"Name":"a","SecretVersionsToStages":)" + stages + "}]}";
    };
    for (const std::string& reply : std::vector<std::string>{
             "", "[]", "{}", R"({"SecretList":{}})", R"({"SecretList":[1]})", R"({"SecretList":[{}]})",
             R"({"SecretList":[{"Name":1}]})", R"({"SecretList":[],"NextToken":1})",
             R"({"SecretList":[],"NextToken":""})",
             R"({"SecretList":[],"NextToken":")" + std::string(4097, 't') + "\"}", with("[]"),
             with("{" + version + ":" + current + "}"), with(R"({"short":[)" + current + "]}"),
             with("{" + version + ":[" + current + "]," + other + ":[" + current + "]}")}) {
        answer_ = answer(200, reply);
        EXPECT_EQ(code_of(client_.list_secrets("p/", "", credentials_)), Code::AwsRefused) << reply;
    }
    answer_ = answer(200, with("{" + version + ":[" + current + "]}"));
    EXPECT_TRUE(client_.list_secrets("p/", "", credentials_));
    answer_ = answer(200, std::string(9'000'000, ' '));
    const auto large = client_.list_secrets("p/", "", credentials_);
    EXPECT_EQ(code_of(large), Code::AwsUnavailable) << large.error().describe();
    EXPECT_NE(large.error().context.find("larger than the limit"), std::string::npos);
}

TEST_F(SecretsClientTest, an_answer_that_is_cut_short_may_be_asked_for_again) {
    answer_ = answer(200, R"({"SecretString":"a"})");
    for (const std::size_t size : {std::size_t{20}, answer_.bytes.size() - 1}) {
        RawAnswer part = answer_;
        part.bytes.resize(size);
        part.hang_up = true;
        EXPECT_EQ(code_of(get_with(part)), Code::AwsUnavailable) << size;
        answer_ = answer(200, R"({"SecretString":"a"})");
    }
    EXPECT_TRUE(get());
}

TEST_F(SecretsClientTest, speaks_tls_where_the_endpoint_says_https) {
    const Authority authority;
    const auto server_tls = authority.server("127.0.0.1");
    FakeServer server(&server_tls, [this](const net::HttpRequest&) { return answer_; });
    const std::string url = "https://127.0.0.1:" + std::to_string(server.endpoint().port);
    const auto client_tls = authority.client();
    SecretsClient client(url, "us-east-1", &client_tls, 2'000);
    const auto value = client.get_secret_value("x", credentials_);
    EXPECT_TRUE(value) << value.error().describe();
    const auto stranger = Authority().client();
    SecretsClient distrustful(url, "us-east-1", &stranger, 2'000);
    EXPECT_EQ(code_of(distrustful.get_secret_value("x", credentials_)), Code::AwsUnavailable);
}

} // namespace
} // namespace redoubt::aws::tests
