// SPDX-License-Identifier: Apache-2.0
// SigV4 as the services see it: who may call at all, and what each altered or stale request is told.
#include "unit/devcloud/support.h"

namespace redoubt::devcloud::tests {
namespace {

constexpr UnixMs kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute;

struct Scope {
    std::string region = "us-east-1", service = "kms";
};

class Signature : public DevcloudTest {
  protected:
    net::HttpRequest list_keys() const {
        return make_request("POST", "/",
                            {{"content-type", "application/x-amz-json-1.1"},
                             {"x-amz-target", "TrentService.ListKeys"},
                             {"user-agent", "a client"}},
                            "{}");
    }

    net::HttpRequest sign(net::HttpRequest request, const aws::Credentials& credentials,
                          const Scope& scope = {}, std::optional<UnixMs> at = {}) {
        aws::SigV4Options options;
        options.region = scope.region;
        options.service = scope.service;
        EXPECT_TRUE(aws::sign_sigv4(request, credentials, options, at.value_or(now_)));
        return request;
    }

    void expect_refused(const net::HttpRequest& request, const std::string& type, const char* what) {
        const auto answer = send(request);
        EXPECT_EQ(answer.status, 400) << what << answer.text;
        EXPECT_EQ(answer.type(), type) << what << answer.text;
        EXPECT_TRUE(answer.body.contains("message")) << what << answer.text;
        EXPECT_FALSE(answer.body.contains("Keys")) << what;
        EXPECT_EQ(answer.text.find("root secret of a test"), std::string::npos) << what;
    }

