// SPDX-License-Identifier: Apache-2.0
// Records on their way between store and enclave: brought, put, changed, deleted.
#include "crypto/random.h"
#include "support.h"

namespace redoubt {
namespace {

using namespace tests;
using wire::ItemKind;
using wire::Kind;

Bytes key_record(const sealed::KeyHead& head) {
    crypto::SystemRandom random;
    return sealed::seal_key(random.secret(32), head, random.secret(32), random);
}

sealed::KeyHead a_head(std::uint8_t id) {
    sealed::KeyHead head;
    head.id.fill(id);
    head.address[19] = id;
    head.created = 1'700'000'000'000 + id;
    return head;
}

bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 500; ++i) {
        if (condition())
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
}

bool has_item(const wire::Request& request, ItemKind kind) {
    for (const auto& item : request.items)
        if (item.kind == kind)
            return true;
    return false;
}

TEST(GatewayRecords, brings_the_sealed_record_that_the_enclave_asks_for) {
    Folder folder;
    FakeCloud cloud;
    const auto head = a_head(7);
    const Bytes record = key_record(head);
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        ASSERT_TRUE(store->put_key(record));
    }
    std::atomic<bool> record_came{false};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) {
        if (kind != Kind::Request)
            return working(kind);
        const auto request = wire::decode_request(payload);
        const std::string id(request->path.substr(std::string_view("/v1/keys/").size()));
        for (const auto& item : request->items)
            record_came = record_came || (item.kind == ItemKind::KeyRecord && item.name == id &&
                                          to_bytes(item.bytes) == record);
        return std::optional(has_item(*request, ItemKind::KeyRecord) ? json_reply(200, "{}")
                                                                     : need_reply(ItemKind::KeyRecord, id));
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_EQ(gateway.send("GET", "/v1/keys/" + sealed::key_id_text(head.id))->status, 200);
    EXPECT_TRUE(record_came);
    const auto unknown = gateway.send("GET", "/v1/keys/" + sealed::key_id_text(a_head(8).id));
    EXPECT_EQ(unknown->status, 404);
    EXPECT_NE(text(*unknown).find("unknown_key"), std::string::npos);
}

// Whatever the gateway guesses of what an enclave holds, it is asked no more than once for a record.
TEST(GatewayRecords, sends_the_record_along_the_first_time_and_not_again) {
    Folder folder;
    FakeCloud cloud;
    const auto head = a_head(7), absent = a_head(8);
    const Bytes record = key_record(head);
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        ASSERT_TRUE(store->put_key(record));
    }
    std::vector<std::size_t> items; // of each request
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) {
        if (kind != Kind::Request)
            return working(kind);
        const auto request = wire::decode_request(payload);
        items.push_back(request->items.size());
        for (const auto& item : request->items)
            EXPECT_EQ(to_bytes(item.bytes), record);
        // The third time it has forgotten the key.
        if (request->path.ends_with("/sign-hash") && request->items.empty())
            return std::optional(need_reply(ItemKind::KeyRecord, sealed::key_id_text(head.id)));
        if (request->path.find(sealed::key_id_text(absent.id)) != std::string_view::npos)
            return std::optional(need_reply(ItemKind::KeyRecord, sealed::key_id_text(absent.id)));
        return std::optional(json_reply(200, "{}"));
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const std::string key = "/v1/keys/" + sealed::key_id_text(head.id);
    EXPECT_EQ(gateway.send("POST", key + "/sign-message", "{}")->status, 200);
    EXPECT_EQ(gateway.send("POST", key + "/sign-message", "{}")->status, 200);
    EXPECT_EQ(gateway.send("POST", key + "/sign-hash", "{}")->status, 200);
    EXPECT_EQ(items, (std::vector<std::size_t>{1, 0, 0, 1}));
    // Only what is to sign takes the key, as far as the gateway knows.
    EXPECT_EQ(gateway.send("POST", key + "/session", "{}")->status, 200);
    EXPECT_EQ(items.back(), 0u);
    items.pop_back();
    // What the store lacks is said when the enclave asks.
    EXPECT_EQ(
        gateway.send("POST", "/v1/keys/" + sealed::key_id_text(absent.id) + "/sign-message", "{}")->status,
        404);
    EXPECT_EQ(items, (std::vector<std::size_t>{1, 0, 0, 1, 0}));
}

