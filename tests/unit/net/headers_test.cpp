// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <gtest/gtest.h>

namespace redoubt::net {

namespace {

std::string text_of(const Headers& headers) {
    std::string out;
    for (const auto& [name, value] : headers)
        out += name + "=" + value + ";";
    return out;
}

} // namespace

TEST(Headers, what_was_cleared_is_not_seen_again) {
    Headers headers{{"first", "a value that is too long to be in the string itself"}, {"second", "2"}};
    headers.clear();
    EXPECT_TRUE(headers.empty());
    EXPECT_EQ(headers.begin(), headers.end());
    Header& added = headers.add();
    EXPECT_EQ(added.name, "");
    EXPECT_EQ(added.value, "");
    headers.add("third", "3");
    EXPECT_EQ(text_of(headers), "=;third=3;");
    EXPECT_EQ(headers.size(), 2u);
    const Headers copy = headers;
    EXPECT_EQ(text_of(copy), "=;third=3;");
}

TEST(Headers, the_memory_of_what_was_cleared_serves_again) {
    Headers headers;
    headers.add("name", std::string(100, 'x'));
    const char* const where = headers.back().value.data();
    headers.clear();
    EXPECT_EQ(headers.add("other", std::string(90, 'y')).value.data(), where);
}

TEST(Headers, moved_from_is_empty) {
    Headers headers{{"a", "1"}};
    Headers other = std::move(headers);
    EXPECT_EQ(text_of(other), "a=1;");
    EXPECT_TRUE(headers.empty()); // NOLINT(bugprone-use-after-move): what is asked
    headers.add("b", "2");
    other = std::move(headers);
    EXPECT_EQ(text_of(other), "b=2;");
    other = {{"c", "3"}, {"d", "4"}};
    EXPECT_EQ(text_of(other), "c=3;d=4;");
}

TEST(Headers, some_are_erased_wherever_they_stand) {
    Headers headers{{"a", "1"}, {"b", "2"}, {"a", "3"}, {"c", "4"}, {"a", "5"}};
    EXPECT_EQ(erase_if(headers, [](const Header& header) { return header.name == "a"; }), 3u);
    EXPECT_EQ(text_of(headers), "b=2;c=4;");
    EXPECT_EQ(erase_if(headers, [](const Header&) { return false; }), 0u);
    headers.add("a", "6");
    EXPECT_EQ(text_of(headers), "b=2;c=4;a=6;");
}

// With AddressSanitizer nothing is kept, and each of these is a new one.
constexpr bool kKept = kMaxSpareMessages > 0;

TEST(Spares, a_request_that_serves_again_says_nothing_of_the_one_before) {
    while (spare_request().target.capacity() > 100) { // of other tests
    }
    HttpRequest before;
    before.method = "DELETE";
    before.target = "/" + std::string(200, 't');
    before.path = std::string(200, 'p');
    before.query = "q";
    before.has_query = true;
    before.authority = "a";
    before.headers.add("authorization", "Bearer x");
    before.body = to_bytes("body");
    before.keep_alive = false;
    before.expect_continue = true;
    before.peer = std::make_shared<Peer>();
    const std::weak_ptr<const Peer> peer = before.peer;
    give_back(std::move(before));
    if (kKept) {
        EXPECT_TRUE(peer.expired());
    }
    const HttpRequest after = spare_request();
    EXPECT_EQ(after.target.capacity() >= 200u, kKept); // it is that one
    EXPECT_EQ(after.method + after.target + after.path + after.query + after.authority, "");
    EXPECT_FALSE(after.has_query || after.expect_continue);
    EXPECT_TRUE(after.keep_alive && after.headers.empty() && after.body.empty());
    EXPECT_EQ(after.header("authorization"), "");
}

TEST(Spares, a_response_that_serves_again_says_nothing_of_the_one_before) {
    while (spare_response().body.capacity() > 100) { // of other tests
    }
    HttpResponse before = HttpResponse::json(404, std::string(300, 'x'));
    before.headers.add("x", "y");
    give_back(std::move(before));
    const HttpResponse after = spare_response();
    EXPECT_EQ(after.body.capacity() >= 300u, kKept);
    EXPECT_EQ(after.status, 200);
    EXPECT_TRUE(after.headers.empty() && after.body.empty());
}

TEST(Spares, what_is_large_is_not_kept) {
    HttpResponse large = HttpResponse::json(200, std::string(kMaxSpareBytes + 1, 'x'));
    give_back(std::move(large));
    EXPECT_LE(spare_response().body.capacity(), kMaxSpareBytes);
    HttpRequest request;
    request.headers.add("x", std::string(kMaxSpareBytes + 1, 'x'));
    give_back(std::move(request));
    EXPECT_LE(spare_request().headers.capacity_bytes(), kMaxSpareBytes);
}

} // namespace redoubt::net