    static net::Header& header(net::HttpRequest& request, std::string_view name) {
        for (auto& header : request.headers)
            if (header.name == name)
                return header;
        ADD_FAILURE() << "no header " << name;
        return request.headers.front();
    }
    static void remove_header(net::HttpRequest& request, std::string_view name) {
        erase_if(request.headers, [&](const auto& header) { return header.name == name; });
    }
};

TEST_F(Signature, lets_the_right_one_in) {
    EXPECT_EQ(send(sign(list_keys(), root_credentials())).status, 200);
    // The kind of caller that IAM gives nothing but its own operations.
    const auto role = instance_credentials();
    EXPECT_EQ(send(sign(list_keys(), role)).type(), "AccessDeniedException");
}

TEST_F(Signature, wants_one) {
    expect_refused(list_keys(), "MissingAuthenticationTokenException", "none");
    auto request = sign(list_keys(), root_credentials());
    remove_header(request, "authorization");
    expect_refused(request, "MissingAuthenticationTokenException", "removed");
}

TEST_F(Signature, refuses_the_wrong_secret) {
    auto credentials = root_credentials();
    credentials.secret_access_key = Secret::copy_of(as_bytes("Root secret of a test"));
    expect_refused(sign(list_keys(), credentials), "InvalidSignatureException", "another secret");
    const auto answer = send(sign(list_keys(), credentials));
    EXPECT_NE(answer.body["message"].get<std::string>().find("does not match the signature you provided"),
              std::string::npos);
}

TEST_F(Signature, refuses_an_access_key_that_nobody_has) {
    auto credentials = root_credentials();
    credentials.access_key_id = "AKIAREDOUBTROOT00001";
    expect_refused(sign(list_keys(), credentials), "UnrecognizedClientException", "unknown key");
    EXPECT_EQ(send(sign(list_keys(), credentials)).body["message"],
              "The security token included in the request is invalid.");
}

TEST_F(Signature, refuses_another_scope) {
    expect_refused(sign(list_keys(), root_credentials(), {"nowhere", "kms"}), "InvalidSignatureException",
                   "region");
    EXPECT_EQ(send(sign(list_keys(), root_credentials(), {"eu-west-1", "kms"})).status, 200)
        << "every region is served";
    expect_refused(sign(list_keys(), root_credentials(), {"us-east-1", "secretsmanager"}),
                   "InvalidSignatureException", "service");
    expect_refused(sign(list_keys(), root_credentials(), {"us-east-1", "KMS"}), "InvalidSignatureException",
                   "service in capitals");
    EXPECT_NE(send(sign(list_keys(), root_credentials(), {"us-east-1", "s3"}))
                  .body["message"]
                  .get<std::string>()
                  .find("Credential should be scoped to correct service: 'kms'"),
              std::string::npos);
}

TEST_F(Signature, refuses_a_scope_that_was_changed_after_signing) {
    auto request = sign(list_keys(), root_credentials(), {"eu-west-1", "kms"});
    auto& value = header(request, "authorization").value;
    value.replace(value.find("eu-west-1"), 9, "us-east-1");
    expect_refused(request, "InvalidSignatureException", "region swapped in");
}

TEST_F(Signature, is_good_for_five_minutes_either_way) {
    now_ = now_ / kSecond * kSecond; // a request's date has whole seconds
    const auto at = [&](UnixMs time) { return sign(list_keys(), root_credentials(), {}, time); };
    EXPECT_EQ(send(at(now_ - 5 * kMinute)).status, 200);
    EXPECT_EQ(send(at(now_ + 5 * kMinute)).status, 200);
    expect_refused(at(now_ - 5 * kMinute - kSecond), "InvalidSignatureException", "stale");
    expect_refused(at(now_ + 5 * kMinute + kSecond), "InvalidSignatureException", "from the future");
    EXPECT_TRUE(send(at(now_ - kHour)).body["message"].get<std::string>().starts_with("Signature expired: "));
    EXPECT_TRUE(
        send(at(now_ + kHour)).body["message"].get<std::string>().starts_with("Signature not yet current: "));
    auto fresh = at(now_ - kHour);
    header(fresh, "x-amz-date").value = to_amz_date(now_);
    expect_refused(fresh, "InvalidSignatureException", "a new date on an old signature");
}

TEST_F(Signature, covers_body_target_method_and_host) {
    const auto right = sign(list_keys(), root_credentials());
    auto body = right;
    body.body = to_bytes(R"({"Limit":1})");
    expect_refused(body, "InvalidSignatureException", "another body");
    header(body, "x-amz-content-sha256").value = to_hex(crypto::sha256(body.body));
    expect_refused(body, "InvalidSignatureException", "another body and its hash");
    header(body, "x-amz-content-sha256").value = "UNSIGNED-PAYLOAD";
    expect_refused(body, "InvalidSignatureException", "no body's hash");

    auto target = right;
    header(target, "x-amz-target").value = "TrentService.CreateKey";
    expect_refused(target, "InvalidSignatureException", "another operation");

    auto host = right;
    host.authority = "kms.us-east-1.amazonaws.com";
    expect_refused(host, "InvalidSignatureException", "another host");

    auto query = right;
    query.target = "/?a=b";
    expect_refused(query, "InvalidSignatureException", "a query");
}

TEST_F(Signature, covers_every_header_that_means_something) {
    const auto right = sign(list_keys(), root_credentials());
    auto added = right;
    added.headers.push_back({"x-amz-meta", "1"});
    expect_refused(added, "InvalidSignatureException", "an unsigned x-amz- header");
    auto twice = right;
    twice.headers.push_back({"x-amz-target", "TrentService.CreateKey"});
    expect_refused(twice, "InvalidSignatureException", "a second target");
    auto removed = right;
    remove_header(removed, "x-amz-content-sha256");
    expect_refused(removed, "InvalidSignatureException", "a signed header that is missing");
    auto type = right;
    auto& value = header(type, "authorization").value;
    value.erase(value.find("content-type;"), 13);
    expect_refused(type, "InvalidSignatureException", "content-type unsigned");
    // What proxies change is not signed.
    auto agent = right;
    header(agent, "user-agent").value = "another client";
    agent.headers.push_back({"accept", "*/*"});
    EXPECT_EQ(send(agent).status, 200);
}

TEST_F(Signature, must_be_well_formed) {
    const auto right = sign(list_keys(), root_credentials());
    const auto with = [&](const std::string& value) {
        auto request = right;
        header(request, "authorization").value = value;
        return request;
    };
    const std::string text(right.header("authorization"));
    expect_refused(with("Basic cm9vdDpyb290"), "IncompleteSignatureException", "another scheme");
    expect_refused(with("AWS4-HMAC-SHA256"), "IncompleteSignatureException", "nothing after the scheme");
    expect_refused(with(text.substr(0, text.rfind(','))), "IncompleteSignatureException", "no signature");
    expect_refused(with(text.substr(0, text.size() - 1)), "IncompleteSignatureException", "63 digits");
    expect_refused(with(text + ", Signature=" + std::string(64, '0')), "IncompleteSignatureException",
                   "two signatures");
    auto twice = right;
    twice.headers.push_back({"authorization", text});
    expect_refused(twice, "IncompleteSignatureException", "two headers");
    auto undated = right;
    remove_header(undated, "x-amz-date");
    EXPECT_EQ(send(undated).status, 400);
}

TEST_F(Signature, of_a_session_needs_its_own_unexpired_token) {
    const auto key = create_key();
    const auto call = [&](const aws::Credentials& credentials) {
        return kms("DescribeKey", {{"KeyId", key}}, credentials);
    };
    const auto role = instance_credentials();
    ASSERT_EQ(call(role).status, 200);

    auto tokenless = role.clone();
    tokenless.session_token = Secret();
    EXPECT_EQ(call(tokenless).type(), "UnrecognizedClientException");
    auto altered = role.clone();
    auto bytes = altered.session_token.mutable_view(SecretAccess("alter a token in a test"));
    bytes[7] = bytes[7] == 'A' ? 'B' : 'A';
    EXPECT_EQ(call(altered).type(), "UnrecognizedClientException");
    auto longer = role.clone();
    longer.session_token = Secret::copy_of(
        as_bytes(std::string(role.session_token.text(SecretAccess("lengthen a token in a test"))) + "A"));
    EXPECT_EQ(call(longer).type(), "UnrecognizedClientException");
    auto root = root_credentials();
    root.session_token = role.session_token.clone();
    EXPECT_EQ(call(root).type(), "UnrecognizedClientException");
    auto secret = role.clone();
    secret.secret_access_key = root_credentials().secret_access_key.clone();
    EXPECT_EQ(call(secret).type(), "InvalidSignatureException");

    // Another session's token: IMDS makes new credentials when less than an hour is left.
    now_ += 5 * kHour + kMinute;
    const auto next = instance_credentials();
    ASSERT_NE(next.access_key_id, role.access_key_id);
    auto mixed = next.clone();
    mixed.session_token = role.session_token.clone();
    EXPECT_EQ(call(mixed).type(), "UnrecognizedClientException");
    EXPECT_EQ(call(next).status, 200);
    EXPECT_EQ(call(role).status, 200) << "the old session lives on until it expires";

    now_ += kHour;
    const auto expired = call(role);
    ASSERT_EQ(expired.type(), "ExpiredTokenException") << expired.text;
    EXPECT_EQ(expired.body["message"], "The security token included in the request is expired");
    EXPECT_EQ(call(next).status, 200);
}

TEST_F(Signature, of_a_session_ends_at_the_very_moment_that_imds_told) {
    const auto key = create_key();
    now_ = now_ / kSecond * kSecond + 700;
    const auto role = instance_credentials();
    const auto told = imds("/latest/meta-data/iam/security-credentials/redoubt-instance", imds_token());
    now_ = from_iso8601(told.body["Expiration"].get<std::string>()).value() - 1;
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", key}}, role).status, 200);
    now_ += 1;
    EXPECT_EQ(kms("DescribeKey", {{"KeyId", key}}, role).type(), "ExpiredTokenException");
}

TEST_F(Signature, of_a_session_survives_a_restart_and_is_told_from_an_unknown_one_for_a_day) {
    const auto key = create_key();
    const auto role = instance_credentials();
    open();
    const Json input = {{"KeyId", key}};
    EXPECT_EQ(kms("DescribeKey", input, role).status, 200);
    now_ += 7 * kHour;
    EXPECT_EQ(kms("DescribeKey", input, role).type(), "ExpiredTokenException");
    now_ += 24 * kHour;
    instance_credentials(); // forgets what expired more than a day ago
    EXPECT_EQ(kms("DescribeKey", input, role).type(), "UnrecognizedClientException");
}

TEST_F(Signature, is_asked_of_every_service) {
    const auto asked = [&](const std::string& target, const std::string& content_type, const char* body) {
        std::vector<net::Header> headers = {{"content-type", content_type}};
        if (!target.empty())
            headers.push_back({"x-amz-target", target});
        return make_request("POST", "/", std::move(headers), body);
    };
    const auto secret = asked("secretsmanager.ListSecrets", "application/x-amz-json-1.1", "{}");
    expect_refused(secret, "MissingAuthenticationTokenException", "secrets");
    expect_refused(sign(secret, root_credentials(), {"us-east-1", "kms"}), "InvalidSignatureException",
                   "a KMS signature for secrets");
    EXPECT_EQ(send(sign(secret, root_credentials(), {"us-east-1", "secretsmanager"})).status, 200);
}

TEST_F(Signature, failures_are_logged_without_the_callers_claims) {
    auto forged = make_request("POST", "/",
                               {{"content-type", "application/x-amz-json-1.1"},
                                {"x-amz-target", "TrentService.De\"crypt-1" + std::string(200, 'x')}},
                               "{}");
    send(forged);
    const auto event = send(make_request("GET", "/redoubt/events?limit=1")).body[0];
    EXPECT_EQ(event["eventName"], "De?crypt??" + std::string(54, 'x'));
    EXPECT_EQ(event["principal"], nullptr);
    EXPECT_EQ(event["errorCode"], "MissingAuthenticationTokenException");
}

} // namespace
} // namespace redoubt::devcloud::tests
