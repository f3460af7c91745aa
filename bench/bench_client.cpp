// SPDX-License-Identifier: Apache-2.0
// Load over HTTPS, on the same cores as the server that it measures, so a cheap client: one thread, requests
// made ready before the timed window, answers looked at after it. Every signature is verified.
//
//     | {"mode": "open", "rate": requests a second or "times": 0.7 (of the median of the closed step before),
//        "arrivals": "even" | "poisson", "turn_us": 250, "warmup_s": 1, "seconds": 5, "trials": 1}
//     | {"mode": "handshakes"bench_client SPEC.json
//
// SPEC: {"url": "https://HOST:PORT", "ca": FILE, "protocol": "http/1.1" | "h2", "connections": N,
//   "streams": M (in flight on each connection; 1 on HTTP/1.1),
//   "operation": "v1-sign-transaction" | "rpc" | "rpc-batch" | "create-keys", "batch": 100,
//   "keys_file": FILE (lines "key_id address"), "pick": "first" | "uniform" | "zipf", "seed": 1,
//   "principal": {"kind": "host"} | {"kind": "p256" | "ed25519", "keyid": ID, "key_file": PEM}
//     | {"kind": "session", "keyid": ID, "key_file": PEM, "sessions": 1 (requests take turns)},
//   "headers": {NAME: VALUE}, more of them, lower-case; authorization, say,
//   "prepare_per_s": requests made ready for each second of a closed trial, if the guess is too small,
//   "create_body": what POST /v1/keys is sent, {} if it is not said,
//   "allocations": {NAME: [FILE]}, counters of processes (count_allocations.cpp) to be read in the window,
//   "tls_enclave": {"pins": [HEX]}: TLS keys of enclaves (SHA-256 of SubjectPublicKeyInfo) instead of "ca",
//   "steps": [{"mode": "closed", "warmup_s": 1, "seconds": 3, "trials": 5}
//     | {"mode": "open", "rate": requests a second or "times": 0.7 (of the median of the closed step before),
//        "arrivals": "even" | "poisson", "turn_us": 250, "warmup_s": 1, "seconds": 5, "trials": 1}
//     | {"mode": "handshakes", "resumed": false, "seconds": 3}
//     | {"mode": "create", "count": N}: of the operation "create-keys", which writes keys_file]}
// Output: a line of JSON for each trial as it ends (client/report.cpp), then {"verified": N, "wrong": N,
// "missing": N}. Exit: 0; 1 where a signature is wrong or missing; 2 where it could not go on.
#include "client/create.h"
#include "client/report.h"
#include "client/session.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace redoubt::bench {
namespace {

// Requests made ready for each second of a closed trial: more than a server of a few cores answers.
constexpr double kMostByHost = 400'000, kMostBySession = 100'000, kMostByKey = 25'000;
constexpr std::size_t kAnswerBytes = 1'500; // of a signature, about

class Bench {
  public:
    explicit Bench(const Spec& spec)
        : spec_(spec), keys_(spec.operation == Operation::CreateKeys ? "" : spec.keys_file),
          signer_(make_signer()), requests_(spec, keys_, signer_ ? &*signer_ : nullptr) {}

    int run() {
        for (std::size_t i = 0; i < spec_.steps.size(); ++i)
            run_step(i, spec_.steps[i]);
        std::printf("{\"verified\":%zu,\"wrong\":%zu,\"missing\":%zu}\n", right_, wrong_, missing_);
        return wrong_ == 0 && missing_ == 0 ? 0 : 1;
    }

  private:
    std::optional<RequestSigner> make_signer() {
        const auto& principal = spec_.principal;
        if (principal.kind == PrincipalSpec::Kind::Host)
            return std::nullopt;
        if (principal.kind == PrincipalSpec::Kind::Session)
            return RequestSigner(agree_sessions(spec_, std::string(keys_.id(0))));
        std::string pem = read_file(principal.key_file);
        return RequestSigner(principal.key_id, Secret::take(pem));
    }

    double most_per_s() const {
        if (spec_.prepare_per_s > 0)
            return static_cast<double>(spec_.prepare_per_s);
        const double most = spec_.principal.kind == PrincipalSpec::Kind::Host      ? kMostByHost
                            : spec_.principal.kind == PrincipalSpec::Kind::Session ? kMostBySession
                                                                                   : kMostByKey;
        return most / static_cast<double>(spec_.batch);
    }

    void run_step(std::size_t index, const StepSpec& step) {
        if (step.mode == Mode::Create) {
            const Created made = create_keys(spec_, step.count, requests_);
            std::printf("{\"step\":%zu,\"mode\":\"create\",\"seconds\":%.3f,\"keys\":%zu}\n", index,
                        made.seconds, made.keys);
            return;
        }
        std::vector<double> rates;
        for (std::size_t trial = 1; trial <= step.trials; ++trial) {
            if (step.mode == Mode::Handshakes) {
                auto made = run_handshakes(spec_, step);
                std::printf("%s\n", report_handshakes(index, step, trial, made).c_str());
                std::fflush(stdout);
                continue;
            }
            const double rate = step.rate > 0 ? step.rate : step.times * capacity_;
            if (step.mode == Mode::Open && rate <= 0)
                die("an open step with times needs a closed one before it");
            rates.push_back(run_trial(index, step, trial, rate));
        }
        if (step.mode != Mode::Closed)
            return;
        std::ranges::sort(rates);
        capacity_ = rates[rates.size() / 2];
    }

    // Requests answered a second.
    double run_trial(std::size_t index, const StepSpec& step, std::size_t trial, double rate) {
        const bool open = step.mode == Mode::Open;
        const double seconds = step.warmup_s + step.seconds + 0.5; // and what is begun before the window
        // Random arrivals may be more than expected, by a few times the root of their number.
        const double count = seconds * (open ? rate * 1.2 : most_per_s()) + 1'000;
        requests_.prepare(static_cast<std::size_t>(count));
        const double answers = open ? count : std::min(count, seconds * 60'000);
        answers_.begin(static_cast<std::size_t>(answers), static_cast<std::size_t>(answers) * spec_.batch *
                                                              kAnswerBytes / (spec_.batch > 1 ? 3 : 1));
        const TrialTimes times = open ? run_open(spec_, step, rate, requests_, answers_)
                                      : run_closed(spec_, step, requests_, answers_);
        const Verified verified = verify(spec_.operation, requests_, answers_);
        if (!verified.first_fault.empty())
            std::fprintf(stderr, "bench_client: wrong: %s\n", verified.first_fault.c_str());
        right_ += verified.right;
        wrong_ += verified.wrong;
        missing_ += times.unanswered * spec_.batch;
        const auto line = report_trial(index, step, trial, rate, times, answers_, verified);
        std::printf("%s\n", line.line.c_str());
        std::fflush(stdout);
        return line.requests_per_s;
    }

    const Spec& spec_;
    Keys keys_;
    std::optional<RequestSigner> signer_;
    Requests requests_;
    Answers answers_;
    double capacity_ = 0; // requests a second
    std::size_t right_ = 0, wrong_ = 0, missing_ = 0;
};

} // namespace
} // namespace redoubt::bench

int main(int argc, char** argv) {
    using namespace redoubt::bench;
    if (argc != 2)
        die("usage: bench_client SPEC.json");
    (void)prctl(PR_SET_TIMERSLACK, 1'000); // ns: requests leave when they are due
    (void)std::signal(SIGPIPE, SIG_IGN);
    rlimit files{};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    const Spec spec = read_spec(argv[1]);
    return Bench(spec).run();
}