// Which enclave is thought to hold a key is settled by who got the request.
TEST(GatewayRecords, of_two_enclaves_each_gets_the_records_that_it_lacks_and_once) {
    Folder folder;
    FakeCloud cloud;
    constexpr int kKeys = 40;
    constexpr std::int64_t kStoreLateMs = 100; // gateway/key_reader.h
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        for (int i = 0; i < kKeys; ++i)
            ASSERT_TRUE(store->put_key(key_record(a_head(static_cast<std::uint8_t>(i)))));
    }
    struct Seen {
        std::set<std::string> keys;
        std::atomic<int> asked{0}, twice{0}, requests{0};
    } seen[2];
    const auto serve = [](Seen& here) {
        return [&here](Kind kind, ByteView payload) {
            if (kind != Kind::Request)
                return working(kind);
            ++here.requests;
            const auto request = wire::decode_request(payload);
            const std::string path(request->path), key = path.substr(9, path.rfind('/') - 9);
            if (!request->items.empty()) {
                here.twice += here.keys.insert(key).second ? 0 : 1;
            } else if (!here.keys.contains(key)) {
                ++here.asked;
                return std::optional(need_reply(ItemKind::KeyRecord, key));
            }
            return std::optional(json_reply(200, "{}"));
        };
    };
    FakeEnclave first(folder.file("a"), serve(seen[0])), second(folder.file("b"), serve(seen[1]));
    RunningGateway gateway(folder, cloud, {folder.file("a"), folder.file("b")});
    ASSERT_TRUE(gateway.ready());
    std::atomic<bool> slow{false};
    for (int round = 0; round < 4; ++round) {
        std::vector<std::thread> clients;
        for (int client = 0; client < 8; ++client)
            clients.emplace_back([&, client] {
                for (int i = client; i < kKeys; i += 8) {
                    const auto begin = monotonic_ms();
                    EXPECT_EQ(gateway
                                  .send("POST",
                                        "/v1/keys/" +
                                            sealed::key_id_text(a_head(static_cast<std::uint8_t>(i)).id) +
                                            "/sign-message",
                                        "{}")
                                  ->status,
                              200);
                    if (monotonic_ms() - begin >= kStoreLateMs - 1) // whole milliseconds, at both ends
                        slow = true;
                }
            });
        for (auto& client : clients)
            client.join();
    }
    // While the store is late, requests go without their records; who waited for it then has noticed.
    for (const auto& here : seen) {
        if (!slow) {
            EXPECT_EQ(here.asked, 0);
        }
        EXPECT_EQ(here.twice, 0);
    }
    EXPECT_EQ(seen[0].requests + seen[1].requests, 4 * kKeys + seen[0].asked + seen[1].asked);
}

TEST(GatewayRecords, stores_what_the_enclave_made_before_it_answers) {
    Folder folder;
    FakeCloud cloud;
    const auto head = a_head(9);
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) {
        if (kind != Kind::Request)
            return working(kind);
        auto reply = json_reply(201, R"({"made":true})");
        reply.records.push_back({ItemKind::KeyRecord, sealed::key_id_text(head.id), key_record(head)});
        return std::optional(std::move(reply));
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 201);
    auto store = *store::open_sqlite_store(folder.file("store.db"));
    EXPECT_TRUE((*store->get_key(head.id)).has_value());
    // A second key of the same id cannot be stored, so its client must not be told that it was made.
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 409);
}

