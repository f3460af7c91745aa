// SPDX-License-Identifier: Apache-2.0
#include "gateway/front.h"

#include <atomic>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>
#include <vector>

namespace redoubt::gateway {

namespace {

net::HttpRequest request(std::string path) {
    net::HttpRequest out;
    out.method = "GET";
    out.target = out.path = std::move(path);
    return out;
}

// A front whose calls wait until the test has them answered, and what was seen of those that were.
struct World {
    World() {
        front.add_route(
            {[](const auto&) { return true; }, [this](Call&& call) { waiting.push_back(std::move(call)); }});
        front.add_watch([this](const net::HttpRequest& asked, const Call& call,
                               const net::HttpResponse& response, std::int64_t) {
            seen.push_back(asked.method + " " + asked.path + " " + call.request_id.str() + " " +
                           call.caller.name + " " + call.trace_parent + " " +
                           std::to_string(response.status));
        });
    }
    void ask(std::string path, std::string id, std::string client = {}) {
        auto asked = request(std::move(path));
        asked.headers.add("x-request-id", id);
        front.handle(std::move(asked), {});
        waiting.back().caller.name = std::move(client);
    }
    void answer(int status) {
        waiting.front().respond(net::HttpResponse::json(status, "{}"));
        waiting.erase(waiting.begin());
    }

    Front front;
    std::vector<Call> waiting;
    std::vector<std::string> seen;
};

} // namespace

TEST(Front, one_call_after_the_other_is_told_apart) {
    World world;
    world.front.add_check([](Call& call) -> std::optional<net::HttpResponse> {
        if (call.request.path == "/named")
            call.caller.name = "alice";
        return std::nullopt;
    });
    world.ask("/a/path/that/is/longer/than/a/short/string", "one");
    world.answer(200);
    world.ask("/named", "two");
    world.ask("/b", "three");
    world.answer(201);
    world.answer(202);
    EXPECT_EQ(world.seen,
              (std::vector<std::string>{"GET /a/path/that/is/longer/than/a/short/string one   200",
                                        "GET /named two alice  201", "GET /b three   202"}));
    EXPECT_EQ(world.front.flights()->now, 0);
    EXPECT_EQ(world.front.flights()->abandoned, 0u);
}

TEST(Front, calls_that_nobody_answers_are_counted_and_spoil_none_after_them) {
    World world;
    for (int i = 0; i < 3; ++i)
        world.ask("/dropped", "d");
    EXPECT_EQ(world.front.flights()->now, 3);
    world.waiting.clear();
    EXPECT_EQ(world.front.flights()->now, 0);
    EXPECT_EQ(world.front.flights()->abandoned, 3u);
    world.ask("/kept", "k");
    world.answer(200);
    EXPECT_EQ(world.seen, (std::vector<std::string>{"GET /kept k   200"}));
    EXPECT_EQ(world.front.flights()->now, 0);
}

// Whoever has answered may let go of a call elsewhere: a worker's job, say, that held it, too.
TEST(Front, answered_calls_may_end_on_another_thread) {
    World world;
    std::atomic<bool> stop = false;
    std::mutex mutex;
    std::vector<Call> given;
    std::thread worker([&] {
        while (!stop) {
            std::vector<Call> mine;
            {
                const std::lock_guard lock(mutex);
                mine.swap(given);
            }
            mine.clear();
        }
    });
    constexpr int kCalls = 20'000;
    for (int i = 0; i < kCalls; ++i) {
        world.ask("/v1/keys/" + std::to_string(i), std::to_string(i));
        Call call = std::move(world.waiting.back());
        world.waiting.clear();
        call.respond(net::HttpResponse::json(200, "{}"));
        if (i % 2 == 0) {
            const std::lock_guard lock(mutex);
            given.push_back(std::move(call));
        }
    }
    stop = true;
    worker.join();
    given.clear();
    ASSERT_EQ(world.seen.size(), std::size_t{kCalls});
    for (int i = 0; i < kCalls; ++i)
        ASSERT_EQ(world.seen[static_cast<std::size_t>(i)],
                  "GET /v1/keys/" + std::to_string(i) + " " + std::to_string(i) + "   200");
    EXPECT_EQ(world.front.flights()->now, 0);
}

} // namespace redoubt::gateway
