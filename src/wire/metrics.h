// SPDX-License-Identifier: Apache-2.0
// What an enclave counts of itself, as it tells the gateway in the reply to a Metrics frame: a bounded list
// of numbers, none of which says anything of a key. The names, types and help texts are in one table that
// both sides share, so that only numbers and a few short labels travel. docs/formats/wire.md.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <array>
#include <compare>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace redoubt::wire {

// Stable numbers: never used again for anything else.
enum class Metric : std::uint16_t {
    Requests = 1,
    RequestTime = 2,
    CacheEntries = 3,
    CacheHits = 4,
    CacheMisses = 5,
    KmsCalls = 6,
    KmsTime = 7,
    VaultsOpen = 8,
    LeaseRemaining = 9,
    LeaseRenewals = 10,
    QueueJobs = 11,
    QueueBytes = 12,
    QueueRefused = 13,
    Connections = 14,
    ClockAge = 15,
    ClockStep = 16,
    ClockStepOver = 17,
    Sessions = 18,
    ChangesUnstored = 19,
    ReceiptsKept = 20,
    CredentialsRemaining = 21,
    HeapBytes = 22,
    Uptime = 23,
};

enum class MetricType : std::uint8_t {
    Counter,
    Gauge,
    Histogram, // of milliseconds: one sample a bucket, cumulative, and one for the sum (see kTimeBuckets)
};

struct MetricInfo {
    Metric metric;
    MetricType type;
    std::string_view name, help;            // as Prometheus has them
    std::array<std::string_view, 2> labels; // empty: none
    double scale = 1;                       // from the number on the wire to the unit in the name
};
std::span<const MetricInfo> metric_infos() noexcept;
const MetricInfo* find_metric(std::uint16_t metric) noexcept; // nullptr: this side does not know it

// Upper bounds of a histogram's buckets in milliseconds; another one follows for everything. A bucket's
// sample has its index in two digits as the second label's value, and the sum's has "sum".
inline constexpr std::array<std::int64_t, 10> kTimeBuckets{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000};

struct Sample {
    std::uint16_t metric = 0;
    std::string first, second; // the labels' values: at most kMaxLabel of A-Z a-z 0-9 . _ -
    std::int64_t value = 0;    // of a gauge: perhaps below zero

    auto operator<=>(const Sample&) const = default;
};

inline constexpr std::size_t kMaxSamples = 2'048;
inline constexpr std::size_t kMaxLabel = 64;

// Sorts them. What is beyond kMaxSamples is left out.
Bytes encode_samples(std::vector<Sample> samples);
// Samples of metrics that this side does not know are left out: the other one may be newer. Error:
// BadRequest (another version, a label that is too long or holds anything else, samples out of order or
// twice, a counter below zero, trailing bytes).
Result<std::vector<Sample>> decode_samples(ByteView bytes);

} // namespace redoubt::wire
