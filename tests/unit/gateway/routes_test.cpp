// SPDX-License-Identifier: Apache-2.0
#include "gateway/routes.h"

#include <gtest/gtest.h>

#include <set>

namespace redoubt::gateway {
namespace {

std::string name_of(const std::string& method, const std::string& path) {
    net::HttpRequest request;
    request.method = method;
    request.path = path;
    return std::string(route_name(request));
}

constexpr const char* kOfKey = "/v1/keys/key-00112233445566778899aabbccddeeff";

TEST(Routes, a_path_has_the_name_of_its_pattern) {
    EXPECT_EQ(name_of("GET", "/v1/keys"), "/v1/keys");
    EXPECT_EQ(name_of("HEAD", "/v1/keys"), "/v1/keys");
    EXPECT_EQ(name_of("GET", kOfKey), "/v1/keys/{id}");
    EXPECT_EQ(name_of("POST", std::string(kOfKey) + "/sign-message"), "/v1/keys/{id}/sign-message");
    EXPECT_EQ(name_of("POST", "/v1/keys/import"), "/v1/keys/import");
    EXPECT_EQ(name_of("POST", "/v1/transactions/x/cancel"), "/v1/transactions/{id}/cancel");
    EXPECT_EQ(name_of("POST", "/api/v1/eth1/sign/0xabc"), "/api/v1/eth1/sign/{key}");
    EXPECT_EQ(name_of("POST", "/"), "/");
    EXPECT_EQ(name_of("POST", "/rpc/10"), "/rpc/{chain}");
}

TEST(Routes, names_are_of_a_bounded_set_whatever_is_asked_for) {
    std::set<std::string> names;
    for (int i = 0; i < 1'000; ++i)
        for (const char* method : {"GET", "POST", "PUT", "X"})
            for (const char* head : {"/v1/", "/v1/keys/", "/", "/api/v1/eth1/sign/", "/v1/problems/"})
                names.insert(name_of(method, head + std::to_string(i)));
    EXPECT_LE(names.size(), 6u);
    EXPECT_TRUE(names.contains("other"));
}

TEST(Routes, only_the_exact_path_is_a_route) {
    for (const char* path :
         {"/v1/keys/", "/v1//keys", "/v1/keys//sign-message", "/v1/Keys", "/v1/%6beys", "/v1",
          "/v1/keys/x/sign-message/", "/v1/keys/x/y", "/v1/keys/x/sign-message/z", ""})
        EXPECT_EQ(find_route("GET", path), nullptr) << path;
    EXPECT_EQ(find_route("POST", "/v1/keys/x/unknown"), nullptr);
    EXPECT_EQ(find_route("POST", "/v1/unknown"), nullptr);
    EXPECT_EQ(find_route("POST", "/api/v1/unknown"), nullptr);
    EXPECT_EQ(find_route("POST", "/healthz"), nullptr) << "a POST to it is no sample's request";
    EXPECT_EQ(find_route("PUT", "/v1/keys"), nullptr);
    EXPECT_EQ(find_route("GET", "/v1/keys/import"), nullptr);
}

TEST(Routes, a_post_to_nobodys_path_is_the_samples_and_needs_what_signing_needs) {
    for (const char* path : {"/anything", "/a/b/c", "/sign_transaction", "/v1x"}) {
        const Route* const route = find_route("POST", path);
        ASSERT_NE(route, nullptr) << path;
        EXPECT_EQ(route->access, Route::Access::Operation);
        EXPECT_EQ(route->operation, Operation::SignTransaction);
    }
    EXPECT_EQ(find_route("GET", "/anything"), nullptr);
}

TEST(Routes, only_health_and_descriptions_are_open) {
    std::set<std::string_view> open;
    for (const Route& route : routes())
        if (route.access == Route::Access::Open) {
            EXPECT_EQ(route.method, "GET") << route.pattern;
            open.insert(route.pattern);
        }
    EXPECT_EQ(open, (std::set<std::string_view>{"/healthz", "/health", "/upcheck", "/healthcheck",
                                                "/v1/openapi.json", "/v1/problems/{code}"}));
}

TEST(Routes, what_signs_or_changes_a_key_is_never_merely_a_listing) {
    for (const Route& route : routes())
        if (route.pattern.starts_with("/v1/keys/") && route.method == "POST") {
            EXPECT_EQ(route.access, Route::Access::Operation) << route.pattern;
            EXPECT_NE(route.operation, Operation::List) << route.pattern;
        }
}

TEST(Routes, operations_have_names_both_ways) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < kOperations; ++i) {
        const auto operation = static_cast<Operation>(i);
        EXPECT_EQ(operation_from_name(operation_name(operation)), operation);
        names.insert(operation_name(operation));
    }
    EXPECT_EQ(names.size(), kOperations);
    EXPECT_EQ(operation_from_name("sign"), std::nullopt);
    EXPECT_EQ(operation_from_name(""), std::nullopt);
}

TEST(Routes, the_key_of_a_path_is_its_third_segment) {
    EXPECT_EQ(key_of_path("/v1/keys/key-1/sign-message"), "key-1");
    EXPECT_EQ(key_of_path("/v1/keys/key-1"), "key-1");
    EXPECT_EQ(key_of_path("/v1/keys"), "");
    EXPECT_EQ(key_of_path("/v1/keys/import"), "");
    EXPECT_EQ(key_of_path("/v1/vaults"), "");
}

} // namespace
} // namespace redoubt::gateway
