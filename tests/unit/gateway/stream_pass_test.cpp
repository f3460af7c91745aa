// SPDX-License-Identifier: Apache-2.0
// TLS streams on their way through the gateway, before enclaves that the tests script: bytes, what requests
// need and make, and clients that are slow or gone.
#include "stream_support.h"

#include "crypto/random.h"

namespace redoubt {
namespace {

using namespace tests;
using wire::ItemKind;
using wire::Kind;

TEST(StreamPass, passes_bytes_both_ways_and_both_ends) {
    Folder folder;
    StreamEnclave enclave(folder.file("e"), echo);
    Passing gateway(folder, {folder.file("e")});
    const auto fd = gateway.connect();
    std::string sent;
    for (int i = 0; i < 30'000; ++i)
        sent += std::to_string(i) + ",";
    std::string came;
    std::thread reader([&] { came = get(fd, sent.size()); });
    EXPECT_TRUE(put(fd, sent));
    reader.join();
    EXPECT_EQ(came, sent) << "three windows and more";
    (void)::shutdown(fd.get(), SHUT_WR);
    bool ended = false;
    EXPECT_EQ(get(fd, 1, &ended), "");
    EXPECT_TRUE(ended);
    ASSERT_EQ(enclave.got(Kind::StreamClose).size(), 1u);
    EXPECT_TRUE(eventually([&] { return gateway.connections() == 0; }));
    for (const auto& one : enclave.got(Kind::StreamData))
        EXPECT_LE(one.payload.size(), wire::kMaxStreamData);
}

sealed::KeyHead a_head(std::uint8_t id) {
    sealed::KeyHead head;
    head.id[0] = id;
    head.address[19] = id;
    head.created = 1'700'000'000'000 + id;
    return head;
}

Bytes key_record(const sealed::KeyHead& head) {
    crypto::SystemRandom random;
    return sealed::seal_key(random.secret(32), head, random.secret(32), random);
}

TEST(StreamPass, brings_what_a_request_needs_and_stores_what_it_made_before_it_settles) {
    Folder folder;
    const auto needed = a_head(1), made = a_head(2);
    const Bytes stored = key_record(needed);
    Passing* seen = nullptr;
    std::atomic<bool> brought{false}, was_there{false};
    StreamEnclave enclave(folder.file("e"), [&](const StreamEnclave::Line& line,
                                                const StreamEnclave::Got& got) {
        if (got.kind == Kind::StreamData)
            line.ask(got.id, 7, need_reply(ItemKind::KeyRecord, sealed::key_id_text(needed.id)));
        if (got.kind == Kind::StreamItems) {
            const auto items = wire::decode_stream_items(got.payload);
            brought = items && items->number == 7 && items->items.size() == 1 &&
                      to_bytes(items->items[0].bytes) == stored;
            wire::Reply reply;
            reply.status = 201;
            reply.content_type = wire::ContentType::None;
            reply.records.push_back({ItemKind::KeyRecord, sealed::key_id_text(made.id), key_record(made)});
            line.ask(got.id, 7, std::move(reply));
        }
        if (got.kind == Kind::StreamSettled) {
            was_there = seen->store->get_key(made.id).value().has_value();
            line.say(got.id, "answered");
        }
    });
    Passing gateway(folder, {folder.file("e")});
    seen = &gateway;
    ASSERT_TRUE(gateway.store->put_key(stored));
    const auto fd = gateway.connect();
    ASSERT_TRUE(put(fd, "x"));
    EXPECT_EQ(get(fd, 8), "answered");
    EXPECT_TRUE(brought);
    EXPECT_TRUE(was_there);
    const auto settled = wire::decode_stream_settled(enclave.got(Kind::StreamSettled).at(0).payload);
    ASSERT_TRUE(settled);
    EXPECT_EQ(settled->number, 7u);
    EXPECT_FALSE(settled->refused);
}

TEST(StreamPass, tells_the_enclave_why_a_request_cannot_be_served) {
    Folder folder;
    const auto head = a_head(3);
    std::atomic<int> rounds{0};
    StreamEnclave enclave(
        folder.file("e"), [&](const StreamEnclave::Line& line, const StreamEnclave::Got& got) {
            wire::Reply made;
            made.status = 201;
            made.records.push_back({ItemKind::KeyRecord, sealed::key_id_text(head.id), key_record(head)});
            if (got.kind == Kind::StreamData && got.payload == to_bytes("u"))
                line.ask(got.id, 1, need_reply(ItemKind::KeyRecord, sealed::key_id_text(a_head(9).id)));
            else if (got.kind == Kind::StreamData)
                line.ask(got.id, 2, made);
            else if (got.kind == Kind::StreamItems) // asked to look again: it makes the same
                ++rounds, line.ask(got.id, 2, made);
            else if (got.kind == Kind::StreamSettled)
                line.say(got.id, "done");
        });
    Passing gateway(folder, {folder.file("e")});
    ASSERT_TRUE(gateway.store->put_key(key_record(head)));
    const auto fd = gateway.connect();
    ASSERT_TRUE(put(fd, "u"));
    EXPECT_EQ(get(fd, 4), "done");
    ASSERT_TRUE(put(fd, "c"));
    EXPECT_EQ(get(fd, 4), "done");
    const auto settled = enclave.got(Kind::StreamSettled);
    ASSERT_EQ(settled.size(), 2u);
    EXPECT_EQ(wire::decode_stream_settled(settled[0].payload)->refused, Code::UnknownKey);
    EXPECT_EQ(wire::decode_stream_settled(settled[1].payload)->refused, Code::Conflict);
    EXPECT_EQ(rounds, 1);
}

TEST(StreamPass, stores_what_was_made_for_a_client_that_has_gone) {
    Folder folder;
    const auto made = a_head(4);
    StreamEnclave enclave(
        folder.file("e"), [&](const StreamEnclave::Line& line, const StreamEnclave::Got& got) {
            if (got.kind != Kind::StreamClose)
                return;
            wire::Reply reply;
            reply.status = 201;
            reply.records.push_back({ItemKind::KeyRecord, sealed::key_id_text(made.id), key_record(made)});
            line.close(got.id);
            line.ask(got.id, 1, std::move(reply));
        });
    Passing gateway(folder, {folder.file("e")});
    {
        const auto fd = gateway.connect();
        ASSERT_TRUE(put(fd, "x"));
    }
    EXPECT_TRUE(eventually([&] { return gateway.store->get_key(made.id).value().has_value(); }));
}

TEST(StreamPass, lets_a_client_that_does_not_read_hold_up_nobody) {
    Folder folder;
    const std::string much(wire::kMaxStreamData, 'm');
    std::atomic<std::size_t> allowed{0};
    StreamEnclave enclave(folder.file("e"),
                          [&](const StreamEnclave::Line& line, const StreamEnclave::Got& got) {
                              const auto fill = [&] { // all that may be on the way
                                  while (allowed >= much.size()) {
                                      allowed -= much.size();
                                      line.say(got.id, much);
                                  }
                              };
                              if (got.kind == Kind::StreamData && got.payload == to_bytes("!")) {
                                  allowed = wire::kStreamWindow;
                                  fill();
                              } else if (got.kind == Kind::StreamTaken) {
                                  allowed += *wire::decode_stream_taken(got.payload);
                                  fill();
                              } else {
                                  echo(line, got);
                              }
                          });
    Passing gateway(folder, {folder.file("e")});
    const auto slow = gateway.connect();
    ASSERT_TRUE(put(slow, "!"));
    std::size_t told = 0, still = 0; // until the sockets in between are full
    EXPECT_TRUE(eventually([&] {
        const std::size_t now = enclave.got(Kind::StreamTaken).size();
        still = now == told ? still + 1 : 0;
        told = now;
        return still > 20;
    }));
    const auto quick = gateway.connect();
    const std::int64_t before = monotonic_ms();
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(put(quick, "hello"));
        ASSERT_EQ(get(quick, 5), "hello");
    }
    EXPECT_LT(monotonic_ms() - before, 2'000);
    EXPECT_EQ(gateway.connections(), 2u);
}

TEST(StreamPass, ends_a_stream_whose_enclave_sends_more_than_may_be_on_the_way) {
    Folder folder;
    StreamEnclave enclave(folder.file("e"),
                          [](const StreamEnclave::Line& line, const StreamEnclave::Got& got) {
                              if (got.kind == Kind::StreamOpen) // that it took what it never got
                                  line.send(Kind::StreamTaken, got.id, taken(1));
                          });
    Passing gateway(folder, {folder.file("e")});
    const auto fd = gateway.connect();
    bool ended = false;
    (void)get(fd, 1, &ended);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(eventually([&] { return enclave.got(Kind::StreamClose).size() == 1; }));
}

TEST(StreamPass, spreads_streams_and_keeps_each_where_it_is_until_that_enclave_ends) {
    Folder folder;
    StreamEnclave one(folder.file("1"), echo);
    auto two = std::make_unique<StreamEnclave>(folder.file("2"), echo);
    Passing gateway(folder, {folder.file("1"), folder.file("2")});
    ASSERT_TRUE(eventually([&] { return gateway.usable() == 2; }));
    std::vector<net::Fd> clients;
    for (int i = 0; i < 6; ++i) {
        clients.push_back(gateway.connect());
        ASSERT_TRUE(put(clients.back(), "a"));
        ASSERT_EQ(get(clients.back(), 1), "a");
    }
    EXPECT_EQ(one.got(Kind::StreamOpen).size(), 3u);
    EXPECT_EQ(two->got(Kind::StreamOpen).size(), 3u);
    two->kill();
    EXPECT_TRUE(eventually([&] { return gateway.connections() == 3; }));
    std::size_t alive = 0;
    for (const auto& client : clients)
        if (put(client, "b") && get(client, 1, nullptr, 500) == "b")
            ++alive;
    EXPECT_EQ(alive, 3u);
    ASSERT_TRUE(eventually([&] { return gateway.usable() == 1; }));
    const auto next = gateway.connect();
    ASSERT_TRUE(put(next, "c"));
    EXPECT_EQ(get(next, 1), "c");
    EXPECT_EQ(one.got(Kind::StreamOpen).size(), 4u);
}

TEST(StreamPass, drains_by_ending_what_is_still_and_accepting_no_more) {
    Folder folder;
    StreamEnclave enclave(folder.file("e"), echo);
    Passing gateway(folder, {folder.file("e")});
    const auto idle = gateway.connect();
    ASSERT_TRUE(put(idle, "a"));
    ASSERT_EQ(get(idle, 1), "a");
    std::atomic<bool> drained{false};
    gateway.drain(5'000, drained);
    EXPECT_FALSE(drained);
    ASSERT_TRUE(put(idle, "b")) << "a request on its way is served";
    EXPECT_EQ(get(idle, 1), "b");
    bool ended = false;
    (void)get(idle, 1, &ended, 3'000);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(eventually([&] { return drained.load(); }));
    EXPECT_FALSE(gateway.try_connect());
}

} // namespace
} // namespace redoubt
