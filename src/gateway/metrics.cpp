// SPDX-License-Identifier: Apache-2.0
#include "gateway/metrics.h"

#include "base/clock.h"
#include "base/version.h"
#include "gateway/metric_parts.h"
#include "gateway/routes.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

namespace redoubt::gateway {

namespace {

// From what an opened key takes to the longest deadline.
constexpr std::array<double, 16> kBounds{0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01,
                                         0.025,   0.05,   0.1,   0.25,  0.5,   1,     2.5,    10};

// "none" for what needs no permission, and for interfaces that decide within (JSON-RPC).
std::string_view operation_of(const Route* route) noexcept {
    return route != nullptr && route->access == Route::Access::Operation ? operation_name(route->operation)
                                                                         : std::string_view("none");
}

constexpr std::string_view kRequests = "redoubt_requests_total";
constexpr std::string_view kRequestsHelp = "Answers by route, status and the refusal's code.";

} // namespace

std::string_view code_in(const net::HttpResponse& response) noexcept {
    constexpr std::string_view kMember = R"("code":")";
    constexpr std::size_t kMostLooked = 4'096; // a refusal's body is short
    if (response.status < 400)
        return {};
    const std::string_view body = as_text(response.body).substr(0, kMostLooked);
    const std::size_t at = body.find(kMember);
    if (at == std::string_view::npos)
        return {};
    std::string_view name = body.substr(at + kMember.size());
    name = name.substr(0, name.find('"'));
    const auto code = code_from_name(name);
    return code ? code_name(*code) : std::string_view();
}

Metrics::Metrics() {
    running_.began = monotonic_ms();
}

Metrics::~Metrics() = default;

void Metrics::Latency::take(std::int64_t microseconds) noexcept {
    static_assert(kBounds.size() == kBuckets);
    const double seconds = static_cast<double>(microseconds) / 1e6;
    const auto bucket = std::ranges::lower_bound(kBounds, seconds);
    ++buckets[static_cast<std::size_t>(bucket - kBounds.begin())];
    ++count;
    sum_us += static_cast<std::uint64_t>(std::max<std::int64_t>(0, microseconds));
}

double Metrics::Latency::quantile_ms(double q) const noexcept {
    if (count == 0)
        return 0;
    const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count)));
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < kBounds.size(); ++i)
        if ((so_far += buckets[i]) >= rank)
            return kBounds[i] * 1e3;
    return kBounds.back() * 1e3;
}

Front::Watch Metrics::ends() {
    return [this](const net::HttpRequest& request, const Call& call, const net::HttpResponse& response,
                  std::int64_t elapsed_us) {
        ended(call.route != nullptr ? call.route : find_route(request.method, request.path), response,
              elapsed_us);
    };
}

void Metrics::ended(const Route* route, const net::HttpResponse& response, std::int64_t elapsed_us) {
    ++totals_.requests;
    totals_.refused += response.status >= 400 && response.status < 500 ? 1u : 0u;
    totals_.failed += response.status >= 500 ? 1u : 0u;

    const bool usual = route != nullptr && route == usual_.route && response.status == usual_.status;
    const Counted counted = usual ? usual_ : counted_for(route, response);
    ++*counted.requests;
    counted.latency->take(elapsed_us);
    auto& operation = *counted.operation;
    ++(response.status < 400 ? operation.ok : response.status < 500 ? operation.refused : operation.failed);
    operation.latency.take(elapsed_us);
    if (response.status < 400) // a refusal has its code, too
        usual_ = counted;

    move_on(monotonic_ms());
    running_.latency.take(elapsed_us);
    running_.failed += response.status >= 500 ? 1u : 0u;
}

Metrics::Counted Metrics::counted_for(const Route* route, const net::HttpResponse& response) {
    const std::string_view name = route_name(route);
    Series series{name, response.status, code_in(response)};
    if (requests_.size() >= kMaxSeries && !requests_.contains(series))
        series = {"other", response.status, {}};
    auto found = latencies_.find(name);
    if (found == latencies_.end())
        found = latencies_.emplace(name, Latency{}).first;
    return {route, response.status, &requests_[series], &found->second, &operations_[operation_of(route)]};
}

Metrics::Interval Metrics::closed(const Running& running) noexcept {
    return {running.latency.count, running.failed, running.latency.quantile_ms(0.5),
            running.latency.quantile_ms(0.99)};
}

