// SPDX-License-Identifier: Apache-2.0
#include "devcloud/sts.h"
#include "unit/devcloud/support.h"

namespace redoubt::devcloud::tests {
namespace {

constexpr const char* kNamespace = "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"";
constexpr const char* kWhoAmI = "Action=GetCallerIdentity&Version=2011-06-15";

// The text of the first element of that name.
std::string element(const std::string& xml, const std::string& name) {
    const auto open = "<" + name + ">", close = "</" + name + ">";
    const auto at = xml.find(open);
    if (at == std::string::npos)
        return "no <" + name + ">";
    const auto from = at + open.size();
    return xml.substr(from, xml.find(close, from) - from);
}

class Sts : public DevcloudTest {
  protected:
    Answer sts(std::string_view form, const aws::Credentials& credentials,
               const std::string& service = "sts") {
        auto request = make_request(
            "POST", "/", {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}}, form);
        aws::SigV4Options options;
        options.region = "us-east-1";
        options.service = service;
        EXPECT_TRUE(aws::sign_sigv4(request, credentials, options, now_));
        return send(request);
    }

    void expect_error(const Answer& answer, int status, const std::string& code) {
        EXPECT_EQ(answer.status, status) << answer.text;
        EXPECT_EQ(answer.response.header("content-type"), "text/xml");
        EXPECT_TRUE(answer.text.starts_with(std::string("<ErrorResponse ") + kNamespace + ">"))
            << answer.text;
        EXPECT_EQ(element(answer.text, "Type"), "Sender");
        EXPECT_EQ(element(answer.text, "Code"), code);
        EXPECT_FALSE(element(answer.text, "Message").empty());
        EXPECT_EQ(element(answer.text, "RequestId"), answer.response.header("x-amzn-requestid"));
    }
};

TEST_F(Sts, tells_the_root_user_who_it_is) {
    const auto answer = sts(kWhoAmI, root_credentials());
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.response.header("content-type"), "text/xml");
    EXPECT_TRUE(answer.text.starts_with(std::string("<GetCallerIdentityResponse ") + kNamespace + ">"));
    const auto result = element(answer.text, "GetCallerIdentityResult");
    EXPECT_EQ(element(result, "Arn"), "arn:aws:iam::000000000000:root");
    EXPECT_EQ(element(result, "UserId"), "000000000000");
    EXPECT_EQ(element(result, "Account"), "000000000000");
    EXPECT_EQ(element(element(answer.text, "ResponseMetadata"), "RequestId"),
              answer.response.header("x-amzn-requestid"));
}

TEST_F(Sts, tells_a_session_its_role_and_name) {
    const auto answer = sts(kWhoAmI, instance_credentials());
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(element(answer.text, "Arn"),
              "arn:aws:sts::000000000000:assumed-role/redoubt-instance/i-0123456789abcdef0");
    const auto user = element(answer.text, "UserId");
    EXPECT_TRUE(user.starts_with("AROA")) << user;
    EXPECT_TRUE(user.ends_with(":i-0123456789abcdef0")) << user;
    EXPECT_EQ(user.size(), 21 + 20u) << user;
    EXPECT_EQ(element(sts(kWhoAmI, instance_credentials()).text, "UserId"), user) << "a role keeps its id";
}

TEST_F(Sts, has_no_other_operation) {
    for (const char* action : {"AssumeRoleWithSAML", "getcalleridentity", "%3Cb%3E"})
        expect_error(sts(std::string("Action=") + action + "&Version=2011-06-15", root_credentials()), 400,
                     "InvalidAction");
    const auto escaped = sts("Action=%3Cb%3E%26&Version=2011-06-15", root_credentials());
    EXPECT_NE(element(escaped.text, "Message").find("&lt;b&gt;&amp;"), std::string::npos) << escaped.text;
    const auto bytes = sts("Action=a%00%0a%ffb&Version=2011-06-15", root_credentials());
    EXPECT_NE(element(bytes.text, "Message").find(" a???b "), std::string::npos) << bytes.text;
}

TEST_F(Sts, wants_one_action) {
    for (const char* form : {"", "Version=2011-06-15", "Action", "Action=GetCallerIdentity&Action=AssumeRole",
                             "Action=GetCallerIdentity&Action=GetCallerIdentity", "action=GetCallerIdentity",
                             "Action=Get%GallerIdentity", "Action=GetCallerIdentit%7"}) {
        const auto answer = sts(form, root_credentials());
        EXPECT_EQ(answer.status, 400) << form;
        EXPECT_EQ(element(answer.text, "Code"),
                  std::string(form) == "Action" ? "InvalidAction" : "MissingAction")
            << form << answer.text;
    }
}

TEST_F(Sts, reads_forms_as_browsers_write_them) {
    const auto action = [](std::string_view form) {
        return query_action(make_request("POST", "/", {}, form)).value_or("none");
    };
    EXPECT_EQ(action("Version=2011-06-15&Action=GetCallerIdentity"), "GetCallerIdentity");
    EXPECT_EQ(action("%41ction=Get%43aller%49dentity"), "GetCallerIdentity");
    EXPECT_EQ(action("Action=a+b%2Bc"), "a b+c");
    EXPECT_EQ(action("Action=a%3d%26b&x"), "a=&b");
    EXPECT_EQ(action("Action=a=b"), "a=b");
    EXPECT_EQ(action("&&Action=a&"), "a");
    EXPECT_EQ(action("Action=%4"), "none");
    EXPECT_EQ(action("Action=%"), "none");
    EXPECT_EQ(action("Action=%g0"), "none");
    EXPECT_EQ(action("x=%zz&Action=a"), "none");
}

TEST_F(Sts, speaks_the_query_protocols_names_for_failures_of_authentication) {
    expect_error(
        send(make_request("POST", "/", {{"content-type", "application/x-www-form-urlencoded"}}, kWhoAmI)),
        403, "MissingAuthenticationToken");
    auto wrong = root_credentials();
    wrong.secret_access_key = Secret::copy_of(as_bytes("another secret"));
    expect_error(sts(kWhoAmI, wrong), 403, "SignatureDoesNotMatch");
    auto unknown = root_credentials();
    unknown.access_key_id = "AKIANOBODY0000000000";
    expect_error(sts(kWhoAmI, unknown), 403, "InvalidClientTokenId");
    expect_error(sts(kWhoAmI, root_credentials(), "kms"), 403, "SignatureDoesNotMatch");
    expect_error(send(make_request("POST", "/",
                                   {{"content-type", "application/x-www-form-urlencoded"},
                                    {"authorization", "AWS4-HMAC-SHA256 Credential=x"}},
                                   kWhoAmI)),
                 400, "IncompleteSignature");
    const auto role = instance_credentials();
    now_ += 7 * 60 * 60 * 1000;
    expect_error(sts(kWhoAmI, role), 403, "ExpiredToken");
}

TEST_F(Sts, calls_its_own_failures_the_receivers) {
    ServiceError failure;
    failure.status = 500;
    failure.type = "InternalFailure";
    failure.message = "devcloud failed";
    const auto response = xml_error(failure, "an id");
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(element(std::string(as_text(response.body)), "Type"), "Receiver");
}

} // namespace
} // namespace redoubt::devcloud::tests
