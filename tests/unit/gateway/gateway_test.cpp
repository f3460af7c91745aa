// SPDX-License-Identifier: Apache-2.0
#include "crypto/random.h"
#include "support.h"

namespace redoubt {
namespace {

using namespace tests;
using wire::ItemKind;
using wire::Kind;

TEST(Gateway, forwards_the_request_as_it_came_and_answers_what_the_enclave_said) {
    Folder folder;
    FakeCloud cloud;
    std::mutex mutex;
    std::string seen;
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) {
        if (kind != Kind::Request)
            return working(kind);
        const auto request = wire::decode_request(payload);
        const std::lock_guard lock(mutex);
        seen = std::string(request->method) + " " + std::string(request->path) + "?" +
               std::string(request->query) + " " + std::string(as_text(request->body));
        for (const auto& header : request->headers)
            seen += " " + std::string(header.name) + "=" + std::string(header.value);
        return std::optional(json_reply(418, R"({"from":"the enclave"})"));
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const auto answer = gateway.send("POST", "/v1/some%2Fthing?b=2&a=1", "{ \"x\" : 1 }",
                                     {{"content-type", "application/json"},
                                      {"signature-input", "sig1=()"},
                                      {"authorization", "not forwarded"}});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 418);
    EXPECT_EQ(text(*answer), R"({"from":"the enclave"})");
    const std::lock_guard lock(mutex);
    EXPECT_EQ(seen, "POST /v1/some%2Fthing?b=2&a=1 { \"x\" : 1 } content-type=application/json "
                    "signature-input=sig1=()");
}

TEST(Gateway, sends_a_request_to_another_enclave_when_one_dies_under_it) {
    Folder folder;
    FakeCloud cloud;
    std::atomic<int> asked{0};
    std::atomic<bool> first_holds{true};
    const auto script = [&](bool& mine) {
        return [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
            if (kind != Kind::Request)
                return working(kind);
            if (++asked == 1) {
                mine = true;
                while (first_holds)
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                return std::nullopt;
            }
            return json_reply(200, "{}");
        };
    };
    bool at_one = false, at_two = false;
    FakeEnclave one(folder.file("1"), script(at_one)), two(folder.file("2"), script(at_two));
    RunningGateway gateway(folder, cloud, {folder.file("1"), folder.file("2")});
    ASSERT_TRUE(gateway.ready());
    std::thread killer([&] {
        while (asked == 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        first_holds = false;
        (at_one ? one : two).kill();
    });
    const auto answer = gateway.send("POST", "/v1/keys", "{}");
    killer.join();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(asked, 2);
}

TEST(Gateway, answers_503_within_a_second_while_no_enclave_lives_and_recovers_by_itself) {
    Folder folder;
    FakeCloud cloud;
    const auto script = [](Kind kind, ByteView) {
        return kind == Kind::Request ? std::optional(json_reply(200, "{}")) : working(kind);
    };
    FakeEnclave enclave(folder.file("e"), script);
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 200);
    enclave.kill();
    const std::int64_t before = monotonic_ms();
    const auto refused = gateway.send("POST", "/v1/keys", "{}");
    EXPECT_LT(monotonic_ms() - before, 1'000);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, 503);
    EXPECT_EQ(refused->header("retry-after"), "1");
    EXPECT_NE(text(*refused).find("enclave_unavailable"), std::string::npos);
    EXPECT_EQ(gateway.send("GET", "/healthz")->status, 503);
    enclave.start();
    int status = 0;
    for (int i = 0; i < 100 && status != 200; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        status = gateway.send("POST", "/v1/keys", "{}")->status;
    }
    EXPECT_EQ(status, 200);
}

TEST(Gateway, gives_up_an_enclave_that_stops_answering) {
    Folder folder;
    FakeCloud cloud;
    std::atomic<bool> stopped{false};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (stopped)
            return std::nullopt;
        return kind == Kind::Request ? std::optional(json_reply(200, "{}")) : working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    stopped = true;
    const std::int64_t before = monotonic_ms();
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 503);
    EXPECT_LT(monotonic_ms() - before, 2'000); // a second, and room for a loaded machine
    stopped = false;
}

TEST(Gateway, an_enclave_that_is_slow_with_one_request_stays_and_the_request_gets_504) {
    Folder folder;
    FakeCloud cloud;
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        if (wire::decode_request(payload)->path == "/slow")
            return std::nullopt;
        return json_reply(200, "{}");
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")},
                           [](gateway::Options& options) { options.request_deadline_ms = 1'500; });
    ASSERT_TRUE(gateway.ready());
    const auto slow = gateway.send("POST", "/slow", "{}");
    EXPECT_EQ(slow->status, 504);
    EXPECT_NE(text(*slow).find("enclave_timeout"), std::string::npos);
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 200);
}

TEST(Gateway, refuses_what_is_beyond_the_queue_with_503_and_retry_after) {
    Folder folder;
    FakeCloud cloud;
    std::atomic<bool> hold{true};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (kind == Kind::Request)
            while (hold)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return kind == Kind::Request ? std::optional(json_reply(200, "{}")) : working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")},
                           [](gateway::Options& options) { options.max_outstanding_per_enclave = 2; });
    ASSERT_TRUE(gateway.ready());
    std::atomic<int> overloaded{0}, answered{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; ++i)
        clients.emplace_back([&] {
            const auto answer = gateway.send("POST", "/v1/keys", "{}");
            if (answer && answer->status == 503 && answer->header("retry-after") == "1")
                ++overloaded;
            if (answer && answer->status == 200)
                ++answered;
        });
    while (overloaded < 6 && answered == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    hold = false;
    for (auto& client : clients)
        client.join();
    EXPECT_GE(overloaded, 6); // a probe may take one of the two places
    EXPECT_EQ(overloaded + answered, 8);
}

TEST(Gateway, gives_credentials_first_and_fetches_new_ones_when_kms_refuses_the_old) {
    Folder folder;
    FakeCloud cloud;
    std::atomic<bool> first_was_right{false};
    std::atomic<int> credentials_seen{0};
    std::atomic<bool> refused{false};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind == Kind::Credentials) {
            const auto credentials = wire::decode_credentials(payload);
            first_was_right = credentials && credentials->access_key_id == "ASIAEXAMPLE";
            ++credentials_seen;
        }
        if (kind == Kind::Request && !refused.exchange(true))
            return need_reply(ItemKind::Credentials, "credentials_expired");
        return kind == Kind::Request ? std::optional(json_reply(200, "{}")) : working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_TRUE(first_was_right);
    const int seen = credentials_seen, fetched = cloud.credential_calls;
    std::this_thread::sleep_for(
        std::chrono::milliseconds(1'100)); // past the time in which a set counts as fresh
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 200);
    EXPECT_GT(credentials_seen, seen);
    EXPECT_GT(cloud.credential_calls, fetched);
}

TEST(Gateway, renews_credentials_ahead_of_their_end) {
    Folder folder;
    FakeCloud cloud;
    cloud.lifetime_ms = 4'000; // renewed with a quarter left: after three seconds
    std::atomic<int> seen{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) {
        seen += kind == Kind::Credentials ? 1 : 0;
        return working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const int before = seen;
    for (int i = 0; i < 400 && seen == before; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_GT(seen, before);
}

TEST(Gateway, shares_one_fetch_of_a_secret_among_the_requests_that_wait_for_it) {
    Folder folder;
    FakeCloud cloud([](const std::string&) {
        return net::HttpResponse::json(200, R"({"ARN":"a","Name":"n","SecretString":"Y2lwaGVy"})");
    });
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        const auto request = wire::decode_request(payload);
        for (const auto& item : request->items)
            if (item.kind == ItemKind::ReferenceCiphertext && item.name == "n")
                return json_reply(200, R"({"got":")" + std::string(as_text(item.bytes)) + "\"}");
        return need_reply(ItemKind::ReferenceCiphertext, "n");
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    std::vector<std::thread> clients;
    std::atomic<int> right{0};
    for (int i = 0; i < 16; ++i)
        clients.emplace_back([&] {
            const auto answer = gateway.send("POST", "/sign_hash", "{}");
            right += answer && text(*answer) == R"({"got":"Y2lwaGVy"})" ? 1 : 0;
        });
    for (auto& client : clients)
        client.join();
    EXPECT_EQ(right, 16);
    EXPECT_LT(cloud.secret_calls, 16);
    const int before = cloud.secret_calls;
    EXPECT_EQ(gateway.send("POST", "/sign_hash", "{}")->status, 200);
    EXPECT_EQ(cloud.secret_calls, before + 1) << "each request gets what was fetched after it came";
}

TEST(Gateway, tells_which_secret_error_it_was) {
    Folder folder;
    FakeCloud cloud([](const std::string&) {
        return net::HttpResponse::json(
            400,
            R"({"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the secret."})");
    });
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
        return kind == Kind::Request ? std::optional(need_reply(ItemKind::ReferenceCiphertext, "n"))
                                     : working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const auto answer = gateway.send("POST", "/sign_hash", "{}");
    EXPECT_EQ(answer->status, 404);
    EXPECT_NE(text(*answer).find("secret_not_found"), std::string::npos);
}

TEST(Gateway, an_enclave_that_keeps_asking_does_not_keep_the_gateway_busy) {
    Folder folder;
    FakeCloud cloud([](const std::string&) {
        return net::HttpResponse::json(200, R"({"ARN":"a","Name":"n","SecretString":"Y2lwaGVy"})");
    });
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
        return kind == Kind::Request ? std::optional(need_reply(ItemKind::ReferenceCiphertext, "n"))
                                     : working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_EQ(gateway.send("POST", "/sign_hash", "{}")->status, 500);
    EXPECT_LE(cloud.secret_calls, 7);
}

TEST(Gateway, one_enclave_makes_the_vault_and_the_others_open_it) {
    Folder folder;
    FakeCloud cloud;
    crypto::SystemRandom random;
    sealed::VaultRecord vault;
    vault.created = 1;
    vault.id[0] = 1;
    const auto vault_key = random.secret(32);
    vault.commitment = sealed::vault_commitment(vault_key, vault.id);
    vault.wraps.push_back(sealed::wrap_vault_key(vault_key, random.secret(32), vault,
                                                 "arn:aws:kms:us-east-1:000000000000:key/x", Bytes{1, 2, 3},
                                                 random));
    std::atomic<int> made{0}, opened{0};
    const auto script = [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind == Kind::VaultCreate) {
            ++made;
            auto reply = json_reply(200, "{}");
            reply.records.push_back(
                {ItemKind::VaultRecord, sealed::vault_id_text(vault.id), sealed::encode_vault(vault)});
            return reply;
        }
        if (kind == Kind::VaultOpen && to_bytes(payload) == sealed::encode_vault(vault))
            ++opened;
        return working(kind);
    };
    FakeEnclave one(folder.file("1"), script), two(folder.file("2"), script);
    {
        RunningGateway gateway(folder, cloud, {folder.file("1"), folder.file("2")},
                               [](gateway::Options& options) { options.create_vault = true; });
        ASSERT_TRUE(gateway.ready());
        for (int i = 0; i < 300 && opened < 2; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        EXPECT_EQ(made, 1);
        EXPECT_EQ(opened, 2) << "the maker, too: from the record that is stored";
    }
    RunningGateway again(folder, cloud, {folder.file("1"), folder.file("2")},
                         [](gateway::Options& options) { options.create_vault = true; });
    ASSERT_TRUE(again.ready());
    for (int i = 0; i < 300 && opened < 4; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(made, 1) << "the store has one";
    EXPECT_EQ(opened, 4);
}

TEST(Gateway, closes_a_connection_whose_enclave_sends_garbage_and_goes_on) {
    Folder folder;
    FakeCloud cloud;
    std::atomic<int> requests{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (kind == Kind::Request && ++requests == 1) {
            wire::Reply wrong;
            wrong.status = 77; // no HTTP status, and no need either
            return wrong;
        }
        return kind == Kind::Request ? std::optional(json_reply(200, "{}")) : working(kind);
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 503);
    int status = 0;
    for (int i = 0; i < 100 && status != 200; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        status = gateway.send("POST", "/v1/keys", "{}")->status;
    }
    EXPECT_EQ(status, 200);
}

} // namespace
} // namespace redoubt
