// SPDX-License-Identifier: Apache-2.0
// TLS connections that end in the enclave: what passes beside them, and what does not.
#include "tls_client.h"

namespace redoubt::enclave {
namespace {

using namespace tests;
using wire::Kind;

const std::string kSign = R"({"text":"a body that no host may read"})";

int status_of(const TlsClient& client) {
    return client.said.size() < 12 ? 0 : std::atoi(client.said.substr(9, 3).c_str());
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(TlsStreams, answer_requests_as_frames_do_and_vouch_for_nobody) {
    Service service;
    StreamHost host(service);
    TlsClient client;
    host.open(1, client);
    ASSERT_TRUE(client.open());
    client.write(http("GET", "/v1/challenge"));
    host.run();
    EXPECT_EQ(status_of(client), 200) << client.said;
    EXPECT_TRUE(contains(client.said, "\"challenge\""));
    client.said.clear();
    client.write(http("GET", "/v1/nothing") + http("GET", "/v1/challenge"));
    host.run();
    EXPECT_EQ(status_of(client), 404);
    EXPECT_TRUE(contains(client.said, "HTTP/1.1 200 OK")) << "pipelined requests are answered in turn";
    EXPECT_TRUE(host.asks().empty()) << "the gateway has no part in these";
    EXPECT_FALSE(host.vouched);
}

TEST(TlsStreams, key_is_bound_by_a_document_of_its_own_purpose) {
    Service service;
    StreamHost host(service);
    TlsClient client;
    host.open(1, client);
    const auto& identity = service.instance.enclave->tls_identity();
    EXPECT_EQ(client.spki(), identity.public_der());
    EXPECT_EQ(crypto::sha256(client.spki()), identity.digest());
    client.write(http("GET", "/v1/attestation/tls?nonce=0badcafe"));
    host.run();
    ASSERT_EQ(status_of(client), 200) << client.said;
    const auto body = nlohmann::json::parse(client.said.substr(client.said.find("\r\n\r\n") + 4));
    const auto document = nitro::verify_attestation(*from_base64(body["attestation"].get<std::string>()),
                                                    root().certificate_der, system_time_ms());
    ASSERT_TRUE(document) << document.error().describe();
    EXPECT_EQ(*document->user_data, nitro::encode_user_data("tls", crypto::sha256(client.spki())));
    EXPECT_EQ(*document->nonce, (Bytes{0x0b, 0xad, 0xca, 0xfe}));
    EXPECT_FALSE(document->public_key) << "KMS must have nothing to encrypt to";
    Service other;
    EXPECT_NE(other.instance.enclave->tls_identity().digest(), identity.digest());
}

TEST(TlsStreams, tell_the_gateway_names_and_sealed_records_and_no_body) {
    Service service;
    const std::string id = service.create("{}");
    service.forget_all();
    StreamHost host(service);
    TlsClient client;
    host.open(1, client);
    client.write(http("POST", "/v1/keys/" + id + "/sign-message", kSign));
    host.run();
    ASSERT_EQ(status_of(client), 200) << client.said;
    EXPECT_TRUE(contains(client.said, "\"signature\"")) << client.said;
    EXPECT_TRUE(contains(client.said, "redoubt-receipt: "));
    const auto asks = host.asks();
    ASSERT_GE(asks.size(), 2u);
    EXPECT_EQ(asks.front().reply.needs.front().name, id);
    EXPECT_EQ(asks.back().reply.status, 200);
    EXPECT_EQ(service.receipts.size(), 2u) << "the key's and the signature's";
    for (const auto& frame : host.sent) {
        const std::string bytes(as_text(frame.payload));
        EXPECT_FALSE(contains(bytes, "no host may read"));
        EXPECT_FALSE(contains(bytes, "\"signature\""));
    }
    for (const auto& ask : asks)
        EXPECT_TRUE(ask.reply.body.empty());
}

TEST(TlsStreams, answer_only_when_the_gateway_says_that_it_is_stored) {
    Service service;
    StreamHost host(service);
    host.gives = false;
    TlsClient client;
    host.open(1, client);
    client.write(http("POST", "/v1/keys", "{}"));
    host.run();
    EXPECT_TRUE(client.said.empty());
    const auto asks = host.asks();
    ASSERT_EQ(asks.size(), 1u);
    EXPECT_EQ(asks[0].reply.status, 201);
    ASSERT_FALSE(asks[0].reply.records.empty());
    EXPECT_EQ(asks[0].reply.records[0].kind, wire::ItemKind::KeyRecord);
    // A word about another request changes nothing.
    ASSERT_TRUE(host.tell(Kind::StreamSettled, 1, [&](Bytes& out) {
        wire::encode_stream_settled(out, {asks[0].number + 1, {}});
    }));
    host.run();
    EXPECT_TRUE(client.said.empty());
    ASSERT_TRUE(host.tell(Kind::StreamSettled, 1, [&](Bytes& out) {
        wire::encode_stream_settled(out, {asks[0].number, {}});
    }));
    host.run();
    EXPECT_EQ(status_of(client), 201);
}

TEST(TlsStreams, put_a_refusal_of_the_gateway_into_words_of_their_own) {
    Service service;
    StreamHost host(service);
    host.refuses = Code::StoreFailed;
    TlsClient client;
    host.open(1, client);
    client.write(http("POST", "/v1/keys", "{}"));
    host.run();
    EXPECT_EQ(status_of(client), 503) << client.said;
    EXPECT_TRUE(contains(client.said, R"("code":"store_failed")"));
    EXPECT_TRUE(contains(client.said, "by its word alone"));
    EXPECT_TRUE(contains(client.said, "retry-after: 1"));
    EXPECT_FALSE(contains(client.said, "key_id")) << "what is not stored is not told";
}

TEST(TlsStreams, tell_the_gateway_the_code_of_what_a_newer_record_may_change_and_nothing_else) {
    Service service;
    for (const Code refused : {Code::RecordStale, Code::LimitsElsewhere}) {
        StreamHost host(service);
        host.replies = [&] {
            auto reply = wire::error_reply({refused, "a sentence of the enclave's"});
            reply.body.insert(reply.body.size() - 1, R"(,"more":"of the request")");
            return reply;
        };
        host.refuses = refused; // the gateway can do no better
        TlsClient client;
        host.open(1, client);
        client.write(http("POST", "/v1/keys", "{}"));
        host.run();
        ASSERT_EQ(host.asks().size(), 1u);
        const auto said = host.asks()[0].reply;
        EXPECT_EQ(said.status, http_status(refused));
        EXPECT_TRUE(contains(said.body, code_name(refused))) << said.body;
        EXPECT_FALSE(contains(said.body, "of the request"));
        EXPECT_EQ(status_of(client), http_status(refused));
        EXPECT_TRUE(contains(client.said, "of the request")) << "the client gets the enclave's own answer";
        EXPECT_EQ(client.closed, refused == Code::LimitsElsewhere)
            << "another connection may reach the enclave that counts";
    }
}

TEST(TlsStreams, verify_signatures_of_principals_whom_no_host_can_stand_in_for) {
    Service service;
    const std::string id = service.create_with(policy_of(kAliceSigns));
    StreamHost host(service);
    TlsClient client;
    host.open(1, client);
    const std::string path = key_path(id, "sign-message");
    client.write(http("POST", path, kMessage));
    host.run();
    EXPECT_EQ(status_of(client), 403) << client.said;
    client.said.clear();
    const SentRequest signed_one = service.signed_request(path, kMessage, by(alice()));
    client.write(http("POST", path, kMessage,
                      "content-digest: " + signed_one.content_digest + "\r\nsignature-input: " +
                          signed_one.signature_input + "\r\nsignature: " + signed_one.signature + "\r\n"));
    host.run();
    EXPECT_EQ(status_of(client), 200) << client.said;
}

TEST(TlsStreams, take_a_clients_certificate_for_the_principal_whose_key_it_is) {
    for (const Person* person : {&alice(), &bob()}) { // Ed25519 and P-256
        Service service;
        const std::string id = service.create_with(
            policy_of(rule("theirs", "allow", "[\"" + person->id + "\"]", R"(["sign-message","disable"])")));
        StreamHost host(service);
        TlsClient theirs(TLS1_3_VERSION, {}, person), nobodys(TLS1_3_VERSION, {}, &eve()), none;
        host.open(1, theirs);
        host.open(2, nobodys);
        host.open(3, none);
        for (TlsClient* client : {&theirs, &nobodys, &none})
            client->write(http("POST", key_path(id, "sign-message"), kMessage));
        host.run();
        EXPECT_EQ(status_of(theirs), 200) << theirs.said;
        EXPECT_EQ(status_of(nobodys), 403) << nobodys.said;
        EXPECT_EQ(status_of(none), 403) << none.said;
        theirs.said.clear();
        theirs.write(http("POST", key_path(id, "disable"), "{}"));
        host.run();
        EXPECT_EQ(status_of(theirs), 200)
            << "nobody can send it again, so no challenge is needed: " << theirs.said;
        EXPECT_TRUE(service.last_receipt().principal.starts_with("key:" + person->id + ":"));
        EXPECT_FALSE(host.vouched);
    }
}

TEST(TlsStreams, count_what_a_certificates_holder_asks_for_each_time) {
    Service service;
    const std::string id = service.create_with(policy_of(counted(2)));
    StreamHost host(service);
    TlsClient client(TLS1_3_VERSION, {}, &alice());
    host.open(1, client);
    for (const int status : {200, 200, 429}) {
        client.said.clear();
        client.write(http("POST", key_path(id, "sign-message"), kMessage));
        host.run();
        EXPECT_EQ(status_of(client), status) << client.said;
    }
    EXPECT_TRUE(contains(client.said, "retry-after: "));
}

TEST(TlsStreams, break_when_a_byte_is_changed_on_the_way) {
    Service service;
    const std::string id = service.create("{}");
    StreamHost host(service);
    TlsClient client;
    host.open(1, client);
    client.write(http("POST", key_path(id, "sign-message"), kSign));
    Bytes bytes = client.take();
    bytes[bytes.size() - 20] ^= 1;
    ASSERT_TRUE(host.give(Kind::StreamData, 1, bytes));
    host.run();
    EXPECT_TRUE(client.said.empty());
    EXPECT_TRUE(host.closed.contains(1));
    EXPECT_TRUE(host.asks().empty()) << "nothing of it was taken for a request";
    EXPECT_EQ(host.load->streams, 0u);
}

TEST(TlsStreams, take_no_older_protocol_and_no_other_application) {
    Service service;
    StreamHost host(service);
    TlsClient old(TLS1_2_VERSION), other(TLS1_3_VERSION, {"\x02h2", 3}), none(TLS1_3_VERSION, {});
    host.open(1, old);
    host.open(2, other);
    host.open(3, none);
    EXPECT_FALSE(old.open());
    EXPECT_FALSE(other.open());
    EXPECT_TRUE(host.closed.contains(1) && host.closed.contains(2));
    EXPECT_TRUE(none.open());
    EXPECT_EQ(host.streams.count(), 1u);
}

TEST(TlsStreams, refuse_messages_that_two_readers_could_read_differently) {
    Service service;
    StreamHost host(service);
    TlsClient client;
    host.open(1, client);
    client.write("POST /v1/keys HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n"
                 "transfer-encoding: chunked\r\n\r\n{}");
    host.run();
    EXPECT_EQ(status_of(client), 400) << client.said;
    EXPECT_TRUE(client.closed);
    EXPECT_TRUE(host.closed.contains(1));
}

TEST(TlsStreams, put_no_more_on_the_way_than_the_gateway_takes) {
    Service service;
    const std::string id = service.create(R"({"hd":true})");
    StreamHost host(service);
    host.takes = false;
    TlsClient client;
    host.open(1, client);
    client.write(http("POST", key_path(id, "derive"), R"({"account":"m/44'/60'/0'/0","count":1000})"));
    host.run();
    const auto on_the_way = [&] {
        std::size_t bytes = 0;
        for (const auto& frame : host.sent)
            bytes += frame.kind == Kind::StreamData ? frame.payload.size() : 0;
        return bytes;
    };
    ASSERT_EQ(status_of(client), 200) << client.said.substr(0, 300);
    EXPECT_EQ(on_the_way(), wire::kStreamWindow);
    const auto tell_taken = [&](std::size_t n) {
        return host.tell(Kind::StreamTaken, 1,
                         [&](Bytes& out) { wire::encode_stream_taken(out, static_cast<std::uint32_t>(n)); });
    };
    ASSERT_TRUE(tell_taken(1'000));
    host.run();
    EXPECT_EQ(on_the_way(), wire::kStreamWindow + 1'000);
    bool refused = false;
    for (int i = 0; i < 10 && !refused; ++i)
        refused = !tell_taken(wire::kStreamWindow);
    EXPECT_TRUE(refused) << "more than is on the way cannot be taken";
}

TEST(TlsStreams, end_a_connection_whose_gateway_breaks_the_rules) {
    Service service;
    for (const auto& [kind, payload] : std::vector<std::pair<Kind, Bytes>>{
             {Kind::StreamOpen, {}},                              // there is one of this id
             {Kind::StreamData, {}},                              // nothing in it
             {Kind::StreamData, Bytes(wire::kMaxStreamData + 1)}, // too long
             {Kind::StreamTaken, {0, 0, 0, 0}},
             {Kind::StreamClose, {2}},
             {Kind::StreamItems, {0, 0, 0, 1, 9}},
             {Kind::StreamSettled, {0, 0, 0, 1, 0, 3, 'a', 'b', 'c'}}, // no code
             {Kind::StreamAsk, {}}}) {
        StreamHost host(service);
        TlsClient client;
        host.open(1, client);
        EXPECT_FALSE(host.give(kind, 1, payload)) << static_cast<int>(kind);
    }
    StreamHost host(service);
    host.gives = false;
    TlsClient client;
    host.open(1, client);
    client.write(http("POST", "/v1/keys", "{}")); // in work: nothing more is read
    host.run();
    ASSERT_EQ(host.asks().size(), 1u);
    Status status;
    for (int i = 0; i < 5 && status; ++i)
        status = host.give(Kind::StreamData, 1, Bytes(wire::kMaxStreamData, 0x17));
    EXPECT_FALSE(status) << "more than the window";
}

TEST(TlsStreams, are_ended_when_they_take_too_long) {
    Service service;
    StreamHost host(service);
    host.gives = false;
    TlsClient silent, idle, slow, waiting;
    host.ends[1] = &silent; // never gets its client hello through
    (void)silent.take();
    host.open(1, silent);
    host.open(2, idle);
    host.open(3, slow);
    host.open(4, waiting);
    slow.write("GET /v1/challenge HTT");
    waiting.write(http("POST", "/v1/keys", "{}"));
    host.run();
    const StreamTimes times;
    host.now += times.handshake_ms;
    host.streams.sweep(host.now);
    host.run();
    EXPECT_EQ(host.closed, (std::set<std::uint64_t>{1}));
    host.now += times.request_ms - times.handshake_ms;
    host.streams.sweep(host.now);
    host.run();
    EXPECT_EQ(status_of(slow), 408) << slow.said;
    EXPECT_EQ(status_of(waiting), 504) << waiting.said;
    EXPECT_EQ(host.closed, (std::set<std::uint64_t>{1, 3, 4}));
    host.now += times.idle_ms;
    host.streams.sweep(host.now);
    host.run();
    EXPECT_TRUE(idle.closed);
    EXPECT_EQ(host.streams.count(), 0u);
    EXPECT_EQ(host.load->streams, 0u);
    EXPECT_EQ(host.load->bytes, 0u);
}

TEST(TlsStreams, are_bounded_in_number) {
    Service service;
    StreamHost host(service);
    host.load->streams = wire::kMaxStreams;
    TlsClient client;
    host.open(1, client);
    EXPECT_TRUE(host.closed.contains(1));
    EXPECT_EQ(host.load->streams, wire::kMaxStreams);
    host.load->streams = 0;
    while (host.load->handshakes.take())
        continue;
    host.open(2, client);
    EXPECT_TRUE(host.closed.contains(2)) << "handshakes take the time of those who sign";
}

TEST(TlsStreams, of_clients_that_have_gone_still_have_stored_what_was_made) {
    Service service;
    StreamHost host(service);
    std::optional<std::pair<std::uint32_t, Bytes>> later;
    TlsStreams streams(service.instance.enclave->tls_identity(), host.load,
                       {[&](Kind kind, std::uint64_t id, const auto& encode) {
                            host.sent.push_back({kind, id, {}});
                            encode(host.sent.back().payload);
                        },
                        [&](std::uint64_t, std::uint32_t number, const Bytes& payload, const ClientKey&) {
                            later = {number, payload};
                            return std::optional<wire::Reply>();
                        }});
    TlsClient client;
    ASSERT_TRUE(streams.take({Kind::StreamOpen, 5, {}}, 1));
    for (int i = 0; i < 3; ++i) {
        const Bytes bytes = client.take();
        if (!bytes.empty()) {
            ASSERT_TRUE(streams.take({Kind::StreamData, 5, bytes}, 1));
        }
        for (const auto& frame : std::exchange(host.sent, {}))
            if (frame.kind == Kind::StreamData)
                client.feed(frame.payload);
        if (i == 1)
            client.write(http("POST", "/v1/keys", "{}"));
    }
    ASSERT_TRUE(later);
    const Bytes gone{1};
    ASSERT_TRUE(streams.take({Kind::StreamClose, 5, gone}, 2));
    EXPECT_EQ(streams.count(), 0u);
    auto reply = service.instance.enclave->handle(Kind::Request, later->second, MayWait::ForKms);
    streams.replied(5, later->first, std::move(*reply), 3);
    const auto asks = host.asks();
    ASSERT_EQ(asks.size(), 1u);
    EXPECT_EQ(asks[0].reply.records.front().kind, wire::ItemKind::KeyRecord);
    EXPECT_TRUE(asks[0].reply.body.empty());
}

} // namespace
} // namespace redoubt::enclave
