// SPDX-License-Identifier: Apache-2.0
#include "unit/devcloud/support.h"

namespace redoubt::devcloud::tests {
namespace {

class Container : public DevcloudTest {
  protected:
    Answer put(const Json& entries) {
        return send(make_request("PUT", "/redoubt/container-credentials", {}, entries.dump()));
    }
    void set_up_entries() {
        ASSERT_EQ(put({{{"id", "task-1"}, {"role", "redoubt-instance"}},
                       {{"id", "task-2"}, {"role", "redoubt-instance"}, {"authorization", "secret two"}},
                       {{"id", "pod"},
                        {"role", "redoubt-instance"},
                        {"authorization", "pod token"},
                        {"session_name", "a-pod"}}})
                      .status,
                  200);
    }
    Answer get(const std::string& path, const std::string& authorization = "") {
        std::vector<net::Header> headers;
        if (!authorization.empty())
            headers.push_back({"authorization", authorization});
        return send(make_request("GET", path, headers));
    }
    std::string who(const Json& body) {
        aws::Credentials credentials;
        credentials.access_key_id = body["AccessKeyId"];
        credentials.secret_access_key = Secret::copy_of(as_bytes(body["SecretAccessKey"].get<std::string>()));
        credentials.session_token = Secret::copy_of(as_bytes(body["Token"].get<std::string>()));
        auto request = make_request("POST", "/", {{"content-type", "application/x-www-form-urlencoded"}},
                                    "Action=GetCallerIdentity");
        aws::SigV4Options options;
        options.region = "us-east-1";
        options.service = "sts";
        EXPECT_TRUE(aws::sign_sigv4(request, credentials, options, now_));
        return send(request).text;
    }
};

TEST_F(Container, hands_out_ecs_credentials_by_id) {
    set_up_entries();
    const auto answer = get("/v2/credentials/task-1");
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.body["RoleArn"], "arn:aws:iam::000000000000:role/redoubt-instance");
    EXPECT_EQ(from_iso8601(answer.body["Expiration"].get<std::string>()), now_ / 1000 * 1000 + 6 * 3'600'000);
    EXPECT_NE(who(answer.body).find("assumed-role/redoubt-instance/task-1"), std::string::npos);
    EXPECT_EQ(get("/v2/credentials/task-1").body, answer.body) << "the same until they are renewed";
    now_ += 5LL * 3'600'000 + 1'000;
    EXPECT_NE(get("/v2/credentials/task-1").body["AccessKeyId"], answer.body["AccessKeyId"]);
}

TEST_F(Container, asks_for_the_token_that_was_registered) {
    set_up_entries();
    EXPECT_EQ(get("/v2/credentials/task-2").status, 401);
    EXPECT_EQ(get("/v2/credentials/task-2", "secret").status, 401);
    EXPECT_EQ(get("/v2/credentials/task-2", "secret two").status, 200);
}

TEST_F(Container, refuses_an_unknown_id_as_the_ecs_agent_does) {
    set_up_entries();
    for (const char* id : {"task-3", "task", "task-1/", "%74ask-1"}) {
        const auto answer = get(std::string("/v2/credentials/") + id);
        EXPECT_EQ(answer.status, 400);
        EXPECT_EQ(answer.body, Json({{"code", "InvalidIdInRequest"},
                                     {"message", "CredentialsV2Request: Credentials not found"},
                                     {"HTTPErrorCode", 400}}));
    }
    EXPECT_EQ(get("/v2/credentials/").body["code"], "NoIdInRequest");
    EXPECT_EQ(send(make_request("POST", "/v2/credentials/task-1")).status, 405);
}

TEST_F(Container, hands_out_pod_identity_credentials_by_token) {
    set_up_entries();
    const auto answer = get("/v1/credentials", "pod token");
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.body["AccountId"], "000000000000");
    EXPECT_NE(who(answer.body).find("assumed-role/redoubt-instance/a-pod"), std::string::npos);
    EXPECT_EQ(get("/v1/credentials").status, 400);
    EXPECT_EQ(get("/v1/credentials").text, "Service account token cannot be empty\n");
    EXPECT_EQ(get("/v1/credentials", "pod token ").status, 200) << "white space around a header is no part";
    EXPECT_EQ(get("/v1/credentials", "pod").status, 401);
    EXPECT_EQ(get("/v1/credentials", "task-1").status, 401) << "an entry without a token is not found by one";
}

TEST_F(Container, keeps_entries_across_a_restart_and_shows_no_token) {
    set_up_entries();
    open();
    EXPECT_EQ(get("/v1/credentials", "pod token").status, 200);
    const auto shown = get("/redoubt/container-credentials");
    EXPECT_EQ(shown.body.size(), 3u);
    EXPECT_EQ(shown.text.find("pod token"), std::string::npos);
    EXPECT_EQ(send(make_request("DELETE", "/redoubt/container-credentials")).body, Json::array());
    EXPECT_EQ(get("/v1/credentials", "pod token").status, 401);
}

TEST_F(Container, refuses_wrong_entries_whole) {
    set_up_entries();
    const Json wrong[] = {
        Json::object(),
        {{{"id", ""}, {"role", "r"}}},
        {{{"id", "a/b"}, {"role", "r"}}},
        {{{"id", "ab"}}},
        {{{"id", "ab"}, {"role", "a b"}}},
        {{{"id", "ab"}, {"role", "r"}, {"authorization", ""}}},
        {{{"id", "ab"}, {"role", "r"}, {"account", "1"}}},
        {{{"id", "ab"}, {"role", "r"}, {"session_name", "x"}}},
        {{{"id", "ab"}, {"role", "r"}, {"more", "x"}}},
        {{{"id", "ab"}, {"role", "r"}}, {{"id", "ab"}, {"role", "r"}}},
    };
    for (const auto& entries : wrong)
        EXPECT_EQ(put(entries).status, 400) << entries.dump();
    EXPECT_EQ(get("/redoubt/container-credentials").body.size(), 3u);
}

} // namespace
} // namespace redoubt::devcloud::tests
