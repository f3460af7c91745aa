// SPDX-License-Identifier: Apache-2.0
#include "wire/message.h"

#include <gtest/gtest.h>
#include <random>

namespace redoubt::wire {
namespace {

Bytes frame(Kind kind, std::uint64_t id, std::string_view payload) {
    Bytes out;
    const std::size_t at = begin_frame(out, kind, id);
    append(out, as_bytes(payload));
    end_frame(out, at);
    return out;
}

void feed(FrameReader& reader, ByteView bytes) {
    const auto space = reader.space(bytes.size());
    std::copy(bytes.begin(), bytes.end(), space.begin());
    reader.commit(bytes.size());
}

TEST(Frames, come_out_whole_however_the_stream_is_cut) {
    Bytes stream;
    for (std::uint64_t i = 0; i < 50; ++i)
        append(stream, frame(Kind::Request, i, std::string(i * 37 % 400, 'x')));
    for (std::size_t step : {1u, 2u, 3u, 7u, 64u, 1000u, 100000u}) {
        FrameReader reader;
        std::uint64_t expected = 0;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            feed(reader, ByteView(stream).subspan(at, std::min(step, stream.size() - at)));
            for (;;) {
                const auto next = reader.next();
                ASSERT_TRUE(next);
                if (!*next)
                    break;
                EXPECT_EQ((*next)->id, expected);
                EXPECT_EQ((*next)->payload.size(), expected * 37 % 400);
                ++expected;
            }
        }
        EXPECT_EQ(expected, 50u) << "step " << step;
    }
}

TEST(Frames, of_bad_length_or_kind_are_refused) {
    for (const Bytes& bad :
         {Bytes{0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0},
          Bytes{0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0},
          Bytes{0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Bytes{0, 0, 0, 9, 99, 0, 0, 0, 0, 0, 0, 0, 0}}) {
        FrameReader reader;
        feed(reader, bad);
        EXPECT_FALSE(reader.next());
    }
}

Request sample(const Bytes& body, const Bytes& item) {
    Request request;
    request.method = "POST";
    request.authority = "localhost:8443";
    request.path = "/v1/keys";
    request.query = "a=b";
    request.has_query = true;
    request.deadline_ms = 5000;
    request.headers = {{"content-type", "application/json"}, {"signature", "x"}};
    request.principal.host_name = "ops";
    request.body = body;
    request.items = {{ItemKind::KeyRecord, "key-1", item}};
    return request;
}

TEST(Messages, a_request_survives_encoding) {
    const Bytes body = to_bytes("{}"), item = {1, 2, 3};
    Bytes encoded;
    encode_request(encoded, sample(body, item));
    const auto decoded = decode_request(encoded);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->path, "/v1/keys");
    EXPECT_TRUE(decoded->has_query);
    EXPECT_EQ(decoded->query, "a=b");
    EXPECT_EQ(decoded->deadline_ms, 5000u);
    EXPECT_EQ(decoded->headers.size(), 2u);
    EXPECT_EQ(decoded->headers[1].value, "x");
    EXPECT_EQ(decoded->principal.host_name, "ops");
    EXPECT_EQ(to_bytes(decoded->body), body);
    EXPECT_EQ(to_bytes(decoded->items[0].bytes), item);
}

TEST(Messages, cut_or_extended_requests_are_refused) {
    const Bytes body = to_bytes("{}"), item = {1, 2, 3};
    Bytes encoded;
    encode_request(encoded, sample(body, item));
    for (std::size_t size = 0; size < encoded.size(); ++size)
        ASSERT_FALSE(decode_request(ByteView(encoded).first(size))) << size;
    encoded.push_back(0);
    EXPECT_FALSE(decode_request(encoded));
}

TEST(Messages, random_bytes_never_crash_the_decoders) {
    std::mt19937_64 random(20261123);
    for (int i = 0; i < 20000; ++i) {
        Bytes bytes(random() % 200);
        for (auto& byte : bytes)
            byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() : 0);
        (void)decode_request(bytes);
        (void)decode_reply(bytes);
        (void)decode_credentials(bytes);
    }
}

TEST(Messages, a_reply_survives_encoding) {
    Reply reply;
    reply.status = 201;
    reply.content_type = ContentType::Json;
    reply.body = "{\"a\":1}";
    reply.records = {{ItemKind::VaultRecord, "vault-1", {9, 8}}};
    Bytes encoded;
    encode_reply(encoded, reply);
    const auto decoded = decode_reply(encoded);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->status, 201);
    EXPECT_EQ(decoded->body, reply.body);
    EXPECT_EQ(decoded->records[0].bytes, (Bytes{9, 8}));
    Reply need;
    need.status = kNeeds;
    need.needs = {{ItemKind::ReferenceCiphertext, "secret"}};
    Bytes needs;
    encode_reply(needs, need);
    ASSERT_TRUE(decode_reply(needs));
    need.needs.clear();
    needs.clear();
    encode_reply(needs, need);
    EXPECT_FALSE(decode_reply(needs)) << "a need without items says nothing";
}

TEST(Messages, credentials_survive_encoding_and_errors_drop_their_context) {
    CredentialsMessage credentials;
    credentials.access_key_id = "ASIA";
    credentials.secret_access_key = Secret::copy_of(to_bytes("secret"));
    credentials.session_token = Secret::copy_of(to_bytes("token"));
    credentials.expires = 42;
    Bytes encoded;
    encode_credentials(encoded, credentials);
    const auto decoded = decode_credentials(encoded);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->access_key_id, "ASIA");
    EXPECT_EQ(decoded->session_token.text(SecretAccess("test")), "token");
    EXPECT_EQ(decoded->expires, 42);
    const Reply reply = error_reply(Error{Code::KmsDenied, "KMS says no", "arn:secret"});
    EXPECT_EQ(reply.status, 502);
    EXPECT_EQ(reply.body, R"({"error":"KMS says no","code":"kms_denied"})");
}

} // namespace
} // namespace redoubt::wire
