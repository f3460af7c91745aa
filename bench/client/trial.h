// SPDX-License-Identifier: Apache-2.0
// One trial: a warm-up and a timed window of one loop in one thread. Closed: whatever may be in flight is,
// and an answer's place is taken by the next request. Open: requests are due at times that were fixed before,
// whatever became of those before them, and their time runs from then.
#pragma once

#include "client/answers.h"
#include "client/connection.h"
#include "client/usage.h"

namespace redoubt::bench {

struct TrialTimes {
    std::int64_t from = 0, until = 0; // the window; µs, monotonic
    double cpu_s = 0;                 // of this process in the window
    std::vector<Allocated> allocated_before, allocated_after;
    std::size_t unanswered = 0; // requests that left, or were due, and got no answer
};

TrialTimes run_closed(const Spec& spec, const StepSpec& step, const Requests& requests, Answers& answers);
// All requests there are, as fast as they are answered; the window ends with the last answer.
TrialTimes run_all(const Spec& spec, const Requests& requests, Answers& answers);
// `rate`: requests a second. `requests` has all that are due.
TrialTimes run_open(const Spec& spec, const StepSpec& step, double rate, const Requests& requests,
                    Answers& answers);

} // namespace redoubt::bench
