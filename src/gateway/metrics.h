// SPDX-License-Identifier: Apache-2.0
// What the gateway counts, in Prometheus' text format (docs/observability.md): requests by route, status and
// code with their latencies, and whatever other parts add as numbers that are read when somebody asks.
// Labels come of bounded sets: routes, codes, configured enclaves. Loop thread only.
#pragma once

#include "gateway/front.h"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace prometheus {
struct ClientMetric;
struct MetricFamily;
} // namespace prometheus

namespace redoubt::gateway {

class Metrics {
  public:
    using Families = std::vector<prometheus::MetricFamily>;
    enum class Kind : std::uint8_t { Counter, Gauge };

    Metrics();
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    // The front's calls, and a watch, which counts answers.
    void count(std::shared_ptr<const Front::Flights> flights) noexcept { flights_ = std::move(flights); }
    Front::Watch ends();

    // Numbers that are read at each scrape, on the loop. Name and help are the program's own, a name has one
    // help and kind. What `read` uses outlives the metrics, or their use.
    struct Reading {
        std::vector<std::pair<std::string, std::string>> labels;
        double value;
    };
    void add(Kind kind, std::string name, std::string help, std::function<double()> read);
    void add_many(Kind kind, std::string name, std::string help, std::function<std::vector<Reading>()> read);
    // Whole families, from those who have histograms.
    void add_source(std::function<void(Families&)> source) { sources_.push_back(std::move(source)); }

    std::string render() const;

    // The last kMaxIntervals intervals of kIntervalMs, oldest first, for the status page; the one that runs
    // is the last.
    struct Interval {
        std::uint64_t requests = 0, failed = 0; // failed: 5xx
        double p50_ms = 0, p99_ms = 0;          // upper bounds of the buckets that they are in
    };
    std::vector<Interval> history() const;
    std::uint64_t in_flight() const noexcept { return static_cast<std::uint64_t>(flights_->now); }
    struct Totals {
        std::uint64_t requests = 0, refused = 0, failed = 0; // refused: 4xx; failed: 5xx
    };
    Totals totals() const noexcept { return totals_; }
    // How often each code was answered, the most frequent first, at most `most`.
    std::vector<std::pair<std::string, std::uint64_t>> refusals(std::size_t most) const;

    static constexpr std::int64_t kIntervalMs = 5'000;
    static constexpr std::size_t kMaxIntervals = 120;
    // Of one family; beyond, requests count as the route "other" without a code.
    static constexpr std::size_t kMaxSeries = 2'048;

  private:
    static constexpr std::size_t kBuckets = 16;
    struct Latency {
        std::array<std::uint64_t, kBuckets + 1> buckets{}; // not cumulative
        std::uint64_t count = 0, sum_us = 0;
        void take(std::int64_t microseconds) noexcept;
        double quantile_ms(double q) const noexcept;
        prometheus::ClientMetric metric(std::string label, std::string_view value) const;
    };
    struct ByOperation {
        std::uint64_t ok = 0, refused = 0, failed = 0;
        Latency latency;
    };
    struct Running {
        std::int64_t began = 0;
        Latency latency;
        std::uint64_t failed = 0;
    };
    // Where an answer is counted. Nothing is ever taken out of the maps that these point into.
    struct Counted {
        const Route* route = nullptr;
        int status = 0;
        std::uint64_t* requests = nullptr;
        Latency* latency = nullptr;
        ByOperation* operation = nullptr;
    };
    Counted counted_for(const Route* route, const net::HttpResponse& response);
    void ended(const Route* route, const net::HttpResponse& response, std::int64_t elapsed_us);
    void add_requests(Families& families) const;
    void add_process(Families& families) const;
    static Interval closed(const Running& running) noexcept;
    void move_on(std::int64_t now) const;

    using Series = std::tuple<std::string, int, std::string>; // route, status, code
    std::map<Series, std::uint64_t> requests_;
    std::map<std::string, Latency, std::less<>> latencies_; // by route
    std::map<std::string_view, ByOperation> operations_;    // names of routes.h
    Counted usual_;                                         // the last success's, most often the next one's
    std::shared_ptr<const Front::Flights> flights_ = std::make_shared<Front::Flights>();
    Totals totals_;
    mutable std::deque<Interval> history_;
    mutable Running running_;
    struct Number {
        Kind kind;
        std::string name, help;
        std::function<std::vector<Reading>()> read;
    };
    std::vector<Number> numbers_;
    std::vector<std::function<void(Families&)>> sources_;
};

// The code of a refusal's body, if it is one of ours; else empty.
std::string_view code_in(const net::HttpResponse& response) noexcept;

} // namespace redoubt::gateway
