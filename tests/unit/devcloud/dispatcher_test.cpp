// SPDX-License-Identifier: Apache-2.0
#include "unit/devcloud/support.h"

#include <set>

namespace redoubt::devcloud::tests {
namespace {

using Dispatcher = DevcloudTest;

const std::vector<net::Header> kFormHeaders = {
    {"content-type", "application/x-www-form-urlencoded; charset=utf-8"}};

TEST_F(Dispatcher, serves_the_protocols_at_post_and_the_root_path_alone) {
    const auto right = signed_request("kms", "TrentService.ListKeys", "{}", root_credentials());
    ASSERT_EQ(send(right).status, 200);
    for (const char* method : {"GET", "PUT", "DELETE"}) {
        auto request = right;
        request.method = method;
        EXPECT_EQ(send(request).status, 404) << method;
    }
    for (const char* target : {"/x", "//", "/redoubt", "/redoubt/events/x", "/latest"}) {
        auto request = right;
        request.target = target;
        const auto answer = send(request);
        EXPECT_EQ(answer.status, 404) << target;
        EXPECT_EQ(answer.type(), "UnknownOperationException") << target;
    }
}

TEST_F(Dispatcher, knows_its_services_alone) {
    for (const char* target :
         {"", "ListKeys", "DynamoDB_20120810.GetItem", "trentservice.ListKeys", "TrentService"}) {
        const auto answer = send(signed_request("kms", target, "{}", root_credentials()));
        EXPECT_EQ(answer.status, 400) << target;
        EXPECT_EQ(answer.type(), "UnknownOperationException") << target << answer.text;
    }
}

TEST_F(Dispatcher, shows_the_enclave_nothing_but_kms) {
    EXPECT_EQ(
        send(signed_request("kms", "TrentService.ListKeys", "{}", root_credentials()), Listener::Tls).status,
        200);
    const auto secrets =
        send(signed_request("secretsmanager", "secretsmanager.ListSecrets", "{}", root_credentials()),
             Listener::Tls);
    EXPECT_EQ(secrets.status, 400);
    EXPECT_EQ(secrets.type(), "UnknownOperationException");
    const auto sts =
        send(make_request("POST", "/", kFormHeaders, "Action=GetCallerIdentity&Version=2011-06-15"),
             Listener::Tls);
    EXPECT_EQ(sts.type(), "UnknownOperationException");
    const auto token =
        make_request("PUT", "/latest/api/token", {{"x-aws-ec2-metadata-token-ttl-seconds", "60"}});
    EXPECT_EQ(send(token).status, 200);
    EXPECT_EQ(send(token, Listener::Tls).status, 404);
    EXPECT_EQ(send(make_request("GET", "/redoubt/events"), Listener::Tls).status, 404);
}

TEST_F(Dispatcher, tells_key_policies_whether_the_call_came_by_tls) {
    const auto key = create_key();
    const std::string policy =
        R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},)"
        R"({"Effect":"Deny","Principal":"*","Action":"kms:DescribeKey","Resource":"*",)"
        R"("Condition":{"Bool":{"aws:SecureTransport":"false"}}}]})";
    ASSERT_EQ(kms("PutKeyPolicy", {{"KeyId", key}, {"Policy", policy}}).status, 200);
    const auto describe =
        signed_request("kms", "TrentService.DescribeKey", Json({{"KeyId", key}}).dump(), root_credentials());
    EXPECT_EQ(send(describe).type(), "AccessDeniedException");
    EXPECT_EQ(send(describe, Listener::Tls).status, 200);
}

TEST_F(Dispatcher, gives_every_answer_a_request_id_of_its_own) {
    std::set<std::string> ids;
    const net::HttpRequest requests[] = {
        signed_request("kms", "TrentService.ListKeys", "{}", root_credentials()),
        make_request("POST", "/", {{"x-amz-target", "TrentService.ListKeys"}}, "{}"),
        make_request("POST", "/", kFormHeaders, "Action=GetCallerIdentity"),
        make_request("GET", "/nowhere"),
    };
    for (const auto& request : requests) {
        const std::string id(send(request).response.header("x-amzn-requestid"));
        ASSERT_EQ(id.size(), 36u);
        EXPECT_EQ(id[14], '4') << "a version-4 UUID";
        ids.insert(id);
    }
    EXPECT_EQ(ids.size(), std::size(requests));
}

TEST_F(Dispatcher, wipes_the_request) {
    auto request = signed_request("kms", "TrentService.ListKeys", "{}", root_credentials());
    dispatch(*cloud_, request, Listener::Plain);
    EXPECT_EQ(request.body, Bytes(2, 0));
}

TEST_F(Dispatcher, shows_events_within_limits) {
    for (int i = 0; i < 3; ++i)
        kms("ListKeys", Json::object());
    EXPECT_EQ(send(make_request("GET", "/redoubt/events")).body.size(), 3u);
    EXPECT_EQ(send(make_request("GET", "/redoubt/events?limit=2")).body.size(), 2u);
    EXPECT_EQ(send(make_request("GET", "/redoubt/events?limit=1000")).body.size(), 3u);
    for (const char* query : {"limit=0", "limit=1001", "limit=-1", "limit=", "limit=1x", "limit=%31", "1",
                              "x=1", "limit=99999999999999999999", ""})
        EXPECT_EQ(send(make_request("GET", std::string("/redoubt/events?") + query)).status, 400) << query;
    EXPECT_EQ(send(make_request("POST", "/redoubt/events")).status, 405);
}

} // namespace
} // namespace redoubt::devcloud::tests