TEST(GatewayRecords, lists_the_store_page_by_page) {
    Folder folder;
    FakeCloud cloud;
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        for (std::uint8_t i = 1; i <= 3; ++i)
            ASSERT_TRUE(store->put_key(key_record(a_head(i))));
    }
    FakeEnclave enclave(folder.file("e"), [](Kind kind, ByteView) { return working(kind); });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const std::string second = sealed::key_id_text(a_head(2).id);
    const auto first_page = text(*gateway.send("GET", "/v1/keys?limit=2"));
    const std::size_t at = first_page.find(R"("next":")");
    ASSERT_NE(at, std::string::npos) << first_page;
    const std::string next = first_page.substr(at + 8, first_page.find('"', at + 8) - at - 8);
    const auto last_page = text(*gateway.send("GET", "/v1/keys?after=" + next));
    EXPECT_NE(last_page.find(sealed::key_id_text(a_head(3).id)), std::string::npos);
    EXPECT_EQ(last_page.find(second), std::string::npos);
    EXPECT_EQ(last_page.find("next"), std::string::npos);
    for (const char* query :
         {"limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "after=key-1", "what=1", "limit", "state=on",
          "vault_id=vault-1", "address=0x12", "tag=x", "tag=%3Ax", "label=%01"})
        EXPECT_EQ(gateway.send("GET", std::string("/v1/keys?") + query)->status, 400) << query;
}

wire::Reply update_reply(const sealed::KeyHead& head) {
    auto reply = json_reply(200, R"({"changed":true})");
    reply.records.push_back({ItemKind::KeyUpdate, sealed::key_id_text(head.id), key_record(head)});
    return reply;
}

TEST(GatewayRecords, tells_every_enclave_of_a_changed_key_before_it_answers) {
    Folder folder;
    FakeCloud cloud;
    auto head = a_head(9);
    {
        auto store = *store::open_sqlite_store(folder.file("store.db"));
        ASSERT_TRUE(store->put_key(key_record(head)));
    }
    head.revision = 2;
    std::atomic<int> told{0};
    const auto script = [&](Kind kind, ByteView payload) {
        if (kind == Kind::Forget) {
            const auto message = wire::decode_forget(payload);
            if (message && message->key_id == head.id && message->revision == 2)
                ++told;
        }
        return kind == Kind::Request ? std::optional(update_reply(head)) : working(kind);
    };
    FakeEnclave one(folder.file("1"), script), two(folder.file("2"), script);
    RunningGateway gateway(folder, cloud, {folder.file("1"), folder.file("2")});
    ASSERT_TRUE(gateway.ready());
    ASSERT_TRUE(eventually(
        [&] { return text(*gateway.send("GET", "/healthz")).find(R"("usable":2)") != std::string::npos; }));
    EXPECT_EQ(gateway.send("POST", "/v1/keys/" + sealed::key_id_text(head.id) + "/disable", "{}")->status,
              200);
    EXPECT_EQ(told, 2);
    auto store = *store::open_sqlite_store(folder.file("store.db"));
    EXPECT_EQ(sealed::read_key_head(**store->get_key(head.id))->revision, 2u);
    // The store has another record of that revision: this change is lost, and the enclave has to let go of
    // it.
    EXPECT_EQ(gateway.send("POST", "/v1/keys/" + sealed::key_id_text(head.id) + "/disable", "{}")->status,
              409);
    EXPECT_EQ(told, 4);
}

