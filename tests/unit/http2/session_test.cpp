// SPDX-License-Identifier: Apache-2.0
// What a client of good will sees: requests as they were sent, answers as they were given.
#include "support.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace redoubt::http2::tests {
namespace {

TEST(Http2, a_request_arrives_as_it_would_over_http1) {
    std::vector<HttpRequest> seen;
    RunningServer server({}, [&](HttpRequest request, const HttpServer::Responder& respond) {
        seen.push_back(std::move(request));
        respond(HttpResponse::text(200, "ok"));
    });
    const std::string body(100'000, 'b');
    Client client(server.endpoint());
    const auto id = client.post("/a/b?c=%20&d", body,
                                {{"content-type", "text/plain"}, {"x", ""}, {"signature", "sig1=:YQ==:"}});
    EXPECT_EQ(client.answer(id).status(), 200);

    RawClient old(server.endpoint(), &net::tests::client_tls());
    ASSERT_TRUE(old.send("POST /a/b?c=%20&d HTTP/1.1\r\ncontent-type: text/plain\r\nx:\r\n"
                         "signature: sig1=:YQ==:\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n" +
                         body));
    EXPECT_EQ(old.answer().status, 200);
    server.on_loop([&] {
        ASSERT_EQ(seen.size(), 2U);
        const HttpRequest &two = seen[0], &one = seen[1];
        EXPECT_EQ(two.method, one.method);
        EXPECT_EQ(two.target, one.target);
        EXPECT_EQ(two.path, one.path);
        EXPECT_EQ(two.query, one.query);
        EXPECT_EQ(two.has_query, one.has_query);
        EXPECT_EQ(two.authority, one.authority);
        EXPECT_EQ(two.body, one.body);
        for (const auto& [name, value] : two.headers)
            EXPECT_EQ(value, one.header(name)) << name;
        EXPECT_EQ(two.headers.size() + 1, one.headers.size()); // but for the content-length
        EXPECT_EQ(two.keep_alive, one.keep_alive);
    });
    const auto counts = server.counts();
    EXPECT_EQ(counts.requests_http2, 1U);
    EXPECT_EQ(counts.requests_http1, 1U);
}

TEST(Http2, an_answers_texts_are_sent_as_they_are) {
    const std::string receipt(400, 'a'); // five bits each in Huffman's code
    RunningServer server({}, [&](const HttpRequest&, const HttpServer::Responder& respond) {
        auto response = HttpResponse::text(200, "ok");
        response.headers.push_back({"redoubt-receipt", receipt});
        respond(std::move(response));
    });
    Client client(server.endpoint());
    const Answer answer = client.answer(client.get("/"));
    EXPECT_EQ(answer.fields.at("redoubt-receipt"), receipt);
    EXPECT_GT(answer.head_size, receipt.size());
}

TEST(Http2, requests_of_one_read_are_answered_together_and_in_any_order) {
    std::vector<std::pair<std::string, HttpServer::Responder>> waiting;
    RunningServer server({}, [&](const HttpRequest& request, HttpServer::Responder respond) {
        waiting.emplace_back(request.path, std::move(respond));
        if (waiting.size() < 100)
            return;
        while (!waiting.empty()) {
            waiting.back().second(HttpResponse::text(200, waiting.back().first));
            waiting.pop_back();
        }
    });
    Client client(server.endpoint());
    std::map<std::int32_t, std::string> asked;
    for (int i = 0; i < 100; ++i) {
        const std::string path = "/" + std::to_string(i);
        asked[client.get(path)] = path;
    }
    for (const auto& [id, path] : asked)
        EXPECT_EQ(client.answer(id).body, path);
}

TEST(Http2, an_answer_has_the_servers_fields_and_those_of_the_handler_that_http2_has_a_place_for) {
    RunningServer server({.server_name = "redoubt"},
                         [](const HttpRequest&, const HttpServer::Responder& respond) {
                             HttpResponse out = HttpResponse::text(201, "made");
                             out.headers.push_back({"X-Thing", " a "});
                             out.headers.push_back({"connection", "close"});
                             out.headers.push_back({"content-length", "17"});
                             out.headers.push_back({"transfer-encoding", "chunked"});
                             out.headers.push_back({"bad name", "x"});
                             out.headers.push_back({"bad-value", "a\nb"});
                             respond(std::move(out));
                         });
    Client client(server.endpoint());
    auto fields = client.answer(client.get("/")).fields;
    EXPECT_EQ(fields["date"].size(), 29U);
    fields.erase("date");
    const std::map<std::string, std::string> expected{{":status", "201"},
                                                      {"content-type", "text/plain; charset=utf-8"},
                                                      {"x-thing", "a"},
                                                      {"server", "redoubt"},
                                                      {"content-length", "4"}};
    EXPECT_EQ(fields, expected);
}

// HPACK's table: what comes again takes a byte, and what never does takes no place in it.
TEST(Http2, fields_that_answers_share_are_sent_once) {
    const std::string text(200, 'r'); // six bits a character
    std::string name;
    RunningServer server({}, [&](const HttpRequest&, const HttpServer::Responder& respond) {
        HttpResponse out = HttpResponse::text(200, "ok");
        out.headers.push_back({name, text});
        respond(std::move(out));
    });
    for (const auto& [field, shared] : {std::pair{"redoubt-receipt-head", true},
                                        {"redoubt-enclave", true},
                                        {"redoubt-receipt", false},
                                        {"x-request-id", false}}) {
        name = field;
        Client client(server.endpoint());
        const std::size_t first = client.answer(client.get("/")).head_size;
        const Answer second = client.answer(client.get("/"));
        EXPECT_GT(first, 100U);
        EXPECT_EQ(second.head_size < 100U, shared) << field;
        EXPECT_EQ(second.fields.at(field), text);
    }
}

TEST(Http2, answers_without_a_body) {
    RunningServer server({}, [](const HttpRequest& request, const HttpServer::Responder& respond) {
        respond(request.path == "/empty" ? HttpResponse{.status = 204, .headers = {}, .body = Bytes(3, 'x')}
                : request.path == "/odd" ? HttpResponse{.status = 42, .headers = {}, .body = {}}
                                         : HttpResponse::text(200, "four"));
    });
    Client client(server.endpoint());
    const Answer to_head = client.answer(client.ask(head("HEAD", "/")));
    EXPECT_EQ(to_head.status(), 200);
    EXPECT_EQ(to_head.fields.at("content-length"), "4");
    EXPECT_EQ(to_head.body, "");
    EXPECT_TRUE(to_head.ended);
    const Answer empty = client.answer(client.get("/empty"));
    EXPECT_EQ(empty.status(), 204);
    EXPECT_EQ(empty.fields.count("content-length"), 0U);
    EXPECT_EQ(empty.body, "");
    EXPECT_EQ(client.answer(client.get("/odd")).status(), 500);
    EXPECT_EQ(client.answer(client.get("/")).body, "four");
}

TEST(Http2, large_bodies_go_through_small_windows_both_ways) {
    const std::string large(3'000'000, 'l');
    RunningServer server({.limits = {.body = 4 << 20}},
                         [](HttpRequest request, const HttpServer::Responder& respond) {
                             HttpResponse out;
                             out.body = std::move(request.body);
                             respond(std::move(out));
                         });
    Client client(server.endpoint(), {.window = 10'000});
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 3; ++i)
        ids.push_back(client.post("/", large));
    for (const auto id : ids)
        EXPECT_EQ(client.answer(id).body, large);
}

TEST(Http2, the_client_that_waits_for_100_gets_it) {
    RunningServer server({}, ok);
    Client client(server.endpoint());
    const auto id = client.ask(head("PUT", "/", {{"expect", "100-continue"}}), {}, false);
    ASSERT_TRUE(client.until([&] { return !client.answers[id].interim.empty(); }));
    EXPECT_EQ(client.answers[id].interim.front(), "100");
    client.append(id, "body", true);
    EXPECT_EQ(client.answer(id).status(), 200);
}

TEST(Http2, a_reset_request_has_no_client_any_more_and_its_answer_goes_nowhere) {
    std::optional<HttpServer::Responder> held;
    RunningServer server({}, [&](const HttpRequest& request, HttpServer::Responder respond) {
        if (request.path == "/held")
            held.emplace(std::move(respond));
        else
            respond(HttpResponse::text(200, held->client_gone() ? "gone" : "there"));
    });
    Client client(server.endpoint());
    const auto id = client.get("/held");
    EXPECT_EQ(client.answer(client.get("/")).body, "there");
    client.reset(id);
    EXPECT_EQ(client.answer(client.get("/")).body, "gone");
    server.on_loop([&] {
        (*held)(HttpResponse::text(200, "late"));
        held.reset();
    });
    EXPECT_TRUE(client.answers[id].fields.empty());
    // Its place was given to another one, which the late answer did not reach.
    EXPECT_EQ(server.connections(), 1U);
}

TEST(Http2, an_unanswered_request_gets_500) {
    RunningServer server({}, [](const HttpRequest&, const HttpServer::Responder&) {});
    Client client(server.endpoint());
    EXPECT_EQ(client.answer(client.get("/")).status(), 500);
}

TEST(Http2, the_handler_may_end_the_server) {
    auto server = std::make_unique<RunningServer>(HttpServerOptions{},
                                                  [](const HttpRequest&, const HttpServer::Responder&) {});
    net::EventLoop loop;
    net::Endpoint endpoint;
    auto listener = net::tests::listen_anywhere(endpoint);
    std::unique_ptr<HttpServer> other;
    other = std::make_unique<HttpServer>(loop, std::move(listener), &server_tls(), with_http2({}),
                                         [&](const HttpRequest&, const HttpServer::Responder& respond) {
                                             other.reset();
                                             EXPECT_TRUE(respond.client_gone());
                                             respond(HttpResponse::text(200, "to nobody"));
                                             loop.stop();
                                         });
    std::thread thread([&] { loop.run(); });
    {
        Client client(endpoint);
        client.get("/");
        client.get("/");
        client.until([] { return false; });
    }
    thread.join();
    EXPECT_EQ(other, nullptr);
}

TEST(Http2, a_cut_answer_ends_the_connection_in_its_middle) {
    RunningServer server({}, [](const HttpRequest&, const HttpServer::Responder& respond) {
        respond.cut(HttpResponse::text(200, std::string(1'000, 'x')), 500);
    });
    Client client(server.endpoint());
    const auto id = client.get("/");
    client.until([] { return false; });
    EXPECT_FALSE(client.answers[id].ended);
    EXPECT_TRUE(client.raw().failed()); // without close_notify
}

TEST(Http2, draining_tells_clients_answers_what_came_and_ends) {
    std::vector<HttpServer::Responder> waiting;
    RunningServer server({}, [&](const HttpRequest& request, HttpServer::Responder respond) {
        if (request.path == "/wait")
            waiting.push_back(std::move(respond));
        else
            respond(HttpResponse::text(200, "ok"));
    });
    Client busy(server.endpoint()), idle(server.endpoint());
    EXPECT_EQ(idle.answer(idle.get("/")).status(), 200);
    EXPECT_EQ(busy.answer(busy.get("/")).status(), 200);
    const auto id = busy.get("/wait");
    busy.flush();
    std::promise<void> done;
    server.on_loop([&] { server.server().drain(20'000, [&] { done.set_value(); }); });
    ASSERT_TRUE(busy.until([&] { return busy.goaway.has_value(); }));
    EXPECT_EQ(busy.goaway_stream, 0x7fffffff); // the notice: what is on its way still counts
    EXPECT_EQ(busy.goaway, std::uint32_t{NGHTTP2_NO_ERROR});
    EXPECT_TRUE(idle.ended());
    ASSERT_TRUE(busy.until([&] { return busy.goaway_stream != 0x7fffffff; }));
    EXPECT_GE(busy.goaway_stream, id);
    server.on_loop([&] {
        for (auto& respond : waiting)
            respond(HttpResponse::text(200, "at last"));
        waiting.clear();
    });
    EXPECT_EQ(busy.answer(id).body, "at last");
    EXPECT_TRUE(busy.ended());
    done.get_future().wait();
}

TEST(Http2, a_handler_learns_of_the_clients_certificate) {
    const auto& identity = net::tests::identity();
    const auto pair = *net::make_client_certificate(identity.authority, {"pay.example"});
    const auto server_context = *net::TlsContext::server(identity.certificate_file, identity.key_file, {"h2"},
                                                         {true, identity.authority.certificate});
    const auto client_context = identity.client_context({"h2"});
    BIO* const certificate = BIO_new_mem_buf(pair.certificate.data(), -1);
    BIO* const key = BIO_new_mem_buf(pair.key.data(), -1);
    X509* const x509 = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
    EVP_PKEY* const pkey = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    ASSERT_EQ(SSL_CTX_use_certificate(client_context.get(), x509), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(client_context.get(), pkey), 1);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(certificate);
    BIO_free(key);

    std::vector<std::string> names;
    net::tests::RunningServer server(&server_context, with_http2({}),
                                     [&](const HttpRequest& request, const HttpServer::Responder& respond) {
                                         if (request.peer && request.peer->verified)
                                             names.insert(names.end(), request.peer->dns_names.begin(),
                                                          request.peer->dns_names.end());
                                         respond(HttpResponse::text(200, "ok"));
                                     });
    RawClient client(server.endpoint(), &client_context);
    ASSERT_TRUE(client.send(kPreface + frame(NGHTTP2_HEADERS, 5, 1, kGetBlock) +
                            frame(NGHTTP2_HEADERS, 5, 3, kGetBlock)));
    client.half_close();
    (void)client.rest();
    EXPECT_EQ(names, (std::vector<std::string>{"pay.example", "pay.example"}));
}

TEST(Http2, without_alpn_or_without_the_protocol_it_is_http1) {
    RunningServer server({}, ok);
    const auto none = net::tests::identity().client_context({});
    RawClient client(server.endpoint(), &none);
    ASSERT_TRUE(client.send(net::tests::get("/")));
    EXPECT_EQ(client.answer().status, 200);
}

} // namespace
} // namespace redoubt::http2::tests
