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
    request.request_id = "client-1.2_3";
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
    EXPECT_EQ(decoded->request_id, "client-1.2_3");
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

TEST(Messages, a_request_id_that_could_break_a_log_line_is_refused) {
    const Bytes body = to_bytes("{}"), item = {1};
    const auto decodes = [&](std::string_view id) {
        auto request = sample(body, item);
        request.request_id = id;
        Bytes encoded;
        encode_request(encoded, request);
        return decode_request(encoded).has_value();
    };
    EXPECT_TRUE(decodes(""));
    EXPECT_TRUE(decodes(std::string(kMaxRequestId, 'a')));
    EXPECT_FALSE(decodes(std::string(kMaxRequestId + 1, 'a')));
    for (const std::string_view bad : {"a b", "a\nb", "a\"", "\xc3\xa4", "a/b"})
        EXPECT_FALSE(decodes(bad)) << bad;
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
        (void)decode_receipts_asked(bytes);
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

constexpr ItemKind kKinds[] = {ItemKind::KeyRecord,   ItemKind::VaultRecord, ItemKind::ReferenceCiphertext,
                               ItemKind::Credentials, ItemKind::Policy,      ItemKind::KeyIfAny,
                               ItemKind::VaultIfAny,  ItemKind::KeyUpdate,   ItemKind::CountersIfAny,
                               ItemKind::Counters,    ItemKind::Receipt,     ItemKind::ReceiptHead,
                               ItemKind::ReceiptStart};

TEST(Message, a_reply_that_was_used_before_is_read_as_a_new_one) {
    const auto encoded = [](const Reply& reply) {
        Bytes out;
        encode_reply(out, reply);
        return out;
    };
    Reply records;
    records.body = std::string(500, 'x');
    for (int i = 0; i < 5; ++i)
        records.records.push_back({ItemKind::Receipt, std::string(16, 'c'), Bytes(200, 7)});
    Reply needs;
    needs.status = kNeeds;
    needs.needs = {{ItemKind::KeyRecord, "key-1"}, {ItemKind::VaultRecord, "vault-1"}};
    Reply small;
    small.status = 404;
    small.content_type = ContentType::Text;
    small.body = "no";
    small.records.push_back({ItemKind::Counters, "k", {1}});
    const Bytes all[] = {encoded(records), encoded(needs), encoded(small), encoded(Reply())};
    Reply used;
    for (const auto& first : all)
        for (const auto& second : all) {
            ASSERT_TRUE(decode_reply(first, used));
            ASSERT_FALSE(decode_reply(ByteView(second).first(second.size() - 1), used));
            ASSERT_TRUE(decode_reply(second, used));
            EXPECT_EQ(encoded(used), second);
        }
}

TEST(Messages, items_of_every_kind_survive_encoding_and_of_no_other) {
    const std::string chain("\x00\x01 not text \xff", 13);
    std::uint8_t number = 0;
    for (const ItemKind kind : kKinds) {
        EXPECT_EQ(static_cast<std::uint8_t>(kind), ++number) << "the kinds' numbers are the format's";
        const Bytes bytes = {1, 2, number};
        Request request;
        request.method = "POST";
        request.items = {{kind, chain, bytes}, {kind, "", {}}};
        Bytes encoded;
        encode_request(encoded, request);
        const auto decoded = decode_request(encoded);
        ASSERT_TRUE(decoded) << int(number);
        ASSERT_EQ(decoded->items.size(), 2u);
        EXPECT_EQ(decoded->items[0].kind, kind);
        EXPECT_EQ(decoded->items[0].name, chain);
        EXPECT_EQ(to_bytes(decoded->items[0].bytes), bytes);
        EXPECT_TRUE(decoded->items[1].bytes.empty());
        Reply reply;
        reply.records = {{kind, chain, bytes}};
        Bytes answered;
        encode_reply(answered, reply);
        const auto back = decode_reply(answered);
        ASSERT_TRUE(back) << int(number);
        EXPECT_EQ(back->records[0].kind, kind);
        EXPECT_EQ(back->records[0].name, chain);
        EXPECT_EQ(back->records[0].bytes, bytes);
        Reply need;
        need.status = kNeeds;
        need.needs = {{kind, "key-1"}};
        Bytes asked;
        encode_reply(asked, need);
        const auto needs = decode_reply(asked);
        ASSERT_TRUE(needs) << int(number);
        EXPECT_EQ(needs->needs[0].kind, kind);
    }
    for (const int wrong : {0, number + 1, 0x80, 0xff}) {
        const auto kind = static_cast<ItemKind>(wrong);
        const Bytes bytes = {1};
        Request request;
        request.method = "POST";
        request.items = {{kind, "a", bytes}};
        Bytes encoded;
        encode_request(encoded, request);
        EXPECT_FALSE(decode_request(encoded)) << wrong;
        Reply reply;
        reply.records = {{kind, "a", bytes}};
        encoded.clear();
        encode_reply(encoded, reply);
        EXPECT_FALSE(decode_reply(encoded)) << wrong;
        reply.records.clear();
        reply.status = kNeeds;
        reply.needs = {{kind, "a"}};
        encoded.clear();
        encode_reply(encoded, reply);
        EXPECT_FALSE(decode_reply(encoded)) << wrong;
    }
}

TEST(Messages, a_reply_has_up_to_64_records_and_no_more) {
    Reply reply;
    for (std::size_t i = 0; i < kMaxRecords; ++i)
        reply.records.push_back({ItemKind::Receipt, "c", {static_cast<std::uint8_t>(i)}});
    Bytes encoded;
    encode_reply(encoded, reply);
    const auto decoded = decode_reply(encoded);
    ASSERT_TRUE(decoded);
    ASSERT_EQ(decoded->records.size(), kMaxRecords);
    EXPECT_EQ(decoded->records[63].bytes, Bytes{63});
    for (std::size_t size = 0; size < encoded.size(); ++size)
        ASSERT_FALSE(decode_reply(ByteView(encoded).first(size))) << size;
    encoded.push_back(0);
    EXPECT_FALSE(decode_reply(encoded));
    reply.records.push_back({ItemKind::Receipt, "c", {}});
    encoded.clear();
    encode_reply(encoded, reply);
    EXPECT_FALSE(decode_reply(encoded));
}

TEST(Messages, what_is_asked_of_receipts_survives_encoding_and_has_one_spelling) {
    ReceiptsAsked asked;
    for (std::size_t i = 0; i < asked.chain.size(); ++i)
        asked.chain[i] = static_cast<std::uint8_t>(i);
    for (const std::optional<std::uint64_t> through :
         {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(0),
          std::optional<std::uint64_t>(0x1122334455667788), std::optional<std::uint64_t>(UINT64_MAX)}) {
        asked.through = through;
        Bytes encoded;
        encode_receipts_asked(encoded, asked);
        EXPECT_EQ(encoded.size(), 16u + 1 + 8);
        const auto decoded = decode_receipts_asked(encoded);
        ASSERT_TRUE(decoded);
        EXPECT_EQ(decoded->chain, asked.chain);
        EXPECT_EQ(decoded->through, through);
        for (std::size_t size = 0; size < encoded.size(); ++size)
            EXPECT_FALSE(decode_receipts_asked(ByteView(encoded).first(size))) << size;
        encoded.push_back(0);
        EXPECT_FALSE(decode_receipts_asked(encoded));
    }
    Bytes odd(25);
    EXPECT_TRUE(decode_receipts_asked(odd)) << "zeros: of no chain";
    odd[24] = 1;
    EXPECT_FALSE(decode_receipts_asked(odd)) << "a number that is none";
    odd[16] = 1;
    EXPECT_TRUE(decode_receipts_asked(odd));
    odd[16] = 2;
    EXPECT_FALSE(decode_receipts_asked(odd));
}

TEST(Frames, that_ask_for_receipts_are_taken) {
    FrameReader reader;
    feed(reader, frame(Kind::Receipts, 7, std::string(25, '\0')));
    const auto next = reader.next();
    ASSERT_TRUE(next && *next);
    EXPECT_EQ((*next)->kind, Kind::Receipts);
    FrameReader other;
    feed(other, frame(static_cast<Kind>(11), 7, ""));
    EXPECT_FALSE(other.next()) << "there is no kind 11";
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
