// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "gateway/request_log.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

struct Lines {
    std::vector<std::string> lines;
    std::int64_t now = 10'000;

    RequestLog log(bool all) {
        return RequestLog(
            all,
            [this](LogLevel, std::string_view event, const std::function<void(json::Writer&)>& more) {
                std::string line;
                json::Writer writer(line);
                writer.begin_object().member("event", event);
                more(writer);
                writer.end_object();
                lines.push_back(std::move(line));
            },
            [this] { return now; });
    }
};

net::HttpRequest request(std::string method, std::string path) {
    net::HttpRequest out;
    out.method = std::move(method);
    out.target = out.path = std::move(path);
    return out;
}

Call call() {
    Call out;
    out.request_id = "0123456789abcdef0123456789abcdef";
    out.trace_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    out.caller.name = "ci";
    return out;
}

TEST(RequestLog, says_who_asked_what_and_what_came_of_it) {
    Lines lines;
    auto log = lines.log(true);
    const auto watch = log.watch();
    auto response = net::HttpResponse::error(Code::KmsDenied, "KMS denies");
    response.headers.push_back({"redoubt-enclave", "00112233aabbccdd"});
    watch(request("POST", "/v1/keys/key-0123456789abcdef0123456789abcdef/sign-message"), call(), response,
          12'345);
    ASSERT_EQ(lines.lines.size(), 1u);
    json::Document document;
    const auto line = document.parse(lines.lines[0]);
    ASSERT_TRUE(line) << lines.lines[0];
    const auto text = [&](std::string_view name) {
        const auto value = line->get(name);
        return value ? std::string(value->text()) : "(none)";
    };
    EXPECT_EQ(text("event"), "request");
    EXPECT_EQ(text("request_id"), "0123456789abcdef0123456789abcdef");
    EXPECT_EQ(text("trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(text("span_id"), "00f067aa0ba902b7");
    EXPECT_EQ(text("client"), "ci");
    EXPECT_EQ(text("method"), "POST");
    EXPECT_EQ(text("route"), "/v1/keys/{id}/sign-message");
    EXPECT_EQ(text("key"), "key-0123456789abcdef0123456789abcdef");
    EXPECT_EQ(text("status"), "502");
    EXPECT_EQ(text("code"), "kms_denied");
    EXPECT_EQ(text("enclave"), "00112233aabbccdd");
    EXPECT_EQ(text("ms"), "12");
}

TEST(RequestLog, holds_no_body_query_token_or_signature) {
    Lines lines;
    auto log = lines.log(true);
    auto asked = request("POST", "/v1/keys");
    asked.has_query = true;
    asked.query = "secret-query";
    asked.target += "?secret-query";
    asked.headers = {{"authorization", "Bearer secret-token"}, {"signature", "secret-signature"}};
    asked.body = to_bytes("secret-body");
    log.watch()(asked, call(), net::HttpResponse::json(201, R"({"x":"secret-answer"})"), 1);
    ASSERT_EQ(lines.lines.size(), 1u);
    EXPECT_EQ(lines.lines[0].find("secret"), std::string::npos) << lines.lines[0];
}

TEST(RequestLog, leaves_out_what_is_not_there) {
    Lines lines;
    auto log = lines.log(true);
    log.watch()(request("GET", "/nowhere"), Call{}, net::HttpResponse::json(200, "{}"), 1);
    ASSERT_EQ(lines.lines.size(), 1u);
    for (const char* name : {"client", "trace_id", "key\"", "code", "enclave"})
        EXPECT_EQ(lines.lines[0].find(name), std::string::npos) << name << " in " << lines.lines[0];
}

TEST(RequestLog, says_nothing_of_successes_unless_asked_to) {
    Lines lines;
    auto log = lines.log(false);
    log.watch()(request("GET", "/health"), call(), net::HttpResponse::json(200, "{}"), 1);
    EXPECT_TRUE(lines.lines.empty());
}

TEST(RequestLog, cannot_be_filled_by_clients_and_says_what_it_left_out) {
    Lines lines;
    auto log = lines.log(false);
    const auto watch = log.watch();
    const auto refused = net::HttpResponse::error(Code::BadJson, "no");
    const auto failed = net::HttpResponse::error(Code::Overloaded, "no");
    for (int i = 0; i < 100; ++i)
        watch(request("POST", "/v1/keys"), call(), refused, 1);
    EXPECT_EQ(lines.lines.size(), std::size_t{RequestLog::kRefusalsASecond});
    for (int i = 0; i < 100; ++i)
        watch(request("POST", "/v1/keys"), call(), failed, 1);
    EXPECT_EQ(lines.lines.size(), std::size_t{RequestLog::kRefusalsASecond + RequestLog::kFailuresASecond})
        << "failures have room of their own";
    lines.now += 1'000;
    lines.lines.clear();
    watch(request("POST", "/v1/keys"), call(), refused, 1);
    ASSERT_EQ(lines.lines.size(), 2u);
    EXPECT_NE(lines.lines[0].find(R"("count":175)"), std::string::npos) << lines.lines[0];
}

} // namespace
} // namespace redoubt::gateway