// Closes the intervals that have passed; quiet ones count, too.
void Metrics::move_on(std::int64_t now) const {
    if (now - running_.began >= kIntervalMs * static_cast<std::int64_t>(kMaxIntervals)) {
        history_.assign(kMaxIntervals - 1, Interval{});
        running_ = {now, {}, 0};
    }
    while (now - running_.began >= kIntervalMs) {
        history_.push_back(closed(running_));
        if (history_.size() >= kMaxIntervals)
            history_.pop_front();
        running_ = {running_.began + kIntervalMs, {}, 0};
    }
}

std::vector<Metrics::Interval> Metrics::history() const {
    move_on(monotonic_ms());
    std::vector<Interval> out(history_.begin(), history_.end());
    out.push_back(closed(running_));
    return out;
}

std::vector<std::pair<std::string, std::uint64_t>> Metrics::refusals(std::size_t most) const {
    std::map<std::string, std::uint64_t> by_code;
    for (const auto& [series, count] : requests_)
        if (const auto& code = std::get<2>(series); !code.empty())
            by_code[code] += count;
    std::vector<std::pair<std::string, std::uint64_t>> out(by_code.begin(), by_code.end());
    std::ranges::sort(out, [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    out.resize(std::min(out.size(), most));
    return out;
}

void Metrics::add(Kind kind, std::string name, std::string help, std::function<double()> read) {
    add_many(kind, std::move(name), std::move(help), [read = std::move(read)] {
        return std::vector<Reading>{{{}, read()}};
    });
}

void Metrics::add_many(Kind kind, std::string name, std::string help,
                       std::function<std::vector<Reading>()> read) {
    numbers_.push_back({kind, std::move(name), std::move(help), std::move(read)});
}

prometheus::ClientMetric Metrics::Latency::metric(std::string label, std::string_view value) const {
    prometheus::ClientMetric out;
    out.label.push_back({std::move(label), std::string(value)});
    out.histogram.sample_count = count;
    out.histogram.sample_sum = static_cast<double>(sum_us) / 1e6;
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i <= kBounds.size(); ++i)
        out.histogram.bucket.push_back({so_far += buckets[i], i < kBounds.size()
                                                                  ? kBounds[i]
                                                                  : std::numeric_limits<double>::infinity()});
    return out;
}

void Metrics::add_requests(Families& families) const {
    using prometheus::MetricType;
    // There before the first request, for whoever alerts on what is missing.
    if (requests_.empty())
        metric_value(families, MetricType::Counter, kRequests, kRequestsHelp,
                     {{"route", "other"}, {"status", "200"}, {"code", ""}}, 0);
    for (const auto& [series, count] : requests_) {
        const auto& [route, status, code] = series;
        metric_value(families, MetricType::Counter, kRequests, kRequestsHelp,
                     {{"route", route}, {"status", std::to_string(status)}, {"code", code}},
                     static_cast<double>(count));
    }
    for (const auto& [route, latency] : latencies_)
        metric_family(families, MetricType::Histogram, "redoubt_request_seconds",
                      "From a request's last byte to its answer, by route.")
            .metric.push_back(latency.metric("route", route));
    for (const auto& [operation, counted] : operations_) {
        for (const auto& [outcome, count] :
             {std::pair("ok", counted.ok), std::pair("refused", counted.refused),
              std::pair("failed", counted.failed)})
            metric_value(
                families, MetricType::Counter, "redoubt_operations_total",
                "Answers by what a client must be allowed, and outcome: ok, refused (4xx), failed (5xx).",
                {{"operation", std::string(operation)}, {"outcome", outcome}}, static_cast<double>(count));
        metric_family(families, MetricType::Histogram, "redoubt_operation_seconds",
                      "From a request's last byte to its answer, by what a client must be allowed.")
            .metric.push_back(counted.latency.metric("operation", operation));
    }
}

std::string Metrics::render() const {
    Families families;
    metric_value(families, prometheus::MetricType::Gauge, "redoubt_build_info",
                 "1, with the gateway's version.", {{"version", std::string(version())}}, 1);
    add_requests(families);
    metric_value(families, prometheus::MetricType::Gauge, "redoubt_requests_in_flight",
                 "Requests that have no answer yet.", {}, static_cast<double>(flights_->now));
    metric_value(families, prometheus::MetricType::Counter, "redoubt_requests_abandoned_total",
                 "Requests that were dropped since their client had gone.", {},
                 static_cast<double>(flights_->abandoned));
    for (const auto& number : numbers_) {
        const auto type =
            number.kind == Kind::Counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
        for (const auto& reading : number.read())
            metric_value(families, type, number.name, number.help, reading.labels, reading.value);
    }
    for (const auto& source : sources_)
        source(families);
    add_process(families);
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families);
    return std::move(out).str();
}

} // namespace redoubt::gateway
