// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"
#include "net/http_client.h"

#include "base/json.h"

#include <gtest/gtest.h>

namespace redoubt::net {
namespace {

std::string text_of(const Bytes& bytes) {
    return std::string(as_text(bytes));
}

TEST(HttpResponse, is_written_with_its_length) {
    HttpResponse response = HttpResponse::json(200, "{}");
    response.headers.push_back({"x-request-id", "7"});
    EXPECT_EQ(text_of(serialise_response(response, true)),
              "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: 7\r\n"
              "content-length: 2\r\n\r\n{}");
    EXPECT_EQ(text_of(serialise_response(HttpResponse::text(503, "busy"), false, true)),
              "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n"
              "content-length: 4\r\nconnection: close\r\n\r\n");
}

TEST(HttpResponse, without_content_has_no_length_and_no_body) {
    HttpResponse response;
    response.status = 204;
    response.body = to_bytes("must not be sent");
    EXPECT_EQ(text_of(serialise_response(response, true)), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(HttpResponse, cannot_be_broken_by_a_header) {
    HttpResponse response;
    response.headers = {
        {"x-evil", "a\r\nset-cookie: b"},  {"x evil", "a"},      {"x-good", "yes"},
        {"content-length", "100"},         {"connection", "x"},  {"transfer-encoding", "chunked"},
        {"x-nul", std::string("a\0b", 3)}, {"date", "yesterday"}};
    EXPECT_EQ(text_of(serialise_response(response, true)),
              "HTTP/1.1 200 OK\r\nx-good: yes\r\ncontent-length: 0\r\n\r\n");
    response.headers.clear();
    response.status = 42;
    EXPECT_TRUE(text_of(serialise_response(response, true)).starts_with("HTTP/1.1 500 "));
}

TEST(HttpResponse, an_error_is_json_with_its_codes_status) {
    const Error error{Code::TooLarge, "the \"body\" is too large"};
    const HttpResponse response = HttpResponse::error(error);
    EXPECT_EQ(response.status, 413);
    EXPECT_EQ(response.header("content-type"), "application/json");
    json::Document document;
    const auto root = document.parse(as_text(response.body));
    ASSERT_TRUE(root);
    EXPECT_EQ(root->get("error")->text(), "the \"body\" is too large");
    EXPECT_EQ(root->get("code")->text(), "too_large");
}

TEST(HttpRequest, is_written_so_that_the_parser_reads_the_same) {
    HttpRequest request;
    request.method = "POST";
    request.target = "/path?query";
    request.authority = "h:8443";
    request.headers = {{"content-type", "application/json"}, {"host", "other"}, {"content-length", "9"}};
    request.body = to_bytes("{}");
    request.keep_alive = false;
    const Bytes bytes = serialise_request(request);
    EXPECT_EQ(text_of(bytes),
              "POST /path?query HTTP/1.1\r\nhost: h:8443\r\ncontent-type: application/json\r\n"
              "content-length: 2\r\nconnection: close\r\n\r\n{}");
    HttpParser parser(HttpParser::Kind::Request);
    ASSERT_EQ(parser.feed(bytes).value(), bytes.size());
    ASSERT_TRUE(parser.done());
    const HttpRequest read = parser.take_request();
    EXPECT_EQ(read.target, request.target);
    EXPECT_EQ(read.authority, request.authority);
    EXPECT_EQ(read.body, request.body);
    EXPECT_FALSE(read.keep_alive);
}

TEST(HttpRequest, tells_its_length_where_its_method_means_something_with_a_body) {
    HttpRequest request;
    request.target = "/";
    request.authority = "h";
    request.method = "GET";
    EXPECT_EQ(text_of(serialise_request(request)), "GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    request.method = "PUT";
    EXPECT_EQ(text_of(serialise_request(request)), "PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
}

TEST(Url, reads_scheme_host_port_and_path) {
    const auto url = parse_url("https://KMS.eu-central-1.amazonaws.com");
    ASSERT_TRUE(url);
    EXPECT_TRUE(url->tls);
    EXPECT_EQ(url->host, "kms.eu-central-1.amazonaws.com");
    EXPECT_EQ(url->port, 443);
    EXPECT_EQ(url->path, "/");
    EXPECT_EQ(url->authority(), "kms.eu-central-1.amazonaws.com");

    const auto plain = parse_url("http://127.0.0.1:4566/a/b%20c");
    ASSERT_TRUE(plain);
    EXPECT_FALSE(plain->tls);
    EXPECT_EQ(plain->port, 4566);
    EXPECT_EQ(plain->path, "/a/b%20c");
    EXPECT_EQ(plain->authority(), "127.0.0.1:4566");

    const auto six = parse_url("http://[fd00:ec2::254]/latest");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->host, "fd00:ec2::254");
    EXPECT_EQ(six->port, 80);
    EXPECT_EQ(six->authority(), "[fd00:ec2::254]");
    EXPECT_EQ(parse_url("https://[::1]:80")->authority(), "[::1]:80");
    EXPECT_EQ(parse_url("https://h:443")->authority(), "h");
}

TEST(Url, refuses_what_it_does_not_understand) {
    for (const char* text : {"",
                             "h",
                             "ftp://h",
                             "http:/h",
                             "http://",
                             "http:///x",
                             "http://h:",
                             "http://h:0",
                             "http://h:65536",
                             "http://h:80x",
                             "http://u@h",
                             "http://u:p@h",
                             "http://h?x",
                             "http://h/x?y",
                             "http://h/x#y",
                             "http://h/ x",
                             "http://h/%",
                             "http://::1/",
                             "http://[::1",
                             "http://[::1]x",
                             "http://[1.2.3.4]",
                             "http://a b",
                             "HTTP://h",
                             "http://h:080"}) {
        const auto url = parse_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().code, Code::Usage);
    }
}

} // namespace
} // namespace redoubt::net
