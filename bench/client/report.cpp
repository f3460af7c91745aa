// SPDX-License-Identifier: Apache-2.0
#include "client/report.h"

#include "base/json.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <map>

namespace redoubt::bench {

namespace {

constexpr unsigned kSubBits = 3; // eight buckets between powers of two
constexpr std::size_t kMostBuckets = 200;

// Values below 8 have a bucket each.
std::size_t bucket_of(std::uint64_t value) noexcept {
    if (value < (1u << kSubBits))
        return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
    const std::size_t bucket = (std::size_t{shift} << kSubBits) + (value >> shift);
    return std::min(bucket, kMostBuckets - 1);
}

std::uint64_t upper_of(std::size_t bucket) noexcept {
    if (bucket < (2u << kSubBits))
        return bucket;
    const std::size_t shift = (bucket >> kSubBits) - 1;
    return (((bucket & ((1u << kSubBits) - 1)) + (1u << kSubBits) + 1) << shift) - 1;
}

std::string name_of(Mode mode) {
    return mode == Mode::Closed ? "closed" : mode == Mode::Open ? "open" : "handshakes";
}

} // namespace

std::string decimal(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.3f", value);
    return text;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> histogram(const std::vector<std::int64_t>& sorted) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    std::size_t last = kMostBuckets;
    for (const std::int64_t value : sorted) {
        const std::size_t bucket = bucket_of(static_cast<std::uint64_t>(std::max(value, std::int64_t{0})));
        if (bucket != last)
            out.emplace_back(upper_of(bucket), 0);
        last = bucket;
        ++out.back().second;
    }
    // The last one takes all that is above the others.
    if (last == kMostBuckets - 1)
        out.back().first = static_cast<std::uint64_t>(sorted.back());
    return out;
}

std::string percentiles(std::vector<std::int64_t>& values) {
    std::ranges::sort(values);
    std::string out;
    json::Writer writer(out);
    writer.begin_object();
    if (!values.empty()) {
        const auto at = [&](double fraction) {
            const auto index = static_cast<std::size_t>(fraction * static_cast<double>(values.size()));
            return values[std::min(index, values.size() - 1)];
        };
        writer.key("p50").number(at(0.5)).key("p90").number(at(0.9)).key("p99").number(at(0.99));
        writer.key("p999").number(at(0.999)).key("max").number(values.back());
    }
    writer.end_object();
    return out;
}

TrialLine report_trial(std::size_t step, const StepSpec& of, std::size_t trial, double rate,
                       const TrialTimes& times, const Answers& answers, const Verified& verified) {
    std::vector<std::int64_t> accepted, refused, late;
    std::map<std::int32_t, std::uint64_t> statuses;
    std::uint64_t requests = 0, signatures = 0, given = 0, answered = 0;
    for (std::size_t i = 0; i < answers.all().size(); ++i) {
        const Answer& answer = answers.all()[i];
        const auto in_window = [&](std::int64_t at) { return at >= times.from && at < times.until; };
        if (in_window(answer.at)) {
            ++answered;
            given += verified.signatures[i];
        }
        // A closed trial counts what came in the window, an open one what was due in it.
        if (!in_window(of.mode == Mode::Closed ? answer.at : answer.due))
            continue;
        ++requests;
        ++statuses[answer.status];
        signatures += verified.signatures[i];
        (answer.status == 200 ? accepted : refused).push_back(answer.at - answer.due);
        late.push_back(answer.sent - answer.due);
    }
    const double seconds = static_cast<double>(times.until - times.from) / 1e6;
    TrialLine out;
    out.signatures_per_s = static_cast<double>(given) / seconds;
    out.requests_per_s = static_cast<double>(requests) / seconds;
    json::Writer writer(out.line);
    writer.begin_object().member("step", std::uint64_t{step}).member("mode", name_of(of.mode));
    writer.member("trial", std::uint64_t{trial}).key("seconds").raw(decimal(seconds));
    if (of.mode == Mode::Open)
        writer.key("rate").raw(decimal(rate));
    writer.member("requests", requests).member("signatures", signatures);
    writer.key("signatures_per_s").raw(decimal(out.signatures_per_s));
    writer.key("statuses").begin_object();
    for (const auto& [status, count] : statuses)
        writer.member(std::to_string(status), count);
    writer.end_object();
    writer.member("unanswered", std::uint64_t{times.unanswered});
    writer.key("latency_us").raw(percentiles(accepted)).key("histogram").begin_array();
    for (const auto& [upper, count] : histogram(accepted))
        writer.begin_array().number(upper).number(count).end_array();
    writer.end_array();
    if (!refused.empty())
        writer.key("refused_latency_us").raw(percentiles(refused));
    if (of.mode == Mode::Open && !late.empty()) {
        std::ranges::sort(late);
        writer.key("late_us_p99").number(late[late.size() * 99 / 100]);
    }
    if (!times.allocated_after.empty()) {
        writer.key("allocations_per_request").begin_object();
        for (std::size_t i = 0; i < times.allocated_after.size(); ++i) {
            const auto calls = times.allocated_after[i].calls - times.allocated_before[i].calls;
            writer.key(times.allocated_after[i].name)
                .raw(decimal(static_cast<double>(calls) /
                             static_cast<double>(std::max<std::size_t>(answered, 1))));
        }
        writer.end_object();
    }
    writer.key("client_cpu_s").raw(decimal(times.cpu_s)).end_object();
    return out;
}

std::string report_handshakes(std::size_t step, const StepSpec& of, std::size_t trial, Handshakes& made) {
    std::string out;
    json::Writer writer(out);
    writer.begin_object().member("step", std::uint64_t{step}).member("mode", name_of(of.mode));
    writer.member("trial", std::uint64_t{trial}).key("seconds").raw(decimal(made.seconds));
    writer.member("handshakes", std::uint64_t{made.ended}).member("resumed", std::uint64_t{made.resumed});
    writer.member("failed", std::uint64_t{made.failed});
    writer.key("handshakes_per_s").raw(decimal(static_cast<double>(made.ended) / made.seconds));
    writer.key("latency_us").raw(percentiles(made.times));
    writer.key("client_cpu_s").raw(decimal(made.cpu_s)).end_object();
    return out;
}

} // namespace redoubt::bench