TEST(GatewayRecords, reads_a_record_again_that_was_changed_after_it_was_read) {
    Folder folder;
    FakeCloud cloud;
    auto head = a_head(9);
    auto store = *store::open_sqlite_store(folder.file("store.db"));
    ASSERT_TRUE(store->put_key(key_record(head)));
    const std::string id = sealed::key_id_text(head.id);
    std::atomic<int> stale{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        const auto request = wire::decode_request(payload);
        for (const auto& item : request->items) {
            if (sealed::read_key_head(item.bytes)->revision > 1)
                return json_reply(200, "{}");
            auto newer = head;
            newer.revision = 2;
            const bool first = ++stale == 1;
            EXPECT_TRUE(!first || store->update_key(key_record(newer)));
            return wire::error_reply(Error{Code::RecordStale, "older"});
        }
        return need_reply(ItemKind::KeyRecord, id);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_EQ(gateway.send("GET", "/v1/keys/" + id)->status, 200);
    EXPECT_EQ(stale, 1);
}

TEST(GatewayRecords, asks_the_enclave_again_when_somebody_else_has_made_the_same_key) {
    Folder folder;
    FakeCloud cloud;
    const auto head = a_head(9);
    const std::string id = sealed::key_id_text(head.id);
    auto store = *store::open_sqlite_store(folder.file("store.db"));
    std::atomic<int> made{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        const auto request = wire::decode_request(payload);
        for (const auto& item : request->items) {
            if (!item.bytes.empty())
                return json_reply(200, R"({"found":true})");
            ++made;
            EXPECT_TRUE(store->put_key(key_record(head))); // another gateway is faster
            auto reply = json_reply(201, "{}");
            reply.records.push_back({ItemKind::KeyRecord, id, key_record(head)});
            return reply;
        }
        return need_reply(ItemKind::KeyIfAny, id);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const auto answer = gateway.send("POST", "/v1/keys", R"({"client_token":"t"})");
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(text(*answer), R"({"found":true})");
    EXPECT_EQ(made, 1);
}

TEST(GatewayRecords, brings_a_vault_that_another_gateway_on_the_same_store_has_made) {
    Folder folder;
    FakeCloud cloud;
    sealed::VaultRecord vault;
    vault.id[0] = 7;
    vault.wraps.push_back({"arn:aws:kms:us-east-1:000000000000:key/k", {1}, {}, {}});
    const Bytes record = sealed::encode_vault(vault);
    const std::string id = sealed::vault_id_text(vault.id);
    std::atomic<int> opened{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind == Kind::VaultOpen && to_bytes(payload) == record)
            ++opened;
        if (kind != Kind::Request)
            return working(kind);
        const auto request = wire::decode_request(payload);
        for (const auto& item : request->items)
            if (item.kind == ItemKind::VaultRecord && to_bytes(item.bytes) == record)
                return json_reply(200, "{}");
        return need_reply(ItemKind::VaultRecord, id);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const auto missing = gateway.send("POST", "/v1/keys/k/sign-message", "{}");
    EXPECT_EQ(missing->status, 409);
    EXPECT_NE(text(*missing).find("vault_unknown"), std::string::npos);
    ASSERT_TRUE((*store::open_sqlite_store(folder.file("store.db")))->put_vault(record));
    EXPECT_EQ(gateway.send("POST", "/v1/keys/k/sign-message", "{}")->status, 200);
    EXPECT_TRUE(eventually([&] { return opened == 1; })) << "and it is opened for all that comes later";
}

TEST(GatewayRecords, deletes_keys_whose_time_has_come_and_tells_the_enclaves) {
    Folder folder;
    FakeCloud cloud;
    auto due = a_head(7), later = a_head(8);
    due.state = later.state = sealed::State::PendingDeletion;
    due.deletes = system_time_ms() - 1;
    later.deletes = system_time_ms() + 3'600'000;
    auto store = *store::open_sqlite_store(folder.file("store.db"));
    ASSERT_TRUE(store->put_key(key_record(due)));
    ASSERT_TRUE(store->put_key(key_record(later)));
    std::atomic<int> told{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) {
        if (kind == Kind::Forget && wire::decode_forget(payload)->key_id == due.id)
            ++told;
        return working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_TRUE(eventually([&] { return told == 1; }));
    EXPECT_FALSE((*store->get_key(due.id)).has_value());
    EXPECT_TRUE((*store->get_key(later.id)).has_value());
}

} // namespace
} // namespace redoubt
