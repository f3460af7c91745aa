// SPDX-License-Identifier: Apache-2.0
#include "gateway/idempotency.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

net::HttpRequest post(std::string path, std::string_view body, std::vector<net::Header> headers) {
    net::HttpRequest out;
    out.method = "POST";
    out.target = out.path = std::move(path);
    out.headers = std::move(headers);
    out.body = to_bytes(body);
    return out;
}

std::string code_of(const std::optional<net::HttpResponse>& answer) {
    if (!answer)
        return "goes on";
    const std::string text(as_text(answer->body));
    const std::size_t at = text.find(R"("code":")");
    return at == std::string::npos ? text : text.substr(at + 8, text.find('"', at + 8) - at - 8);
}

TEST(Idempotency, the_header_becomes_the_client_token_of_a_body_that_has_none) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", R"({"client_token":"a-1"})"},
        {"{}", R"({"client_token":"a-1"})"},
        {" {  } ", R"({"client_token":"a-1"  } )"},
        {R"({"hd":true})", R"({"client_token":"a-1","hd":true})"},
        {"\n{ \"label\" : \"{\" }", R"({"client_token":"a-1", "label" : "{" })"},
    };
    for (const auto* path : {"/v1/keys", "/v1/keys/import", "/v1/vaults"})
        for (const auto* value : {"a-1", R"("a-1")"})
            for (const auto& [body, expected] : cases) {
                auto request = post(path, body, {{"idempotency-key", value}});
                EXPECT_EQ(code_of(take_idempotency_key(request)), "goes on");
                EXPECT_EQ(as_text(request.body), expected);
            }
}

TEST(Idempotency, a_body_that_was_not_there_is_json) {
    auto request = post("/v1/keys", "", {{"idempotency-key", "a"}});
    EXPECT_FALSE(take_idempotency_key(request));
    EXPECT_EQ(request.header("content-type"), "application/json");
    auto other = post("/v1/keys", "", {{"idempotency-key", "a"}, {"content-type", "text/plain"}});
    EXPECT_FALSE(take_idempotency_key(other));
    EXPECT_EQ(other.count("content-type"), 1u) << "which the enclave refuses";
}

TEST(Idempotency, a_body_with_the_same_token_stays_and_another_one_is_refused) {
    constexpr std::string_view kBody = R"({"client_token":"a","hd":true})";
    auto same = post("/v1/keys", kBody, {{"idempotency-key", "\"a\""}});
    EXPECT_EQ(code_of(take_idempotency_key(same)), "goes on");
    EXPECT_EQ(as_text(same.body), kBody);
    auto other = post("/v1/keys", kBody, {{"idempotency-key", "b"}});
    EXPECT_EQ(code_of(take_idempotency_key(other)), "ambiguous_field");
}

TEST(Idempotency, a_signed_request_is_not_changed) {
    for (const auto* header : {"signature", "signature-input", "content-digest"}) {
        auto request = post("/v1/keys", "{}", {{"idempotency-key", "a"}, {header, "x"}});
        EXPECT_EQ(code_of(take_idempotency_key(request)), "invalid_field") << header;
        EXPECT_EQ(as_text(request.body), "{}");
        auto with_token =
            post("/v1/keys", R"({"client_token":"a"})", {{"idempotency-key", "a"}, {header, "x"}});
        EXPECT_EQ(code_of(take_idempotency_key(with_token)), "goes on") << header;
    }
}

TEST(Idempotency, what_is_no_client_token_is_refused) {
    const std::string longest(64, 'x'), too_long(65, 'x');
    auto good = post("/v1/keys", "", {{"idempotency-key", longest}});
    EXPECT_EQ(code_of(take_idempotency_key(good)), "goes on");
    for (const std::string& value : {std::string(), too_long, std::string("\"\""), std::string("a b"),
                                     std::string("\"a"), std::string("a,b"), std::string("\"a\";p=1")}) {
        auto request = post("/v1/keys", "", {{"idempotency-key", value}});
        EXPECT_EQ(code_of(take_idempotency_key(request)), "invalid_field") << value;
    }
    auto twice = post("/v1/keys", "", {{"idempotency-key", "a"}, {"idempotency-key", "a"}});
    EXPECT_EQ(code_of(take_idempotency_key(twice)), "invalid_field");
}

TEST(Idempotency, a_body_that_cannot_be_read_is_left_to_who_refuses_it) {
    for (const auto* body : {"{", "[]", "1", R"({"a":1,"a":2})", R"({"client_token":7})", "{} {}"}) {
        auto request = post("/v1/keys", body, {{"idempotency-key", "a"}});
        EXPECT_EQ(code_of(take_idempotency_key(request)), "goes on") << body;
        EXPECT_EQ(as_text(request.body), body);
    }
}

TEST(Idempotency, routes_on_which_it_does_nothing_refuse_it_and_others_are_not_its_business) {
    for (const auto* path :
         {"/v1/keys/key-1/sign-message", "/v1/policies", "/v1/keys/adopt", "/v1/nothing"}) {
        auto request = post(path, "{}", {{"idempotency-key", "a"}});
        EXPECT_EQ(code_of(take_idempotency_key(request)), "bad_request") << path;
    }
    for (const auto* path : {"/v1/transactions", "/", "/rpc", "/sign_transaction", "/api/v1/eth1/sign/0x1"}) {
        auto request = post(path, "{}", {{"idempotency-key", "a"}});
        EXPECT_EQ(code_of(take_idempotency_key(request)), "goes on") << path;
        EXPECT_EQ(as_text(request.body), "{}");
    }
    auto get = post("/v1/keys", "", {{"idempotency-key", "a"}});
    get.method = "GET";
    EXPECT_FALSE(take_idempotency_key(get));
    auto without = post("/v1/keys", "{}", {});
    EXPECT_FALSE(take_idempotency_key(without));
    EXPECT_EQ(as_text(without.body), "{}");
}

} // namespace
} // namespace redoubt::gateway
