// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include "support.h"

#include <charconv>

namespace redoubt::net::tests {
namespace {

class HttpServerCut : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Plain, HttpServerCut, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, HttpServerCut, testing::Values(true));

// "/cut/N" cuts the answer after N bytes; anything else is answered.
void cut_where_asked(HttpRequest request, const HttpServer::Responder& respond) {
    const std::string_view path = request.path;
    if (!path.starts_with("/cut/"))
        return respond(HttpResponse::text(200, "whole"));
    std::size_t bytes = 0;
    std::from_chars(path.data() + 5, path.data() + path.size(), bytes);
    respond.cut(HttpResponse::text(200, "a text that is cut"), bytes);
}

TEST_P(HttpServerCut, drops_the_connection_without_an_answer) {
    RunningServer server(GetParam(), {}, cut_where_asked);
    RawClient client(server.endpoint(), GetParam());
    ASSERT_TRUE(client.send(get("/cut/0")));
    EXPECT_EQ(client.rest(), "");
    // TLS tells a cut from an end in good order.
    EXPECT_EQ(client.failed(), GetParam());
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST_P(HttpServerCut, sends_the_beginning_that_was_asked_for) {
    RunningServer server(GetParam(), {}, cut_where_asked);
    for (const std::size_t bytes : {1u, 9u, 40u}) {
        RawClient client(server.endpoint(), GetParam());
        ASSERT_TRUE(client.send(get("/cut/" + std::to_string(bytes))));
        EXPECT_EQ(client.rest(),
                  std::string("HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8").substr(0, bytes));
    }
}

TEST_P(HttpServerCut, gives_the_answers_before_it_and_none_after_it) {
    RunningServer server(GetParam(), {}, cut_where_asked);
    RawClient client(server.endpoint(), GetParam());
    ASSERT_TRUE(client.send(get("/a") + get("/cut/0") + get("/b")));
    EXPECT_EQ(body_of(client.answer()), "whole");
    EXPECT_EQ(client.rest(), "");
    EXPECT_TRUE(server.wait_for_connections(0));
}

TEST_P(HttpServerCut, waits_for_an_earlier_answer_that_is_late) {
    std::optional<HttpServer::Responder> late;
    RunningServer server(GetParam(), {}, [&](HttpRequest request, const HttpServer::Responder& respond) {
        if (request.path == "/late")
            late = respond;
        else
            cut_where_asked(std::move(request), respond);
    });
    RawClient client(server.endpoint(), GetParam());
    ASSERT_TRUE(client.send(get("/late") + get("/cut/12") + get("/b")));
    EXPECT_FALSE(client.something_came(50));
    server.on_loop([&] {
        (*late)(HttpResponse::text(200, "at last"));
        late.reset();
    });
    EXPECT_EQ(body_of(client.answer()), "at last");
    EXPECT_EQ(client.rest(), "HTTP/1.1 200");
}

TEST_P(HttpServerCut, leaves_other_connections_alone) {
    RunningServer server(GetParam(), {}, cut_where_asked);
    RawClient other(server.endpoint(), GetParam());
    ASSERT_TRUE(other.send(get("/a")));
    EXPECT_EQ(body_of(other.answer()), "whole");
    RawClient client(server.endpoint(), GetParam());
    ASSERT_TRUE(client.send(get("/cut/0")));
    EXPECT_EQ(client.rest(), "");
    ASSERT_TRUE(other.send(get("/a")));
    EXPECT_EQ(body_of(other.answer()), "whole");
}

} // namespace
} // namespace redoubt::net::tests
