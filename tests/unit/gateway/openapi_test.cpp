// SPDX-License-Identifier: Apache-2.0
#include "gateway/openapi.h"

#include "base/json.h"
#include "gateway/problem.h"
#include "gateway/routes.h"

#include <gtest/gtest.h>

#include <set>

namespace redoubt::gateway {
namespace {

constexpr json::Limits kLimits{.bytes = 4 << 20, .depth = 64, .values = 1 << 18};

// Names of the members that JSON pointers of `$ref` lead to, and everything else, are looked up by this.
class OpenApi : public testing::Test {
  protected:
    void SetUp() override {
        const auto parsed = document_.parse(openapi_document(), kLimits);
        ASSERT_TRUE(parsed) << parsed.error().describe();
        root_ = *parsed;
    }
    json::Value at(std::initializer_list<std::string_view> path) {
        json::Value value = *root_;
        for (const auto name : path)
            value = value.get(name).value();
        return value;
    }

    json::Document document_;
    std::optional<json::Value> root_;
};

// Of the native API: what the document describes. The others have descriptions of their own.
bool described(std::string_view pattern) {
    return pattern.starts_with("/v1/") || pattern == "/healthz" || pattern == "/health";
}

TEST_F(OpenApi, is_what_the_file_says_and_of_version_3_1) {
    EXPECT_EQ(at({"openapi"}).text(), "3.1.0");
    EXPECT_EQ(at({"info", "title"}).text(), "Redoubt");
    EXPECT_TRUE(openapi_document().ends_with("}\n"));
}

TEST_F(OpenApi, describes_every_route_of_the_gateway_and_no_other) {
    std::set<std::string> served, found;
    for (const Route& route : routes())
        if (described(route.pattern))
            served.insert(std::string(route.method) + " " + std::string(route.pattern));
    const auto paths = at({"paths"});
    for (const auto path : paths)
        for (const auto operation : path) {
            std::string method(operation.name());
            if (method == "parameters")
                continue;
            for (char& c : method)
                c = static_cast<char>(c - 'a' + 'A');
            found.insert(method + " " + std::string(path.name()));
        }
    EXPECT_EQ(found, served);
}

TEST_F(OpenApi, a_problem_has_exactly_the_codes_that_its_status_has) {
    const auto schemas = at({"components", "schemas"});
    std::set<std::string> listed;
    for (const auto schema : schemas) {
        if (!schema.name().starts_with("Problem_"))
            continue;
        const int status = std::stoi(std::string(schema.name().substr(8)));
        const auto parts = schema.get("allOf").value();
        for (const auto part : parts) {
            const auto properties = part.get("properties");
            if (!properties)
                continue;
            EXPECT_EQ(properties->get("status")->get("const")->u64(), static_cast<std::uint64_t>(status));
            const auto codes = properties->get("code")->get("enum").value();
            for (const auto code : codes) {
                const auto known = code_from_name(code.text());
                ASSERT_TRUE(known) << code.text();
                EXPECT_EQ(http_status(*known), status) << code.text();
                listed.emplace(code.text());
            }
        }
    }
    EXPECT_GT(listed.size(), 50u);
}

TEST_F(OpenApi, operations_have_ids_of_their_own_and_say_how_they_are_refused) {
    std::set<std::string> ids;
    const auto paths = at({"paths"});
    for (const auto path : paths)
        for (const auto operation : path) {
            if (operation.name() == "parameters")
                continue;
            const auto id = operation.get("operationId");
            ASSERT_TRUE(id);
            EXPECT_TRUE(ids.emplace(id->text()).second) << id->text();
            const auto responses = operation.get("responses");
            ASSERT_TRUE(responses && responses->get("503")) << id->text();
        }
}

TEST_F(OpenApi, is_served_to_get_alone) {
    net::HttpRequest request;
    request.method = "GET";
    request.path = kOpenApiPath;
    const auto answer = serve_openapi(request);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("content-type"), "application/json");
    EXPECT_EQ(as_text(answer.body), openapi_document());
    request.has_query = true;
    EXPECT_EQ(serve_openapi(request).status, 400);
    request.has_query = false;
    request.method = "POST";
    EXPECT_EQ(serve_openapi(request).status, 405);
}

} // namespace
} // namespace redoubt::gateway
