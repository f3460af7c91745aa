// SPDX-License-Identifier: Apache-2.0
#include "gateway/metrics.h"

#include <gtest/gtest.h>

namespace redoubt::gateway {
namespace {

net::HttpRequest request(std::string method, std::string path) {
    net::HttpRequest out;
    out.method = std::move(method);
    out.target = out.path = std::move(path);
    return out;
}

void answer(Metrics& metrics, const net::HttpRequest& asked, const net::HttpResponse& response,
            std::int64_t microseconds = 900) {
    metrics.ends()(asked, Call{}, response, microseconds);
}

bool has(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

const std::string kSign = "/v1/keys/key-0123456789abcdef0123456789abcdef/sign-message";

TEST(Metrics, count_answers_by_route_status_and_code) {
    Metrics metrics;
    for (int i = 0; i < 3; ++i)
        answer(metrics, request("POST", kSign), net::HttpResponse::json(200, "{}"));
    answer(metrics, request("POST", kSign), net::HttpResponse::error(Code::PolicyDenied, "no"));
    const auto text = metrics.render();
    EXPECT_TRUE(
        has(text, R"(redoubt_requests_total{route="/v1/keys/{id}/sign-message",status="200",code=""} 3)"))
        << text;
    EXPECT_TRUE(has(
        text,
        R"(redoubt_requests_total{route="/v1/keys/{id}/sign-message",status="403",code="policy_denied"} 1)"));
    EXPECT_TRUE(has(text, R"(redoubt_operations_total{operation="sign-message",outcome="ok"} 3)")) << text;
    EXPECT_TRUE(has(text, R"(redoubt_operations_total{operation="sign-message",outcome="refused"} 1)"));
    EXPECT_EQ(metrics.totals().requests, 4u);
    EXPECT_EQ(metrics.totals().refused, 1u);
    EXPECT_EQ(metrics.totals().failed, 0u);
}

TEST(Metrics, have_a_cumulative_histogram_of_latencies) {
    Metrics metrics;
    for (const std::int64_t us : {100, 900, 900, 40'000, 60'000'000})
        answer(metrics, request("POST", kSign), net::HttpResponse::json(200, "{}"), us);
    const auto text = metrics.render();
    const std::string series = R"(redoubt_request_seconds_bucket{route="/v1/keys/{id}/sign-message",le=")";
    EXPECT_TRUE(has(text, series + R"(0.001"} 3)")) << text;
    EXPECT_TRUE(has(text, series + R"(0.05"} 4)"));
    EXPECT_TRUE(has(text, series + R"(10"} 4)"));
    EXPECT_TRUE(has(text, series + R"(+Inf"} 5)"));
    EXPECT_TRUE(has(text, R"(redoubt_request_seconds_count{route="/v1/keys/{id}/sign-message"} 5)"));
}

TEST(Metrics, know_how_many_requests_are_in_flight_and_how_many_nobody_answered) {
    Front front;
    Metrics metrics;
    metrics.count(front.flights());
    int answered = 0;
    front.add_watch([&](const auto&, const Call&, const net::HttpResponse&, std::int64_t) { ++answered; });
    std::deque<Call> calls;
    front.add_route(
        {[](const auto&) { return true; }, [&](Call&& call) { calls.push_back(std::move(call)); }});
    front.handle({}, {});
    front.handle({}, {});
    EXPECT_TRUE(has(metrics.render(), "redoubt_requests_in_flight 2"));
    calls.front().respond(net::HttpResponse::json(200, "{}"));
    EXPECT_EQ(answered, 1);
    EXPECT_TRUE(has(metrics.render(), "redoubt_requests_in_flight 1"));
    calls.pop_front(); // it was answered before: not counted twice
    EXPECT_TRUE(has(metrics.render(), "redoubt_requests_in_flight 1"));
    calls.pop_front();
    const auto text = metrics.render();
    EXPECT_TRUE(has(text, "redoubt_requests_in_flight 0"));
    EXPECT_TRUE(has(text, "redoubt_requests_abandoned_total 1"));
}

TEST(Metrics, know_the_flights_of_a_front_that_has_ended) {
    Metrics metrics;
    Call call;
    {
        Front front;
        metrics.count(front.flights());
        front.add_route({[](const auto&) { return true; }, [&](Call&& taken) { call = std::move(taken); }});
        front.handle({}, {});
    }
    EXPECT_TRUE(has(metrics.render(), "redoubt_requests_in_flight 1"));
    call = {};
    EXPECT_TRUE(has(metrics.render(), "redoubt_requests_in_flight 0"));
}

TEST(Metrics, take_no_labels_from_clients) {
    Metrics metrics;
    for (int i = 0; i < 500; ++i)
        answer(
            metrics, request("GET", "/made-up/" + std::to_string(i)),
            net::HttpResponse::json(404, R"({"error":"x","code":"made_up_)" + std::to_string(i) + R"("})"));
    const auto text = metrics.render();
    EXPECT_EQ(text.find("made"), std::string::npos) << text;
    EXPECT_TRUE(has(text, R"(redoubt_requests_total{route="other",status="404",code=""} 500)")) << text;
}

TEST(Metrics, find_the_code_of_a_problem_document_and_of_no_success) {
    auto problem = net::HttpResponse::error(Code::UnknownKey, "there is no such key");
    problem.body = to_bytes(R"({"type":"/v1/problems/unknown_key","status":404,"code":"unknown_key"})");
    EXPECT_EQ(code_in(problem), "unknown_key");
    EXPECT_EQ(code_in(net::HttpResponse::json(200, R"({"code":"unknown_key"})")), "");
    EXPECT_EQ(code_in(net::HttpResponse::text(404, "transaction_payload or encrypted_key are missing")), "");
}

TEST(Metrics, read_added_numbers_when_asked) {
    Metrics metrics;
    double value = 1;
    metrics.add(Metrics::Kind::Gauge, "redoubt_connections", "Connections.", [&] { return value; });
    metrics.add_many(Metrics::Kind::Counter, "redoubt_things_total", "Things.", [] {
        return std::vector<Metrics::Reading>{{{{"kind", "a"}}, 1}, {{{"kind", "b"}}, 2}};
    });
    EXPECT_TRUE(has(metrics.render(), "redoubt_connections 1"));
    value = 7;
    const auto text = metrics.render();
    EXPECT_TRUE(has(text, "redoubt_connections 7"));
    EXPECT_TRUE(has(text, "# TYPE redoubt_things_total counter"));
    EXPECT_TRUE(has(text, R"(redoubt_things_total{kind="a"} 1)"));
    EXPECT_TRUE(has(text, R"(redoubt_things_total{kind="b"} 2)"));
}

TEST(Metrics, name_each_family_once_and_are_there_before_the_first_request) {
    Metrics metrics;
    const auto text = metrics.render();
    for (const char* name : {"redoubt_requests_total", "redoubt_requests_in_flight", "redoubt_build_info",
                             "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
                             "process_start_time_seconds"}) {
        const std::string head = "# TYPE " + std::string(name) + " ";
        const auto at = text.find(head);
        ASSERT_NE(at, std::string::npos) << name;
        EXPECT_EQ(text.find(head, at + 1), std::string::npos) << name;
    }
}

TEST(Metrics, keep_a_history_whose_last_interval_runs) {
    Metrics metrics;
    for (int i = 0; i < 99; ++i)
        answer(metrics, request("POST", kSign), net::HttpResponse::json(200, "{}"), 900);
    answer(metrics, request("POST", kSign), net::HttpResponse::error(Code::Overloaded, "no"), 400'000);
    const auto history = metrics.history();
    ASSERT_FALSE(history.empty());
    EXPECT_EQ(history.back().requests, 100u);
    EXPECT_EQ(history.back().failed, 1u);
    EXPECT_DOUBLE_EQ(history.back().p50_ms, 1);
    EXPECT_DOUBLE_EQ(history.back().p99_ms, 1);
    EXPECT_LE(history.size(), Metrics::kMaxIntervals);
}

TEST(Metrics, tell_the_most_frequent_refusals_first) {
    Metrics metrics;
    answer(metrics, request("POST", kSign), net::HttpResponse::error(Code::BadJson, "no"));
    for (int i = 0; i < 2; ++i)
        answer(metrics, request("POST", "/v1/keys"), net::HttpResponse::error(Code::Overloaded, "no"));
    const auto refusals = metrics.refusals(1);
    ASSERT_EQ(refusals.size(), 1u);
    EXPECT_EQ(refusals[0].first, "overloaded");
    EXPECT_EQ(refusals[0].second, 2u);
}

} // namespace
} // namespace redoubt::gateway
