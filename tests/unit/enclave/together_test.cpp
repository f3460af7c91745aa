// SPDX-License-Identifier: Apache-2.0
// Requests that are worked on together: each gets the answer that it would get by itself, and no group grows
// so long that others wait for it.
#include "enclave/signing_queue.h"
#include "support.h"

namespace redoubt::enclave {
namespace {

using namespace tests;

Bytes frame_of(const std::string& method, const std::string& path, const std::string& body,
               std::uint32_t deadline_ms = 0) {
    wire::Request request;
    request.method = method;
    request.authority = "localhost";
    request.path = path;
    if (!body.empty())
        request.headers.push_back({"content-type", "application/json"});
    request.body = as_bytes(body);
    request.deadline_ms = deadline_ms;
    Bytes out;
    wire::encode_request(out, request);
    return out;
}

TEST(Together, each_request_is_answered_as_by_itself) {
    Instance instance(manifest());
    make_vault(instance);
    const auto made = instance.ask("POST", "/v1/keys", "{}");
    ASSERT_EQ(made.status, 201) << made.body;
    const std::string id = member(made, "key_id"), key = "/v1/keys/" + id;
    const std::string sign = key + "/sign-message";
    // Opens it, so that nothing has to wait.
    ASSERT_EQ(
        instance
            .ask("POST", sign, R"({"text":"x"})", {{wire::ItemKind::KeyRecord, id, made.records.at(0).bytes}})
            .status,
        200);
    const std::vector<Bytes> frames{
        frame_of("POST", sign, R"({"text":"one"})"),
        frame_of("POST", sign, R"({"text":1})"),
        frame_of("GET", key, ""),
        frame_of("POST", sign, R"({"text":"two"})"),
        frame_of("POST", sign, R"({"text":"late"})", 50),
        Bytes{1, 2, 3},
        frame_of("POST", sign, R"({"text":")" + std::string(70'000, 'x') + R"("})")};
    for (int round = 0; round < 2; ++round) { // the second time with what the first one left
        std::vector<Enclave::Ask> asks(frames.size() + 1);
        for (std::size_t i = 0; i < frames.size(); ++i)
            asks[i].payload = frames[i];
        asks[4].came = monotonic_ms() - 50;
        asks.back().kind = wire::Kind::Probe;
        instance.enclave->handle(asks);

        for (const std::size_t i : {0u, 1u, 2u, 3u}) {
            ASSERT_TRUE(asks[i].reply) << i;
            const auto alone = instance.enclave->handle(wire::Kind::Request, frames[i], MayWait::No);
            ASSERT_TRUE(alone) << i;
            EXPECT_EQ(asks[i].reply->status, alone->status) << i;
            EXPECT_EQ(asks[i].reply->body, alone->body) << i;
            EXPECT_EQ(asks[i].reply->records.size(), alone->records.size()) << i;
        }
        EXPECT_NE(asks[0].reply->body, asks[3].reply->body);
        EXPECT_EQ(asks[4].reply->status, 504) << "its deadline had passed";
        EXPECT_EQ(asks[5].reply->status, 400) << "it was no request";
        EXPECT_FALSE(asks[6].reply) << "it is too long for a thread that signs for others";
        ASSERT_TRUE(asks[7].reply);
        EXPECT_EQ(asks[7].reply->status, 200) << asks[7].reply->body;
    }
}

void push(SigningQueue& queue, std::size_t count, std::size_t bytes) {
    std::vector<SigningQueue::TaskPtr> tasks;
    for (std::size_t i = 0; i < count; ++i) {
        tasks.push_back(std::make_unique<SigningTask>());
        tasks.back()->payload.resize(bytes);
    }
    queue.push(tasks, count);
}

std::size_t pop(SigningQueue& queue) {
    std::vector<SigningQueue::TaskPtr> out;
    (void)queue.try_pop(out);
    return out.size();
}

TEST(Together, what_waits_is_shared_among_the_signers) {
    SigningQueue queue(4);
    EXPECT_EQ(pop(queue), 0u);
    push(queue, 9, 100);
    EXPECT_EQ(queue.size(), 9u);
    EXPECT_EQ(queue.bytes(), 900u);
    for (const std::size_t share : {3u, 2u, 1u, 1u, 1u, 1u})
        EXPECT_EQ(pop(queue), share);
    EXPECT_EQ(queue.size(), 0u);
    EXPECT_EQ(queue.bytes(), 0u);
    SigningQueue alone(1);
    push(alone, 20, 100);
    EXPECT_EQ(pop(alone), SigningQueue::kMostTogether);
}

TEST(Together, long_requests_are_taken_by_themselves) {
    SigningQueue queue(1);
    push(queue, 3, 60'000);
    EXPECT_EQ(pop(queue), 1u);
    push(queue, 8, 3'000); // behind the other two
    EXPECT_EQ(pop(queue), 1u);
    EXPECT_EQ(pop(queue), 1u);
    EXPECT_EQ(pop(queue), 5u) << "16 KiB of them";
    EXPECT_EQ(pop(queue), 3u);
    EXPECT_EQ(queue.bytes(), 0u);
}

} // namespace
} // namespace redoubt::enclave
