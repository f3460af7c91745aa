// SPDX-License-Identifier: Apache-2.0
#include "gateway/problem.h"

#include "base/json.h"

#include <gtest/gtest.h>

#include <set>

namespace redoubt::gateway {
namespace {

net::HttpRequest asked(std::string path, std::string method = "POST") {
    net::HttpRequest out;
    out.method = std::move(method);
    out.target = out.path = std::move(path);
    return out;
}

std::string text(const net::HttpResponse& response) {
    return std::string(as_text(response.body));
}

std::string member(const net::HttpResponse& response, std::string_view name) {
    json::Document document;
    const auto root = document.parse(as_text(response.body));
    const auto value = root ? root->get(name) : std::nullopt;
    return value ? std::string(value->is_string() ? value->text() : value->raw()) : std::string("(none)");
}

constexpr Code kAll[] = {
#define REDOUBT_CODE(name, wire, status) Code::name,
    REDOUBT_CODES(REDOUBT_CODE)
#undef REDOUBT_CODE
};

TEST(Problem, a_refusal_gets_the_members_of_rfc_9457_in_front_of_its_own) {
    auto refused = net::HttpResponse::error(Code::Overloaded, "too much; try again");
    refused.headers.push_back({"retry-after", "1"});
    const auto problem = as_problem(refused, asked("/v1/keys"), "abc-1");
    EXPECT_EQ(problem.status, 503);
    EXPECT_EQ(problem.header("content-type"), "application/problem+json");
    EXPECT_EQ(problem.header("retry-after"), "1");
    EXPECT_EQ(text(problem),
              R"({"type":"/v1/problems/overloaded","title":"Too much is waiting","status":503,)"
              R"("detail":"too much; try again","instance":"abc-1","error":"too much; try again",)"
              R"("code":"overloaded"})");
}

TEST(Problem, without_a_request_id_there_is_no_instance) {
    const auto problem =
        as_problem(net::HttpResponse::error(Code::NotFound, "nothing here"), asked("/v1/x"), "");
    EXPECT_EQ(member(problem, "instance"), "(none)");
    EXPECT_EQ(member(problem, "type"), "/v1/problems/not_found");
}

TEST(Problem, what_else_a_refusal_holds_stays_as_it_was_written) {
    const auto problem = as_problem(
        net::HttpResponse::json(
            403,
            R"({"error":"no \"rule\" allows it","code":"policy_denied","decision":{"missing":[{"rule":"a"}]}})"),
        asked("/v1/keys/k/sign-message"), "i");
    EXPECT_EQ(member(problem, "decision"), R"({"missing":[{"rule":"a"}]})");
    EXPECT_EQ(member(problem, "detail"), R"(no "rule" allows it)");
    EXPECT_EQ(member(problem, "error"), R"(no "rule" allows it)");
    EXPECT_EQ(member(problem, "status"), "403");
}

TEST(Problem, other_routes_successes_and_other_bodies_pass_as_they_are) {
    const auto same = [](const net::HttpResponse& response, const std::string& path) {
        const auto after = as_problem(response, asked(path), "i");
        return text(after) == text(response) &&
               after.header("content-type") == response.header("content-type");
    };
    const auto refused = net::HttpResponse::error(Code::NotFound, "nothing here");
    for (const auto* path : {"/", "/rpc", "/sign_transaction", "/healthz", "/api/v1/eth1/publicKeys", "/v1"})
        EXPECT_TRUE(same(refused, path)) << path;
    EXPECT_FALSE(same(refused, "/v1/keys"));
    EXPECT_TRUE(same(net::HttpResponse::json(200, R"({"error":"x","code":"not_found"})"), "/v1/keys"));
    EXPECT_TRUE(same(net::HttpResponse::text(404, R"({"error":"x","code":"not_found"})"), "/v1/keys"));
    for (const auto* body : {"", "[]", "{}", "{", R"({"error":"x"})", R"({"code":"not_found"})",
                             R"({"error":1,"code":"not_found"})",
                             R"({"error":"x","code":"of another program"})", R"({"error":"x","code":7})"})
        EXPECT_TRUE(same(net::HttpResponse::json(404, body), "/v1/keys")) << body;
}

TEST(Problem, every_code_has_a_text_of_its_own) {
    std::set<std::string_view> titles;
    for (const Code code : kAll) {
        const auto text = problem_text(code_name(code));
        ASSERT_TRUE(text) << code_name(code);
        EXPECT_EQ(text->code, code_name(code));
        EXPECT_TRUE(titles.insert(text->title).second) << text->title;
        EXPECT_TRUE(text->meaning.ends_with('.')) << text->meaning;
        EXPECT_FALSE(text->title.ends_with('.')) << text->title;
    }
    EXPECT_FALSE(problem_text("no_such_code"));
    EXPECT_FALSE(problem_text(""));
}

TEST(Problem, a_type_leads_to_what_its_code_means) {
    for (const Code code : kAll) {
        const auto problem = as_problem(net::HttpResponse::error(code, "x"), asked("/v1/keys"), "");
        const std::string type = member(problem, "type");
        EXPECT_TRUE(is_problem_route(type)) << type;
        const auto answer = serve_problem(asked(type, "GET"));
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(member(answer, "code"), code_name(code));
        EXPECT_EQ(member(answer, "title"), member(problem, "title"));
        EXPECT_EQ(member(answer, "status"), std::to_string(http_status(code)));
    }
    EXPECT_EQ(serve_problem(asked("/v1/problems/nothing", "GET")).status, 404);
    EXPECT_EQ(serve_problem(asked("/v1/problems/overloaded", "POST")).status, 405);
    for (const auto* path : {"/v1/problems/", "/v1/problems", "/v1/problems/a/b", "/v1/keys"})
        EXPECT_FALSE(is_problem_route(path)) << path;
}

} // namespace
} // namespace redoubt::gateway
