// SPDX-License-Identifier: Apache-2.0
// What a gateway does with more than its enclaves can do, and with clients that do not wait for long.
#include "support.h"

namespace redoubt::tests {
namespace {

using wire::Kind;

// As many clients at once; each asks again until `until`. How often each status came.
std::map<int, int> storm(const RunningGateway& gateway, int clients, std::int64_t until) {
    std::map<int, int> out;
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int i = 0; i < clients; ++i)
        threads.emplace_back([&] {
            do {
                const auto answer = gateway.send("POST", "/v1/keys", "{}");
                const std::lock_guard lock(mutex);
                ++out[answer ? answer->status : 0];
                if (answer && answer->status == 503) {
                    EXPECT_EQ(answer->header("retry-after"), "1");
                    EXPECT_NE(text(*answer).find("overloaded"), std::string::npos) << text(*answer);
                }
            } while (monotonic_ms() < until);
        });
    for (auto& thread : threads)
        thread.join();
    return out;
}

// Requests so long each, one after the other.
FakeEnclave::Script taking(std::chrono::milliseconds each) {
    return [each](Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        std::this_thread::sleep_for(each);
        return json_reply(200, "{}");
    };
}

TEST(Overload, more_than_a_burst_is_refused_at_once_and_the_rest_is_answered) {
    Folder folder;
    FakeCloud cloud;
    FakeEnclave enclave(folder.file("e"), taking(std::chrono::milliseconds(8)));
    RunningGateway gateway(folder, cloud, {folder.file("e")},
                           [](gateway::Options& options) { options.short_queues = true; });
    ASSERT_TRUE(gateway.ready());
    std::atomic<bool> over{false};
    std::thread balancer([&] { // what it hears decides whether this host gets anything more
        while (!over) {
            EXPECT_EQ(gateway.send("GET", "/healthz", "")->status, 200);
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
    });
    auto statuses = storm(gateway, 96, monotonic_ms() + 6'000);
    over = true;
    balancer.join();
    EXPECT_GT(statuses[200], 50);
    EXPECT_GT(statuses[503], 50);
    EXPECT_EQ(statuses.size(), 2u) << "nothing else";
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 200) << "it is over when it is over";
}

net::Endpoint free_endpoint() {
    const auto any = *net::parse_endpoint("tcp:127.0.0.1:0");
    const auto listener = *net::listen_on(any);
    return *net::local_endpoint(any, listener);
}

bool says_crowded(const net::Endpoint& metrics) {
    net::HttpClient client(metrics, nullptr, "");
    net::HttpRequest request;
    request.method = "GET";
    request.target = "/metrics";
    request.authority = "localhost";
    const auto answer = client.send(request, 5'000);
    if (!answer)
        return false;
    const std::string samples = text(*answer);
    const auto at = samples.find("\nredoubt_enclave_crowded{");
    return at != std::string::npos && samples.substr(samples.find("} ", at), 4) == "} 1\n";
}

// It does 200 in the time of a burst, and fewer may be under way there.
TEST(Overload, an_enclave_with_all_places_taken_is_crowded_however_quick_it_is) {
    Folder folder;
    FakeCloud cloud;
    FakeEnclave enclave(folder.file("e"), taking(std::chrono::milliseconds(1)));
    const auto metrics = free_endpoint();
    RunningGateway gateway(folder, cloud, {folder.file("e")}, [&](gateway::Options& options) {
        options.max_outstanding_per_enclave = 16;
        options.short_queues = true;
        options.metrics_listen = metrics;
    });
    ASSERT_TRUE(gateway.ready());
    EXPECT_FALSE(says_crowded(metrics));
    bool crowded = false;
    const std::int64_t until = monotonic_ms() + 10'000;
    while (!crowded && monotonic_ms() < until) {
        (void)storm(gateway, 48, monotonic_ms() + 200);
        crowded = says_crowded(metrics); // for a second at least
    }
    EXPECT_TRUE(crowded);
}

TEST(Overload, requests_that_wait_for_something_else_are_no_queue) {
    Folder folder;
    FakeCloud cloud;
    std::atomic<int> held{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        ++held;
        return std::nullopt; // it waits for KMS, and the enclave goes on with others
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")}, [](gateway::Options& options) {
        options.request_deadline_ms = 1'500;
        options.short_queues = true;
    });
    ASSERT_TRUE(gateway.ready());
    auto statuses = storm(gateway, 48, 0);
    EXPECT_EQ(statuses, (std::map<int, int>{{504, 48}}));
    EXPECT_EQ(held, 48);
}

TEST(Overload, requests_that_wait_for_something_else_take_no_place_from_others) {
    Folder folder;
    FakeCloud cloud;
    std::atomic<int> held{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        if (wire::decode_request(payload)->path == "/v1/vaults") {
            ++held;
            return std::nullopt;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(4));
        return json_reply(200, "{}");
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")}, [](gateway::Options& options) {
        options.request_deadline_ms = 3'000;
        options.short_queues = true;
    });
    ASSERT_TRUE(gateway.ready());
    (void)storm(gateway, 32, monotonic_ms() + 500); // how long a request takes is known now: 64 may wait
    std::vector<std::thread> threads;
    for (int i = 0; i < 100; ++i)
        threads.emplace_back([&gateway, i] {
            std::this_thread::sleep_for(std::chrono::milliseconds(10 * i));
            EXPECT_EQ(gateway.send("POST", "/v1/vaults", "{}")->status, 504);
        });
    const auto until = monotonic_ms() + 2'000;
    while (held < 100 && monotonic_ms() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(held, 100);
    EXPECT_EQ(gateway.send("POST", "/v1/keys", "{}")->status, 200);
    for (auto& thread : threads)
        thread.join();
}

TEST(Deadline, how_long_a_client_waits_goes_along_to_the_enclave_and_ends_the_request) {
    Folder folder;
    FakeCloud cloud;
    std::atomic<std::uint32_t> told{0};
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView payload) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        told = wire::decode_request(payload)->deadline_ms;
        return std::nullopt;
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")},
                           [](gateway::Options& options) { options.request_deadline_ms = 3'000; });
    ASSERT_TRUE(gateway.ready());
    const auto ask = [&](const std::string& preference) {
        return gateway.send("POST", "/v1/keys", "{}",
                            {{"content-type", "application/json"}, {"prefer", preference}});
    };
    auto began = monotonic_ms();
    auto answer = ask("wait=1");
    auto took = monotonic_ms() - began;
    EXPECT_EQ(answer->status, 504);
    EXPECT_GE(took, 990);
    EXPECT_LT(took, 2'500);
    EXPECT_GT(told, 900u);
    EXPECT_LE(told, 1'000u);

    began = monotonic_ms();
    answer = ask("wait=600");
    took = monotonic_ms() - began;
    EXPECT_EQ(answer->status, 504);
    EXPECT_GE(took, 2'990) << "no longer than the gateway's own";
    EXPECT_LE(told, 3'000u);
    EXPECT_GT(told, 2'000u);
}

TEST(Deadline, a_request_whose_time_ran_out_in_the_gateway_never_reaches_an_enclave) {
    Folder folder;
    std::atomic<int> asked{0};
    // What the enclave needs comes after the deadline.
    FakeCloud cloud([&](const std::string&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1'300));
        return net::HttpResponse::json(200, R"({"SecretBinary":"AAAA","VersionId":"1"})");
    });
    FakeEnclave enclave(folder.file("e"), [&](Kind kind, ByteView) -> std::optional<wire::Reply> {
        if (kind != Kind::Request)
            return working(kind);
        return ++asked == 1 ? need_reply(wire::ItemKind::ReferenceCiphertext, "hot") : json_reply(200, "{}");
    });
    RunningGateway gateway(folder, cloud, {folder.file("e")});
    ASSERT_TRUE(gateway.ready());
    const auto answer = gateway.send("POST", "/", R"({"transaction_payload":{},"secret_id":"hot"})",
                                     {{"content-type", "application/json"}, {"prefer", "wait=1"}});
    EXPECT_EQ(answer->status, 504);
    EXPECT_NE(text(*answer).find("was not signed"), std::string::npos) << text(*answer);
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    EXPECT_EQ(asked, 1) << "the ciphertext came too late to be used";
}

} // namespace
} // namespace redoubt::tests
