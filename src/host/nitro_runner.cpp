// SPDX-License-Identifier: Apache-2.0
#include "host/nitro_runner.h"

namespace redoubt::host {

namespace {

constexpr int kConsoleMs = 2'000; // it never ends by itself

// What a run of nitro-cli says went wrong, if anything.
Status check(const Result<CommandResult>& result) {
    if (!result)
        return fail(Code::RunnerFailed,
                    "nitro-cli cannot be started: install aws-nitro-enclaves-cli, or name it "
                    "with --nitro-cli",
                    result.error().describe());
    if (result->timed_out)
        return fail(Code::RunnerFailed, "nitro-cli did not end in time: look into /var/log/nitro_enclaves",
                    result->err.substr(0, 200));
    if (result->cut)
        return fail(Code::RunnerFailed, "nitro-cli writes more than any answer has");
    if (result->status != 0)
        return std::unexpected(nitro_cli::explain(result->err));
    return {};
}

} // namespace

NitroRunner::NitroRunner(net::EventLoop& loop, NitroRunnerOptions options)
    : options_(std::move(options)), commands_(loop) {}

NitroRunner::~NitroRunner() = default;

Result<RunningEnclave> NitroRunner::running_of(const nitro_cli::Described& described) const {
    RunningEnclave out;
    out.id = described.id;
    out.name = described.name;
    out.cid = described.cid;
    out.pcr0 = described.pcr0;
    out.debug = described.debug;
    out.ending = described.state != nitro_cli::Described::State::Running;
    if (options_.endpoint_prefix.empty()) {
        out.endpoint.kind = net::Endpoint::Kind::Vsock;
        out.endpoint.cid = described.cid;
        out.endpoint.port = options_.port;
        return out;
    }
    REDOUBT_TRY(out.endpoint,
                net::parse_endpoint(options_.endpoint_prefix + std::to_string(described.cid) + ".sock"));
    return out;
}

// nitro-cli tells name and measurements not of every enclave; one of ours without them cannot be judged.
Status NitroRunner::check_ours(const nitro_cli::Described& described) const {
    const bool whole = !described.name.empty() &&
                       (described.state != nitro_cli::Described::State::Running || !described.pcr0.empty());
    const bool our_cid =
        described.cid >= options_.first_cid && described.cid - options_.first_cid < options_.enclaves;
    if (whole || (!our_cid && described.name != enclave_name(options_.name, described.cid)))
        return {};
    return fail(Code::RunnerFailed,
                "an enclave with a name or CID of this watchdog is listed without its name or measurements: "
                "end it with nitro-cli terminate-enclave",
                "CID " + std::to_string(described.cid) + ", " + described.id);
}

void NitroRunner::describe(Described done) {
    commands_.run({options_.nitro_cli, "describe-enclaves"}, options_.other_limit_ms,
                  [this, done = std::move(done)](const Result<CommandResult>& result) {
                      if (const auto status = check(result); !status)
                          return done(std::unexpected(status.error()));
                      const auto parsed = nitro_cli::parse_describe(result->out);
                      if (!parsed)
                          return done(std::unexpected(parsed.error()));
                      std::vector<RunningEnclave> out;
                      for (const auto& one : *parsed) {
                          if (const auto status = check_ours(one); !status)
                              return done(std::unexpected(status.error()));
                          auto running = running_of(one);
                          if (!running)
                              return done(std::unexpected(running.error()));
                          out.push_back(std::move(*running));
                      }
                      done(std::move(out));
                  });
}

void NitroRunner::start(std::uint32_t cid, Started done) {
    waiting_.push_back({cid, std::move(done)});
    next_start();
}

void NitroRunner::next_start() {
    if (starting_ || waiting_.empty())
        return;
    starting_ = true;
    Waiting turn = std::move(waiting_.front());
    waiting_.pop_front();
    describe(
        [this, cid = turn.cid, done = std::move(turn.done)](const Result<std::vector<RunningEnclave>>& list) {
            // The turn is over before the answer is told: who gets it may start the next, or end this runner.
            const auto answer = [&](Result<RunningEnclave> result) {
                turn_over();
                done(std::move(result));
            };
            if (!list)
                return answer(std::unexpected(list.error()));
            for (const RunningEnclave& one : *list) {
                if (one.cid != cid)
                    continue;
                if (one.name != enclave_name(options_.name, cid))
                    return answer(
                        fail(Code::RunnerFailed,
                             "an enclave that this watchdog did not start has the CID: end it with nitro-cli "
                             "terminate-enclave, or choose other CIDs with --first-cid",
                             "CID " + std::to_string(cid) + ", " + one.id));
                if (one.ending)
                    return answer(
                        fail(Code::RunnerFailed, "the slot's enclave is about to start or to end", one.id));
                return answer(one);
            }
            run(cid, done);
        });
}

void NitroRunner::turn_over() {
    starting_ = false;
    next_start();
}

void NitroRunner::run(std::uint32_t cid, Started done) {
    const std::string name = enclave_name(options_.name, cid);
    std::vector<std::string> arguments{options_.nitro_cli, "run-enclave",
                                       "--eif-path",       options_.eif,
                                       "--memory",         std::to_string(options_.memory_mib),
                                       "--cpu-count",      std::to_string(options_.cpus),
                                       "--enclave-cid",    std::to_string(cid),
                                       "--enclave-name",   name};
    if (options_.debug)
        arguments.emplace_back("--debug-mode");
    commands_.run(std::move(arguments), options_.run_limit_ms,
                  [this, cid, name, done = std::move(done)](const Result<CommandResult>& result) {
                      turn_over();
                      if (const auto status = check(result); !status)
                          return done(std::unexpected(status.error()));
                      const auto run = nitro_cli::parse_run(result->out);
                      if (!run)
                          return done(std::unexpected(run.error()));
                      // It gives another name where one is in use. Such an enclave is nobody's: end it.
                      if (run->cid != cid || run->name != name)
                          return stop(run->id, StopHow::AtOnce, [done, id = run->id](const Status&) {
                              done(fail(Code::RunnerFailed,
                                        "nitro-cli started another enclave than it was told to: look whether "
                                        "one of that name or CID runs already",
                                        id));
                          });
                      // Only the list says what was measured.
                      describe([done, id = run->id](Result<std::vector<RunningEnclave>> list) {
                          if (!list)
                              return done(std::unexpected(list.error()));
                          for (const RunningEnclave& one : *list)
                              if (one.id == id && !one.ending)
                                  return done(one);
                          done(fail(Code::RunnerFailed, "the enclave ended as soon as it was started", id));
                      });
                  });
}

void NitroRunner::stop(const std::string& id, StopHow, Stopped done) {
    commands_.run({options_.nitro_cli, "terminate-enclave", "--enclave-id", id}, options_.other_limit_ms,
                  [this, id, done = std::move(done)](const Result<CommandResult>& result) {
                      auto status = check(result);
                      if (status) {
                          const auto ended = nitro_cli::parse_terminate(result->out);
                          if (!ended)
                              status = std::unexpected(ended.error());
                          else if (*ended != id)
                              status = fail(Code::RunnerFailed,
                                            "nitro-cli ended another enclave than it was told to", *ended);
                      }
                      if (status)
                          return done({});
                      // It may have been gone before: what counts is whether it is there.
                      describe([done, id, status](const Result<std::vector<RunningEnclave>>& list) {
                          if (!list)
                              return done(status);
                          for (const RunningEnclave& one : *list)
                              if (one.id == id)
                                  return done(status);
                          done({});
                      });
                  });
}

void NitroRunner::console(const std::string& id, Console done) {
    commands_.run(
        {options_.nitro_cli, "console", "--enclave-id", id}, kConsoleMs,
        [done = std::move(done)](const Result<CommandResult>& result) {
            if (!result)
                return done(std::unexpected(result.error()));
            if (!result->timed_out && result->status != 0)
                return done(std::unexpected(nitro_cli::explain(result->err)));
            const std::size_t size = result->out.size();
            done(result->out.substr(size > kConsoleTail ? size - kConsoleTail : 0));
        },
        true);
}

} // namespace redoubt::host
