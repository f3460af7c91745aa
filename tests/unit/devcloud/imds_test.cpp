// SPDX-License-Identifier: Apache-2.0
#include "devcloud/imds.h"
#include "unit/devcloud/support.h"

#include <set>

namespace redoubt::devcloud::tests {
namespace {

constexpr const char* kToken = "/latest/api/token";
constexpr const char* kTtl = "x-aws-ec2-metadata-token-ttl-seconds";
constexpr const char* kRoles = "/latest/meta-data/iam/security-credentials/";
constexpr const char* kRole = "/latest/meta-data/iam/security-credentials/redoubt-instance";
constexpr UnixMs kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute;

class Imds : public DevcloudTest {
  protected:
    Answer put_token(const std::string& ttl) { return send(make_request("PUT", kToken, {{kTtl, ttl}})); }

    static void expect_page(const Answer& answer, int status, const std::string& what) {
        EXPECT_EQ(answer.status, status) << what << answer.text;
        EXPECT_EQ(answer.response.header("content-type"), "text/html") << what;
        EXPECT_NE(answer.text.find("<title>" + std::to_string(status) + " - "), std::string::npos) << what;
    }
};

TEST_F(Imds, hands_out_tokens_with_their_life) {
    for (const char* ttl : {"1", "60", "21600"}) {
        const auto answer = put_token(ttl);
        EXPECT_EQ(answer.status, 200) << ttl;
        EXPECT_EQ(answer.response.header("content-type"), "text/plain");
        EXPECT_EQ(answer.response.header(kTtl), ttl);
        EXPECT_EQ(imds(kRoles, answer.text).status, 200) << ttl;
        EXPECT_NE(answer.text, put_token(ttl).text) << "each is another";
    }
}

TEST_F(Imds, refuses_a_life_that_is_no_number_from_1_to_21600) {
    for (const char* ttl :
         {"0", "-1", "21601", "99999999999999999999", "", "x", "60x", "6 0", "+60", "0x10", "1.5"})
        expect_page(put_token(ttl), 400, ttl);
    expect_page(send(make_request("PUT", kToken)), 400, "none");
    expect_page(send(make_request("PUT", kToken, {{kTtl, "60"}, {kTtl, "60"}})), 400, "two");
}

TEST_F(Imds, gives_no_token_to_what_a_proxy_forwarded) {
    expect_page(send(make_request("PUT", kToken, {{kTtl, "60"}, {"x-forwarded-for", "10.0.0.1"}})), 403, "");
}

TEST_F(Imds, has_no_version_1) {
    for (const char* path :
         {kRoles, kRole, "/latest/meta-data/instance-id", "/latest/meta-data/", "/latest/x"})
        expect_page(send(make_request("GET", path)), 401, path);
}

TEST_F(Imds, refuses_a_token_that_it_did_not_make) {
    const auto good = imds_token();
    ASSERT_EQ(imds(kRole, good).status, 200);
    expect_page(imds(kRole, ""), 401, "empty");
    expect_page(imds(kRole, "x"), 401, "no base64");
    expect_page(imds(kRole, to_base64(Bytes(56, 0))), 401, "zeros");
    expect_page(send(make_request("GET", kRole,
                                  {{"x-aws-ec2-metadata-token", good}, {"x-aws-ec2-metadata-token", good}})),
                401, "two");
    const auto bytes = *from_base64(good);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        auto altered = bytes;
        altered[i] ^= 0x80;
        ASSERT_EQ(imds(kRole, to_base64(altered)).status, 401) << "byte " << i;
    }
    for (std::size_t size = 0; size < bytes.size(); ++size)
        ASSERT_EQ(imds(kRole, to_base64(ByteView(bytes).first(size))).status, 401) << size;
}

TEST_F(Imds, refuses_a_token_after_its_life) {
    const auto token = imds_token(60);
    now_ += kMinute - 1;
    EXPECT_EQ(imds(kRole, token).status, 200);
    now_ += 1;
    expect_page(imds(kRole, token), 401, "expired");
}

TEST_F(Imds, refuses_the_tokens_of_before_a_restart) {
    const auto token = imds_token();
    open();
    expect_page(imds(kRole, token), 401, "");
    EXPECT_EQ(imds(kRole, imds_token()).status, 200);
}

TEST_F(Imds, names_the_role_and_the_instance) {
    const auto token = imds_token();
    EXPECT_EQ(imds(kRoles, token).text, "redoubt-instance");
    EXPECT_EQ(imds("/latest/meta-data/iam/security-credentials", token).text, "redoubt-instance");
    EXPECT_EQ(imds("/latest/meta-data/instance-id", token).text, "i-0123456789abcdef0");
    EXPECT_EQ(imds("/latest/meta-data/placement/region", token).text, "us-east-1");
}

TEST_F(Imds, tells_credentials_in_awss_form) {
    const auto answer = imds(kRole, imds_token());
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(answer.response.header("content-type"), "text/plain");
    std::set<std::string> names;
    for (const auto& [name, value] : answer.body.items()) {
        names.insert(name);
        EXPECT_TRUE(value.is_string()) << name;
    }
    EXPECT_EQ(names, (std::set<std::string>{"Code", "LastUpdated", "Type", "AccessKeyId", "SecretAccessKey",
                                            "Token", "Expiration"}));
    EXPECT_EQ(answer.body["Code"], "Success");
    EXPECT_EQ(answer.body["Type"], "AWS-HMAC");
    const std::string id = answer.body["AccessKeyId"];
    EXPECT_TRUE(id.starts_with("ASIA")) << id;
    EXPECT_EQ(id.size(), 20u);
    EXPECT_EQ(answer.body["SecretAccessKey"].get<std::string>().size(), 40u);
    const auto updated = from_iso8601(answer.body["LastUpdated"].get<std::string>());
    const auto expires = from_iso8601(answer.body["Expiration"].get<std::string>());
    ASSERT_TRUE(updated && expires);
    EXPECT_EQ(*updated, now_ / kSecond * kSecond);
    EXPECT_EQ(*expires - *updated, 6 * kHour);
}

TEST_F(Imds, keeps_credentials_until_an_hour_is_left) {
    now_ = now_ / kSecond * kSecond;
    const auto first = imds(kRole, imds_token()).body;
    EXPECT_EQ(imds(kRole, imds_token()).body, first);
    now_ += 5 * kHour;
    EXPECT_EQ(imds(kRole, imds_token()).body, first);
    open();
    EXPECT_EQ(imds(kRole, imds_token()).body, first) << "and across a restart";
    now_ += kSecond;
    const auto second = imds(kRole, imds_token()).body;
    EXPECT_NE(second["AccessKeyId"], first["AccessKeyId"]);
    EXPECT_NE(second["SecretAccessKey"], first["SecretAccessKey"]);
    EXPECT_NE(second["Token"], first["Token"]);
    EXPECT_EQ(from_iso8601(second["Expiration"].get<std::string>()), now_ + 6 * kHour);
}

TEST_F(Imds, tells_what_it_does_not_have) {
    const auto token = imds_token();
    for (const char* path :
         {"/latest/meta-data/iam/security-credentials/another-role",
          "/latest/meta-data/iam/security-credentials-extended/",
          "/latest/meta-data/iam/security-credentialsredoubt-instance",
          "/latest/meta-data/iam/security-credentials//redoubt-instance",
          "/latest/meta-data/iam/security-credentials/redoubt-instance/", "/latest/meta-data/iam/info",
          "/latest/user-data", "/latest/meta-data/", "/latest/", "/latest/api/tokens"})
        expect_page(imds(path, token), 404, path);
    // The version of the interface stands in the path; there is one.
    EXPECT_EQ(imds("/1.0/meta-data/instance-id", token).status, 404);
}

TEST_F(Imds, takes_put_for_tokens_and_get_for_the_rest) {
    const auto token = imds_token();
    for (const char* method : {"GET", "POST", "DELETE"})
        expect_page(send(make_request(method, kToken, {{kTtl, "60"}, {"x-aws-ec2-metadata-token", token}})),
                    405, method);
    for (const char* method : {"PUT", "POST", "DELETE"})
        expect_page(send(make_request(method, kRole, {{"x-aws-ec2-metadata-token", token}})), 405, method);
}

} // namespace
} // namespace redoubt::devcloud::tests
