// SPDX-License-Identifier: Apache-2.0
#include "wire/stream.h"

#include <gtest/gtest.h>

namespace redoubt::wire {
namespace {

template<class T, class Encode>
Bytes encoded(const Encode& encode, const T& value) {
    Bytes out;
    encode(out, value);
    return out;
}

// Every beginning of it, and it with one byte more, is refused.
template<class Decode>
void expect_exact(const Bytes& whole, const Decode& decode) {
    EXPECT_TRUE(decode(whole));
    for (std::size_t n = 0; n < whole.size(); ++n)
        EXPECT_FALSE(decode(ByteView(whole).first(n))) << n;
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_FALSE(decode(longer));
}

TEST(StreamMessages, say_how_much_was_taken_within_the_window) {
    expect_exact(encoded(encode_stream_taken, 7u), decode_stream_taken);
    EXPECT_EQ(*decode_stream_taken(encoded(encode_stream_taken, 65'536u)), 65'536u);
    EXPECT_FALSE(decode_stream_taken(encoded(encode_stream_taken, 65'537u)));
    EXPECT_FALSE(decode_stream_taken(encoded(encode_stream_taken, 0u)));
}

TEST(StreamMessages, end_in_one_of_two_ways) {
    for (const auto end : {StreamEnd::Finished, StreamEnd::Gone}) {
        const Bytes whole = encoded(encode_stream_close, end);
        expect_exact(whole, decode_stream_close);
        EXPECT_EQ(*decode_stream_close(whole), end);
    }
    EXPECT_FALSE(decode_stream_close(Bytes{2}));
}

TEST(StreamMessages, ask_as_replies_do) {
    StreamAsk ask;
    ask.number = 0x01020304;
    ask.reply.status = kNeeds;
    ask.reply.needs.push_back({ItemKind::KeyRecord, "key-1"});
    const Bytes whole = encoded(encode_stream_ask, ask);
    expect_exact(whole, decode_stream_ask);
    const auto read = *decode_stream_ask(whole);
    EXPECT_EQ(read.number, 0x01020304u);
    ASSERT_EQ(read.reply.needs.size(), 1u);
    EXPECT_EQ(read.reply.needs[0].name, "key-1");
}

TEST(StreamMessages, bring_a_bounded_number_of_bounded_items) {
    const Bytes record(300, 7), longest(kMaxAttachment, 1), too_long(kMaxAttachment + 1, 1);
    StreamItems items{9, {{ItemKind::KeyRecord, "key-1", record}, {ItemKind::CountersIfAny, "key-1", {}}}};
    const Bytes whole = encoded(encode_stream_items, items);
    expect_exact(whole, decode_stream_items);
    const auto read = *decode_stream_items(whole);
    ASSERT_EQ(read.items.size(), 2u);
    EXPECT_EQ(to_bytes(read.items[0].bytes), record);
    EXPECT_EQ(read.items[1].kind, ItemKind::CountersIfAny);
    EXPECT_TRUE(decode_stream_items(
        encoded(encode_stream_items, StreamItems{1, {{ItemKind::Policy, "p", longest}}})));
    EXPECT_FALSE(decode_stream_items(
        encoded(encode_stream_items, StreamItems{1, {{ItemKind::Policy, "p", too_long}}})));
    StreamItems many{1, {}};
    for (std::size_t i = 0; i < kMaxAttachments; ++i)
        many.items.push_back({ItemKind::Policy, "p", {}});
    EXPECT_TRUE(decode_stream_items(encoded(encode_stream_items, many)));
    many.items.push_back({ItemKind::Policy, "p", {}});
    EXPECT_FALSE(decode_stream_items(encoded(encode_stream_items, many)));
    for (const std::uint8_t kind : Bytes{0, 14, 255})
        EXPECT_FALSE(decode_stream_items(Bytes{0, 0, 0, 1, 1, kind, 0, 0, 0, 0, 0, 0})) << int{kind};
}

TEST(StreamMessages, settle_with_a_known_code_or_none) {
    const Bytes done = encoded(encode_stream_settled, StreamSettled{5, {}});
    const Bytes refused = encoded(encode_stream_settled, StreamSettled{5, Code::StoreFailed});
    expect_exact(done, decode_stream_settled);
    expect_exact(refused, decode_stream_settled);
    EXPECT_FALSE(decode_stream_settled(done)->refused);
    EXPECT_EQ(decode_stream_settled(refused)->refused, Code::StoreFailed);
    EXPECT_FALSE(decode_stream_settled(Bytes{0, 0, 0, 5, 0, 2, 'n', 'o'})) << "no text of the host's";
}

TEST(StreamFrames, are_known_and_told_from_others) {
    for (const Kind kind : {Kind::StreamOpen, Kind::StreamData, Kind::StreamTaken, Kind::StreamClose,
                            Kind::StreamAsk, Kind::StreamItems, Kind::StreamSettled}) {
        Bytes out;
        end_frame(out, begin_frame(out, kind, 3));
        FrameReader reader;
        const auto space = reader.space(out.size());
        std::copy(out.begin(), out.end(), space.begin());
        reader.commit(out.size());
        const auto frame = reader.next();
        ASSERT_TRUE(frame && *frame);
        EXPECT_EQ((*frame)->kind, kind);
        EXPECT_TRUE(is_stream(kind));
    }
    for (const Kind kind : {Kind::Hello, Kind::Request, Kind::Reply})
        EXPECT_FALSE(is_stream(kind));
    Bytes unknown;
    end_frame(unknown, begin_frame(unknown, static_cast<Kind>(0x27), 3));
    FrameReader reader;
    const auto space = reader.space(unknown.size());
    std::copy(unknown.begin(), unknown.end(), space.begin());
    reader.commit(unknown.size());
    EXPECT_FALSE(reader.next());
}

} // namespace
} // namespace redoubt::wire
