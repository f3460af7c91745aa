// SPDX-License-Identifier: Apache-2.0
#include "client/create.h"

#include "base/json.h"
#include "client/trial.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <unistd.h>

namespace redoubt::bench {

namespace {

constexpr std::size_t kAtOnce =
    20'000; // whose answers, with an attestation each, are kept until they are read

} // namespace

Created create_keys(const Spec& spec, std::size_t count, Requests& requests) {
    std::ofstream out(spec.keys_file, std::ios::binary);
    Answers answers;
    json::Document document;
    Created made;
    while (made.keys < count) {
        requests.prepare(std::min(kAtOnce, count - made.keys));
        answers.begin(requests.size(), 0);
        const TrialTimes times = run_all(spec, requests, answers);
        made.seconds += static_cast<double>(times.until - times.from) / 1e6;
        for (const Answer& answer : answers.all()) {
            const auto root = document.parse(answer.text());
            const auto id = root ? root->get("key_id") : std::nullopt;
            const auto address = root ? root->get("address") : std::nullopt;
            if (answer.status != 201 || !id || !address)
                die("a key was not made: " + std::string(answer.text()));
            out << id->text() << ' ' << address->text() << '\n';
        }
        made.keys += answers.all().size();
        if (times.unanswered > 0)
            die("a key was not made: no answer");
        if (isatty(STDERR_FILENO) != 0)
            std::fprintf(stderr, "\rmade %zu of %zu keys", made.keys, count);
    }
    if (!out.flush())
        die("cannot write " + spec.keys_file);
    return made;
}

} // namespace redoubt::bench
