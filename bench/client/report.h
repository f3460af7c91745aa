// SPDX-License-Identifier: Apache-2.0
// A trial as one line of JSON.
#pragma once

#include "client/handshakes.h"
#include "client/trial.h"
#include "client/verify.h"

namespace redoubt::bench {

// Log-spaced as HdrHistogram's buckets: eight between a power of two and the next, so that a bucket's bound
// is at most 12.5 % more than what is in it.
std::vector<std::pair<std::uint64_t, std::uint64_t>> histogram(const std::vector<std::int64_t>& sorted);

struct TrialLine {
    std::string line;
    double signatures_per_s = 0, requests_per_s = 0;
};
TrialLine report_trial(std::size_t step, const StepSpec& of, std::size_t trial, double rate,
                       const TrialTimes& times, const Answers& answers, const Verified& verified);

std::string report_handshakes(std::size_t step, const StepSpec& of, std::size_t trial, Handshakes& made);

// {"p50":…,"max":…}, µs; sorts. Nothing of an empty one.
std::string percentiles(std::vector<std::int64_t>& values);
std::string decimal(double value);

} // namespace redoubt::bench
